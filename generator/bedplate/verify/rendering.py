"""Level render: emit a row, hold it against the invariants, emit it again, update it to where it is."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from bedplate.project import Project
from bedplate.questionnaire import Questionnaire
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.invariants import Tree, examine, verdict
from bedplate.verify.processes import Ended
from bedplate.verify.rows import Row, settled
from bedplate.verify.run import Run, temporary
from bedplate.verify.snapshot import GIT, Snapshot, git
from bedplate.verify.warden import importable

_WITHIN: Final = 120.0
"""Seconds for one command; each takes about one."""


@dataclass(frozen=True)
class Emission:
    """A row that was emitted: where, with all its answers, and what level render found out."""

    row: Row
    root: Path
    values: Mapping[str, Any]
    findings: Findings


def emit(run: Run, snapshot: Snapshot, row: Row) -> Emission:
    """Emit a row into the directory of the run and work off level render.

    Raises:
        BadInput: when the answers of the row can't stand together.
    """
    values = settled(snapshot.questionnaire, row)
    bench = _Bench(run, snapshot, row, values, run.directory / "rows" / row.slug)
    project = bench.directory / str(values["project_name"])
    rendered = bench.rendered(project)
    findings = Findings((rendered,))
    if rendered.status is Status.PASSED:
        findings += bench.held(project)
        findings += Findings((bench.same_bytes(project), bench.no_op_update(project)))
    return Emission(row, project, values, findings)


@dataclass(frozen=True)
class _Bench:
    """Where one row is emitted, again and again."""

    run: Run
    snapshot: Snapshot
    row: Row
    values: Mapping[str, Any]
    directory: Path

    def rendered(self, project: Path) -> Check:
        """Emit the row, as a user would. Every answer is given, so that no personal default gets in."""
        answers = self.directory / "answers.yml"
        answers.parent.mkdir(parents=True, exist_ok=True)
        evaluation = self.snapshot.questionnaire.evaluate(self.row.data)
        answers.write_text(yaml.safe_dump(evaluation.answers), encoding="utf-8")
        source = (f"--source={self.snapshot.root}", "--ref=HEAD")
        ended = self._python("bedplate", "new", str(project), f"--answers={answers}", "--defaults", *source)
        if ended.passed:
            return Check("render", Status.PASSED, seconds=ended.seconds)
        return Check("render", Status.FAILED, self._reason(ended), ended.seconds)

    def held(self, project: Path) -> Findings:
        """Hold the tree against every invariant."""
        tree = replace(
            Tree.read(project, str(self.values["template"])),
            expected=frozenset(self.snapshot.sources(self.values).values()),
            names=frozenset(self.snapshot.questionnaire.questions),
            machine_paths=_places(self.run, self.snapshot),
            foreign=foreign(self.values),
            free_text=_free_text(self.snapshot.questionnaire, self.values),
        )
        return examine(tree)

    def same_bytes(self, project: Path) -> Check:
        """Emit the row once more and compare, file by file."""
        again = self.directory / "again" / project.name
        rendered = self.rendered(again)
        first, second = _contents(project), _contents(again) if again.is_dir() else {}
        differing = (path for path in sorted(first | second) if first.get(path) != second.get(path))
        return verdict("same answers, same bytes", differing, rendered.seconds)

    def no_op_update(self, project: Path) -> Check:
        """Commit the project as a user would, and update it to the template that it came from."""
        started = time.monotonic()
        copy = self.directory / "update" / project.name
        shutil.copytree(project, copy)
        Project(copy).start_repository()
        git(copy, "commit", "--quiet", "--no-verify", "--message=Start")
        updated = self._python("copier", "update", "--quiet", "--defaults", "--vcs-ref=HEAD", str(copy))
        if updated.passed:
            complaints: Sequence[str] = git(copy, "status", "--porcelain").splitlines()
        else:
            complaints = updated.tail.splitlines()[-1:] or [f"exit code {updated.code}"]
        return verdict("an update to the same template is empty", complaints, time.monotonic() - started)

    def _reason(self, ended: Ended) -> str:
        """What the command said, paths as they are in the template and not in this run's copies of it."""
        said = re.findall(
            r"^bedplate: (?:--source \S+: )?(.+?)(?: \(--debug shows where\))?$", ended.tail, re.M
        )
        text = "\n".join(said) or ended.tail or f"exit code {ended.code}"
        return re.sub(rf"{re.escape(str(self.run.directory))}/[^/\s']+/?", "", text)

    def _python(self, module: str, *arguments: str) -> Ended:
        """Run a program that comes with this Python; what it writes apart goes with the run."""
        no_settings = self.directory / "settings.yml"
        no_settings.write_text("{}\n", encoding="utf-8")
        settings = {"COPIER_SETTINGS_PATH": str(no_settings), "BEDPLATE_DEBUG": "false"}
        return self.run.processes.run(
            (sys.executable, "-m", module, *arguments),
            cwd=self.directory,
            log=self.directory / f"{module}.log",
            within=_WITHIN,
            environment=os.environ | GIT | importable() | temporary(self.run) | settings,
        )


def foreign(values: Mapping[str, Any]) -> tuple[re.Pattern[str], ...]:
    """Words that none of these answers brings into a project, by the questionnaire's `traces`."""
    return tuple(
        re.compile(trace["words"])
        for trace in values["traces"]
        if values.get(trace["question"]) not in trace["answers"]
    )


def _free_text(questionnaire: Questionnaire, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Answers in the user's own words that say what only another answer would bring, the longest first."""
    asked = (q for q in questionnaire.questions.values() if not q.computed and q.choices is None)
    texts = {str(values[q.name]) for q in asked if q.name in values}
    telling = (text for text in texts if any(words.search(text) for words in foreign(values)))
    return tuple(sorted(telling, key=len, reverse=True))


def _contents(root: Path) -> dict[str, tuple[bytes, bool]]:
    return {file.path: (file.content, file.executable) for file in Tree.read(root, "").files}


def _places(run: Run, snapshot: Snapshot) -> tuple[str, ...]:
    """Directories of this machine that no emitted file may name."""
    places = {str(snapshot.origin), str(run.directory)}
    home = Path.home()
    # A build stage may well name root's home directory: it is the same on every machine.
    return tuple(sorted(places | ({str(home)} if home != Path("/root") else set())))
