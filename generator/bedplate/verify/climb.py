"""Level update: a project from a rung of the ladder, worked on by its user, is brought up to date.

The user takes plain copier, resolves nothing, and has a project that is as good as a new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from bedplate.errors import BadInput
from bedplate.project import Project
from bedplate.questionnaire import Questionnaire, written
from bedplate.verify.engine import Subject
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.invariants import FOR_ANY_PROJECT, Tree, hold, verdict
from bedplate.verify.ladder import Ladder, Rung, Work
from bedplate.verify.processes import Ended
from bedplate.verify.rendering import contents, run_python
from bedplate.verify.rows import Row, settled
from bedplate.verify.run import Run
from bedplate.verify.snapshot import git

Step = Callable[[Subject], Findings]

_CONFLICTS = ("<<<<<<< ", ">>>>>>> ")
"""How git begins and ends what it could not merge."""


def climbs(
    run: Run, ladder: Ladder, questionnaire: Questionnaire, row: Row, build: Sequence[Step]
) -> list[Step]:
    """Level update of a row, step by step: for each rung the update, then what level build does.

    Projects that are alike after the update, whichever rung they began on, are built once.
    """
    steps: list[Step] = []
    ended: dict[str, str] = {}
    for rung, work in ladder.of(row.domain):
        climb = Climb.of(run, ladder, questionnaire, row, rung, work, ended)
        steps += [climb.update, *(partial(climb.built, step) for step in build)]
    return steps or [_nothing_below]


@dataclass(frozen=True)
class Climb:
    """One project on its way from a rung to the top.

    It starts with the defaults of the rung. What the row answers is given with the update, as is the
    answer that the ladder has changed. `values` are all answers that it ends with. In `ended` is what
    those before it, and it, were after the update: digests of all files, by the titles of rungs.
    """

    run: Run
    ladder: Ladder
    rung: Rung
    work: Work
    given: Mapping[str, object]
    values: Mapping[str, Any]
    directory: Path
    ended: dict[str, str]

    @classmethod
    def of(
        cls,
        run: Run,
        ladder: Ladder,
        questionnaire: Questionnaire,
        row: Row,
        rung: Rung,
        work: Work,
        ended: dict[str, str],
    ) -> Climb:
        """The climb of a row from a rung, in a directory of the run."""
        goal = Row(row.domain, {**row.given, ladder.answer.name: ladder.answer.after})
        directory = run.directory / "ladder" / row.slug / rung.tag
        return cls(run, ladder, rung, work, goal.data, settled(questionnaire, goal), directory, ended)

    @property
    def project(self) -> Path:
        """Where the project is that is updated."""
        return self.directory / str(self.values["project_name"])

    def update(self, _: Subject) -> Findings:
        """Emit the project, work on it, update it, and look at what came out."""
        started = time.monotonic()
        problem = self._emitted(self.project, self.rung.tag, self._before()) or self._worked_on()
        if not problem:
            answers = _data({name: value for name, value in self.given.items() if name != "domain"})
            problem = _problem(self._copier("update", *answers, str(self.project)))
        seconds = time.monotonic() - started
        updated = self._named(Findings((verdict("copier update", [problem] if problem else [], seconds),)))
        if not updated.passed:
            return updated
        tree = Tree.read(self.project, str(self.values["template"]))
        found = Findings(
            (
                verdict("no conflict", self._conflicts(tree)),
                verdict("the user's work is kept", self._lost()),
                verdict("for the rest like a new project", self._unlike_new()),
            )
        )
        self.ended[self.rung.title] = _digest(sorted(contents(self.project).items()))
        notes = (f"{self.rung.title}: alike, file by file, to {self._alike}",) if self._alike else ()
        return updated + self._named(found + hold(tree, FOR_ANY_PROJECT)) + Findings(notes=notes)

    @property
    def _alike(self) -> str | None:
        """The title of an earlier rung, if there is one, from which the very same project has come."""
        own = self.rung.title
        earlier = (title for title, digest in self.ended.items() if digest == self.ended[own])
        first = next(earlier)
        return None if first == own else first

    def built(self, step: Step, subject: Subject) -> Findings:
        """One step of level build on the updated project, unless one that was built before it is alike.

        Its figures are those of a user's own project.
        """
        if self._alike:
            return Findings()
        updated = Subject(self.project, f"{subject.slug}-{self.rung.tag}", self.values)
        return self._named(step(updated))

    def _before(self) -> Mapping[str, object]:
        return {"domain": self.given["domain"], self.ladder.answer.name: self.ladder.answer.before}

    def _emitted(self, project: Path, tag: str, answers: Mapping[str, object]) -> str:
        """Emit a project with plain copier; what went wrong, or nothing."""
        places = (str(self.ladder.root), str(project))
        return _problem(self._copier("copy", f"--vcs-ref={tag}", *_data(answers), *places))

    def _worked_on(self) -> str:
        """Commit the project, then what its user does to it; what went wrong, or nothing."""
        Project(self.project).start_repository()
        git(self.project, "commit", "--quiet", "--no-verify", "--message=Start")
        try:
            self.work.apply(self.project)
        except BadInput as error:
            return str(error)
        git(self.project, "add", "--all")
        git(self.project, "commit", "--quiet", "--no-verify", "--message=Make it ours")
        return ""

    def _conflicts(self, tree: Tree) -> Iterator[str]:
        for file in tree.files:
            if file.path.endswith(".rej"):
                yield f"{file.path}: a piece of the update that did not fit"
            if any(line.startswith(_CONFLICTS) for line in file.lines):
                yield f"{file.path}: a conflict between the update and the user's work"
        yield from git(self.project, "ls-files", "--unmerged").splitlines()

    def _lost(self) -> Iterator[str]:
        yield from self.work.lost(self.project)
        answer, recorded = self.ladder.answer, self._recorded()
        for name, value in self.given.items():
            if recorded.get(name) != value:
                yield f"{name}: {recorded.get(name)} is recorded, not {value}"
        if answer.shows not in (self.project / answer.file).read_text(encoding="utf-8"):
            yield f"{answer.file}: does not show that {answer.name} is {answer.after}"

    def _unlike_new(self) -> Iterator[str]:
        """Files that no user touched, and that a new project with its answers has not, or has otherwise."""
        recorded = self._recorded()
        # Shared by all rungs that end with these answers.
        new = self.directory.parent / f"new-{_digest(sorted(recorded.items()))}" / self.project.name
        if not new.is_dir() and (problem := self._emitted(new, self.ladder.top, recorded)):
            yield problem
            return
        updated, fresh = contents(self.project), contents(new)
        for path in sorted((updated | fresh).keys() - self.work.files):
            if updated.get(path) != fresh.get(path):
                yield path

    def _recorded(self) -> Mapping[str, object]:
        recorded = Project(self.project).answers()
        return {name: value for name, value in recorded.items() if not name.startswith("_")}

    def _copier(self, command: str, *arguments: str) -> Ended:
        copier = ("copier", command, "--quiet", "--defaults", *arguments)
        return run_python(self.run, copier, self.directory)

    def _named(self, findings: Findings) -> Findings:
        """The checks under the title of the rung."""
        named = (replace(check, name=f"{self.rung.title}: {check.name}") for check in findings.checks)
        return Findings(tuple(named))


def _nothing_below(_: Subject) -> Findings:
    reason = "no rung of the ladder has this domain yet"
    return Findings((Check("copier update", Status.SKIPPED, reason),))


def _digest(content: object) -> str:
    return sha256(repr(content).encode()).hexdigest()[:32]


def _data(answers: Mapping[str, object]) -> list[str]:
    return [f"--data={name}={written(value)}" for name, value in answers.items()]


def _problem(ended: Ended) -> str:
    return "" if ended.passed else ended.tail or f"exit code {ended.code}"
