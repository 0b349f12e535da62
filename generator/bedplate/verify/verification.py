"""Rows through levels: what `bedplate verify` and the tests of templates call."""

from __future__ import annotations

import os
import shlex
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bedplate.errors import BedplateError
from bedplate.project import Project
from bedplate.questionnaire import Questionnaire
from bedplate.render import checkout, questionnaire_of
from bedplate.verify import static
from bedplate.verify.climb import climbs
from bedplate.verify.course import Course
from bedplate.verify.engine import Engine, Subject, keep, log_of
from bedplate.verify.engine_container import Container
from bedplate.verify.engine_host import Host
from bedplate.verify.findings import ENGINE_STOPPED, Check, Findings, Status
from bedplate.verify.invariants import FOR_ANY_PROJECT, Tree, hold
from bedplate.verify.ladder import Ladder
from bedplate.verify.levels import Level, LevelResult, Proof, RowResult
from bedplate.verify.observer import Observer, Silence
from bedplate.verify.obstacles import ENGINE_LOST, Obstacles
from bedplate.verify.processes import Cancelled
from bedplate.verify.proofs import Claim
from bedplate.verify.rendering import Emission, batches, emit
from bedplate.verify.rows import Row, settled
from bedplate.verify.run import Docker, Run
from bedplate.verify.settings import Settings
from bedplate.verify.snapshot import Snapshot, copy_project
from bedplate.verify.threads import in_threads, in_turn, jobs_within
from bedplate.verify.unused_files import hold_every_file_used


