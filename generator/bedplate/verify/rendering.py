"""Level render: emit rows, hold them against the invariants, emit them again, update what was emitted."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Final

import yaml

from bedplate.project import Project
from bedplate.questionnaire import Questionnaire
from bedplate.verify import batch
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.invariants import Tree, examine, verdict
from bedplate.verify.processes import Ended
from bedplate.verify.rows import Row, settled
from bedplate.verify.run import Run, temporary
from bedplate.verify.snapshot import GIT, Snapshot, git
from bedplate.verify.warden import importable

_BATCH: Final = 16
"""Rows that are emitted in one process: enough to forget its start, few enough to see how far it is."""
_WITHIN: Final = 120.0
"""Seconds for one command, which takes one or two; as many again for each project of a batch."""


@dataclass(frozen=True)
class Emission:
    """A row that was emitted: where, with all its answers, what level render found out and in what time."""

    row: Row
    root: Path
    values: Mapping[str, Any]
    findings: Findings
    seconds: float = 0.0


def batches(rows: Sequence[Row], jobs: int) -> Iterator[Sequence[Row]]:
    """Rows that are emitted together: as many batches as there are jobs, or more where they get long."""
    size = max(1, min(_BATCH, ceil(len(rows) / jobs)))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def emit(run: Run, snapshot: Snapshot, rows: Sequence[Row], updated: Iterable[Row]) -> list[Emission]:
    """Emit rows into the directory of the run and work off level render, the no-op update for some of them.

    All of them are emitted in one process, and once more in another, which hashes differently and takes
    them in the opposite order.

    Raises:
        BadInput: when the answers of a row can't stand together.
    """
    if not rows:
        return []
    benches = [_Bench.of(run, snapshot, row) for row in rows]
    first = _emitted(run, benches, "project", "1")
    made = [bench for bench in benches if first[bench.row.id].made]
    again = _emitted(run, made[::-1], "again", "2")
    updating = {row.id for row in updated}
    return [
        bench.examined(first[bench.row.id], again.get(bench.row.id), bench.row.id in updating)
        for bench in benches
    ]


def _emitted(run: Run, benches: Sequence[_Bench], place: str, hash_seed: str) -> dict[str, batch.Outcome]:
    """Emit rows in a process of their own; what became of each, by its id."""
    if not benches:
        return {}
    orders = benches[0].directory / f"orders-{place}.json"
    outcomes = orders.with_name(f"outcomes-{place}.jsonl")
    batch.write_orders((bench.order(place) for bench in benches), orders)
    arguments = ("bedplate.verify.batch", str(orders), str(outcomes))
    ended = run_python(run, arguments, orders.parent, _WITHIN * (1 + len(benches)), hash_seed)
    found = batch.read_outcomes(outcomes)
    reason = ended.tail.splitlines()[-1:] or [f"exit code {ended.code}"]
    lost = batch.Outcome(0.0, (f"the process that emits it ended early: {reason[0]}",))
    found += [lost] * (len(benches) - len(found))
    return {bench.row.id: outcome for bench, outcome in zip(benches, found, strict=True)}


@dataclass(frozen=True)
class _Bench:
    """Where one row is emitted, again and again."""

    run: Run
    snapshot: Snapshot
    row: Row
    values: Mapping[str, Any]
    directory: Path

    @classmethod
    def of(cls, run: Run, snapshot: Snapshot, row: Row) -> _Bench:
        """Write down every answer of a row, so that no personal default gets in."""
        bench = cls(
            run, snapshot, row, settled(snapshot.questionnaire, row), run.directory / "rows" / row.slug
        )
        bench.directory.mkdir(parents=True)
        answers = snapshot.questionnaire.evaluate(row.data).answers
        bench.answers.write_text(yaml.safe_dump(answers), encoding="utf-8")
        return bench

    @property
    def answers(self) -> Path:
        """The answers file."""
        return self.directory / "answers.yml"

    def project(self, place: str) -> Path:
        """Where the row is emitted; the directory is named like the project."""
        return self.directory / place / str(self.values["project_name"])

    def order(self, place: str) -> batch.Order:
        """What is asked of a batch."""
        return batch.Order(str(self.answers), str(self.project(place)), str(self.snapshot.root), "HEAD")

    def examined(self, first: batch.Outcome, again: batch.Outcome | None, update: bool) -> Emission:
        """Work off what level render asks of a row that was emitted, twice where the first time went well."""
        started = time.monotonic()
        project = self.project("project")
        if again is None:
            findings = Findings((Check("render", Status.FAILED, self._reason(first), first.seconds),))
            return Emission(self.row, project, self.values, findings, first.seconds)
        findings = Findings((Check("render", Status.PASSED, seconds=first.seconds),))
        findings += held(self.snapshot, self.values, project, _places(self.run, self.snapshot))
        findings += Findings((self._same_bytes(project, again),))
        if update:
            findings += Findings((self._no_op_update(project),))
        seconds = first.seconds + again.seconds + time.monotonic() - started
        return Emission(self.row, project, self.values, findings, seconds)

    def _same_bytes(self, project: Path, again: batch.Outcome) -> Check:
        """Compare what was emitted both times, file by file."""
        if again.told:
            return Check("same answers, same bytes", Status.FAILED, self._reason(again), again.seconds)
        first, second = contents(project), contents(self.project("again"))
        differing = (path for path in sorted(first | second) if first.get(path) != second.get(path))
        return verdict("same answers, same bytes", differing, again.seconds)

    def _no_op_update(self, project: Path) -> Check:
        """Commit the project as a user would, and update it to the template that it came from."""
        started = time.monotonic()
        copy = self.directory / "update" / project.name
        shutil.copytree(project, copy)
        Project(copy).start_repository()
        git(copy, "commit", "--quiet", "--no-verify", "--message=Start")
        arguments = ("copier", "update", "--quiet", "--defaults", "--vcs-ref=HEAD", str(copy))
        updated = run_python(self.run, arguments, self.directory)
        if updated.passed:
            complaints: Sequence[str] = git(copy, "status", "--porcelain").splitlines()
        else:
            complaints = updated.tail.splitlines()[-1:] or [f"exit code {updated.code}"]
        return verdict("an update to the same template is empty", complaints, time.monotonic() - started)

    def _reason(self, outcome: batch.Outcome) -> str:
        """What a user would be told, paths as they are in the template and not in this run's copies of it."""
        said = (re.sub(r"^--source \S+: ", "", line) for line in outcome.told)
        return re.sub(rf"{re.escape(str(self.run.directory))}/[^/\s']+/?", "", "\n".join(said))