class Verification:
    """An engine that is ready and a run that cleans up; verifies any number of rows and trees."""

    def __init__(self, run: Run, engine: Engine, settings: Settings, observer: Observer) -> None:
        self.run = run
        self.engine = engine
        self.settings = settings
        self._obstacles = Obstacles(settings.keep_going, settings.time_limit, engine.room)
        self._observer = Course(observer)
        self._snapshot: Snapshot | None = None
        self._ladder: Ladder | None = None
        self._trees = 0
        self._ran: list[Subject] = []
        """What passed level run in this run, and so has an image."""

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, observer: Observer | None = None) -> Iterator[Verification]:
        """Choose the engine and begin a run; what it starts is gone when the context ends.

        Raises:
            MissingTool: when a container engine was asked for and none answers.
        """
        docker = Docker.chosen(settings.engine)
        with Run.start(docker, settings.logs, settings.within) as run:
            engine = Container(run, docker, settings.bases) if docker else Host(run)
            verification = cls(run, engine, settings, observer or Silence())
            verification._observer.announce(f"run {run.id} on the {engine.name} engine")
            yield verification

    @property
    def engine_stopped(self) -> bool:
        """Whether the engine did not answer any more when a step failed."""
        return self._obstacles.engine_stopped

    @property
    def snapshot(self) -> Snapshot:
        """The template of this verification, copied when it is first needed."""
        if self._snapshot is None:
            self._snapshot = Snapshot.take(self.settings.source, self.run.directory)
        return self._snapshot

    @property
    def ladder(self) -> Ladder:
        """The earlier templates that level update starts from, cloned when they are first needed."""
        if self._ladder is None:
            self._ladder = Ladder.take(self.snapshot, self.run.directory)
        return self._ladder

    @property
    def taken(self) -> Snapshot | None:
        """The template, if it was needed until now."""
        return self._snapshot

    def row(self, row: Row, upto: Level) -> RowResult:
        """Emit a row and verify it up to a level."""
        return self.rows((row,), upto)[0]

    def rows(self, rows: Sequence[Row], upto: Level) -> tuple[RowResult, ...]:
        """Emit all rows, then verify each up to a level.

        Raises:
            BadInput: when the answers of a row can't stand together.
            MissingTool: when a base image can be had in no way.
        """
        for row in rows:
            self._expect(row, upto)
        if not rows:
            return ()
        self.snapshot  # noqa: B018 (taken here once, and not by several threads)
        if upto is Level.UPDATE:
            self.ladder  # noqa: B018 (likewise)
        first = tuple({row.domain: row for row in reversed(rows)}.values())  # of each domain
        processors = os.cpu_count() or 1  # emitting needs no memory to speak of, whatever `jobs` says
        emitting = in_threads(
            self.run, processors, batches(rows, processors), lambda batch: self._emit(batch, first)
        )
        emitted = [pair for pairs in emitting for pair in pairs]
        subjects = [subject_of(emission) for emission, rendered in emitted if rendered.findings.passed]
        if upto is not Level.RENDER:
            self.engine.prepare(subjects, self._observer.announce)
        turns = in_turn(emitted, lambda pair: pair[0].row.domain)
        deepened = in_threads(
            self.run, self._jobs(), turns, lambda pair: self._deepen(pair[0], pair[1:], upto)
        )
        ended = {result.row.id: result for result in deepened}
        self._ran = [subject_of(emission) for emission, _ in emitted if _ran(ended[emission.row.id])]
        return tuple(ended[emission.row.id] for emission, _ in emitted)

    def tree(self, root: Path, upto: Level) -> RowResult:
        """Verify a copy of a project that exists, up to a level.

        Its files may have been changed, so level render only asks whether they parse.

        Raises:
            BadInput: when the directory holds no emitted project.
        """
        recorded = Project(root).answers()
        given = {name: value for name, value in recorded.items() if not name.startswith("_")}
        row = Row(str(given.pop("domain", "")), given)
        source = str(recorded.get("_src_path", "REPO"))
        commands = (self._command("--project", str(root), upto), row.copier_command(source))
        self._observer.expect(row, *commands)
        values = self._values(row, source)
        self._trees += 1
        copy = self.run.directory / f"tree-{self._trees}" / str(values["project_name"])
        copy_project(root.resolve(), copy)
        self._observer.started(row, Level.RENDER)
        findings = hold(Tree.read(copy, str(values["template"])), FOR_ANY_PROJECT)
        rendered = self._told(row, Level.RENDER, findings, 0.0)
        emission = Emission(row, copy, values, findings)
        result = self.deepen(emission, (rendered,), upto)
        return replace(result, reproduce=commands[0], emit=commands[1])

    def emit(self, row: Row) -> tuple[Emission, LevelResult]:
        """Emit a row, and what level render says of it; it stays there until the verification is closed.

        Raises:
            BadInput: when its answers can't stand together.
        """
        self._expect(row, Level.RENDER)
        return self._emit((row,), ())[0]

    def deepen(self, emission: Emission, done: Sequence[LevelResult], upto: Level) -> RowResult:
        """Verify what was emitted up to a level; those that were `done` already are level render and on.

        Raises:
            MissingTool: when a base image can be had in no way.
        """
        if upto is not Level.RENDER:
            self.engine.prepare([subject_of(emission)], self._observer.announce)
        return self._deepen(emission, done, upto)

    def so_far(self, upto: Level) -> tuple[RowResult, ...]:
        """What all rows came to until now; levels that have not ended are skipped."""
        return self._observer.so_far(upto)

    def across(self, rows: Iterable[Row]) -> Findings:
        """What holds over rows together: what they do with each other, and that no file is unused."""
        return self.engine.together(self._ran) + hold_every_file_used(self.snapshot, rows)

    def _expect(self, row: Row, upto: Level) -> None:
        command = self._command("--row", row.id, upto)
        self._observer.expect(row, command, row.copier_command(self._source()))

    def _jobs(self) -> int:
        """As many as were asked for, and no more than the engine's machine has memory for."""
        asked = self.settings.jobs
        return asked if asked == 1 else jobs_within(self.engine.memory(), asked)

    def _emit(self, rows: Sequence[Row], updated: Iterable[Row]) -> list[tuple[Emission, LevelResult]]:
        """Emit a batch of rows, and update those of them that are to be updated."""
        for row in rows:
            self._observer.started(row, Level.RENDER)
        emissions = emit(self.run, self.snapshot, rows, updated)
        return [
            (emission, self._told(emission.row, Level.RENDER, emission.findings, emission.seconds))
            for emission in emissions
        ]

    def _deepen(self, emission: Emission, done: Sequence[LevelResult], upto: Level) -> RowResult:
        """Work off the levels below render; after one that failed, the others are skipped."""
        row, subject = emission.row, subject_of(emission)
        provable = self.settings.proofs is not None and done[0].findings.passed
        claim = Claim.of(subject, self.engine) if provable else None
        results = [*done, *(self._proved(row, claim, upto) if len(done) == 1 else ())]
        for level in upto.including[len(results) :]:
            if obstacle := self._obstacles.before(results):
                skipped = Findings((Check(str(level), Status.SKIPPED, obstacle),))
                results.append(self._told(row, level, skipped, 0.0))
            else:
                results.append(self._level(row, subject, level))
        if any(result.status is Status.FAILED for result in results):
            self._obstacles.failed(row.id)
        self._keep(claim, results)
        command = self._command("--row", row.id, upto)
        return RowResult(row, tuple(results), command, row.copier_command(self._source()))

    def _proved(self, row: Row, claim: Claim | None, upto: Level) -> Iterator[LevelResult]:
        """The levels below render as an earlier run proved them, when that is wanted."""
        if claim and self.settings.proofs and self.settings.reuse:
            for result in self.settings.proofs.find(claim, upto):
                self._observer.ended(row, result)
                yield result

    def _keep(self, claim: Claim | None, results: Sequence[LevelResult]) -> None:
        if claim and self.settings.proofs:
            try:
                self.settings.proofs.keep(claim, results, Proof(self.run.id, datetime.now(UTC)))
            except OSError as error:
                self._observer.announce(f"proofs are not kept: {error}")

    def _command(self, option: str, value: str, upto: Level) -> str:
        """The command that verifies the same again."""
        parts = ["bedplate", "verify", option, value, "--level", upto, "--engine", self.engine.name]
        if option == "--row" and self.settings.rows != "default":
            parts += ["--rows", self.settings.rows]
        if self.settings.bases != "auto":
            parts += ["--bases", self.settings.bases]
        return shlex.join(parts)

    def _level(self, row: Row, subject: Subject, level: Level) -> LevelResult:
        self._observer.started(row, level)
        started = time.monotonic()
        findings = Findings()
        if level is Level.STATIC:
            findings += Findings((static.rules(Tree.read(subject.root, subject.template)),))
        for step in self._steps(row, level):
            findings += self._step(step, subject, level)
            if any(check.status is Status.FAILED for check in findings.checks):
                findings += self._engine_lost()
                if level is not Level.STATIC or self.engine_stopped:
                    break
        return self._told(row, level, findings, time.monotonic() - started)

    def _steps(self, row: Row, level: Level) -> Sequence[Callable[[Subject], Findings]]:
        if level is Level.UPDATE:
            build = self.engine.steps(Level.BUILD)
            return climbs(self.run, self.ladder, self.snapshot.questionnaire, row, build)
        return self.engine.steps(level)

    def _engine_lost(self) -> Findings:
        """After a step that failed: what is wrong with the engine, which is nobody else's fault."""
        if not self.engine_stopped and self.engine.answers():
            return Findings()
        self._obstacles.engine_stopped = True
        return Findings((Check(ENGINE_STOPPED, Status.FAILED, ENGINE_LOST),))

    def _step(self, step: Callable[[Subject], Findings], subject: Subject, level: Level) -> Findings:
        """One step; whatever it raises is a failure of this row, not of the run."""
        try:
            return step(subject)
        except Exception as error:
            if self.run.processes.cancelled:
                raise Cancelled from error
            name = f"{level} error"
            log = log_of(self.run, subject, name)
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(traceback.format_exc(), encoding="utf-8")
            detail = str(error) if isinstance(error, BedplateError) else f"{type(error).__name__}: {error}"
            return Findings((Check(name, Status.FAILED, detail, log=keep(self.run, log)),))

    def _told(self, row: Row, level: Level, findings: Findings, seconds: float) -> LevelResult:
        result = LevelResult(level, findings, seconds)
        self._observer.ended(row, result)
        return result

    def _values(self, row: Row, source: str) -> Mapping[str, Any]:
        """All answers of a project: by this template, or by its own where there is no checkout."""
        root = self.settings.source or checkout()
        if root is not None:
            return settled(Questionnaire.load(root), row)
        with questionnaire_of(source) as questionnaire:
            return settled(questionnaire, row)

    def _source(self) -> str:
        return str(self.settings.source or checkout() or "REPO")


def _ran(result: RowResult) -> bool:
    """Whether this run has run it, and nothing that an earlier one proved stands for that."""
    return any(
        level.level is Level.RUN and level.status is Status.PASSED and level.proof is None
        for level in result.levels
    )


def subject_of(emission: Emission) -> Subject:
    """What engines are given of a row that was emitted."""
    return Subject(emission.root, emission.row.slug, emission.values)