def run_python(
    run: Run, arguments: Sequence[str], directory: Path, within: float = _WITHIN, hash_seed: str = "0"
) -> Ended:
    """Run a module that comes with this Python, without its user's settings; its log is in `directory`.

    What it writes apart goes with the run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    no_settings = directory / "settings.yml"
    no_settings.write_text("{}\n", encoding="utf-8")
    settings = {"COPIER_SETTINGS_PATH": str(no_settings), "PYTHONHASHSEED": hash_seed}
    return run.processes.run(
        (sys.executable, "-m", *arguments),
        cwd=directory,
        log=directory / f"{arguments[0]}.log",
        within=within,
        environment=os.environ | GIT | importable() | temporary(run) | settings,
    )


def held(
    snapshot: Snapshot, values: Mapping[str, Any], project: Path, machine_paths: tuple[str, ...]
) -> Findings:
    """Hold a tree that these answers emitted against every invariant."""
    tree = replace(
        Tree.read(project, str(values["template"])),
        expected=frozenset(snapshot.sources(values).values()),
        names=frozenset(snapshot.questionnaire.questions),
        machine_paths=machine_paths,
        foreign=foreign(values),
        free_text=_free_text(snapshot.questionnaire, values),
    )
    return examine(tree)


def foreign(values: Mapping[str, Any]) -> tuple[re.Pattern[str], ...]:
    """Words that none of these answers brings into a project, by the questionnaire's `traces`."""
    return tuple(
        re.compile(trace["words"])
        for trace in (*values["traces"], *values["board_traces"])
        if values.get(trace["question"]) not in trace["answers"]
    )


def _free_text(questionnaire: Questionnaire, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Answers in the user's own words."""
    asked = (q for q in questionnaire.questions.values() if not q.computed and q.choices is None)
    return tuple(str(values[question.name]) for question in asked if question.name in values)


def contents(root: Path) -> dict[str, tuple[bytes, bool]]:
    """What is in each file of a project, and whether it may be executed."""
    return {file.path: (file.content, file.executable) for file in Tree.read(root, "").files}


def _places(run: Run, snapshot: Snapshot) -> tuple[str, ...]:
    """Directories of this machine that no emitted file may name."""
    places = {str(snapshot.origin), str(run.directory)}
    home = Path.home()
    # A build stage may well name root's home directory: it is the same on every machine.
    return tuple(sorted(places | ({str(home)} if home != Path("/root") else set())))
