"""`bedplate verify`: emit projects, prove them level by level, and say what was found."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import typer

from bedplate.commands.waiting import moves
from bedplate.errors import BadInput, Interrupted, MissingTool
from bedplate.project import Project
from bedplate.questionnaire import Questionnaire
from bedplate.verify import report as reports
from bedplate.verify import sweep
from bedplate.verify.findings import Findings
from bedplate.verify.levels import Level, RowResult
from bedplate.verify.progress import Display, Lines, LiveTable
from bedplate.verify.proofs import Proofs
from bedplate.verify.rows import Row, select
from bedplate.verify.run import ADVICE, Docker
from bedplate.verify.settings import Settings
from bedplate.verify.shards import Selection, Shard
from bedplate.verify.snapshot import origin_of
from bedplate.verify.verification import Verification


@dataclass(frozen=True)
class VerifyOptions:
    """What was asked for on the command line."""

    domains: tuple[str, ...] = ()
    rows: str = "default"
    row: tuple[str, ...] = ()
    level: str = "run"
    jobs: int = 1
    engine: Literal["auto", "container", "host"] = "auto"
    bases: Literal["auto", "registry", "local"] = "auto"
    keep_going: bool = False
    reuse: bool = False
    within: float | None = None
    time_limit: float | None = None
    report: Path | None = None
    project: Path | None = None
    shard: str | None = None
    sweep: bool = False
    json: bool = False


def run(options: VerifyOptions) -> int:
    """Verify what the options select.

    Returns 0 when all of it is proved, 1 when something failed, 3 when nothing failed but a level that
    was asked for could not be tried here, or the engine stopped. A run that is interrupted still reports
    how far it came.
    """
    if options.sweep:
        return _sweep(options.json)
    rows, selection = _selected(options)
    make_place(options.report)
    display, shown = display_of(Level(options.level), options.json)
    with shown:
        report, interruption = _verify(options, rows, selection, display)
    tell(report, display, options.report, options.json)
    if interruption is not None:
        raise interruption
    return verdict(report)


def tell(report: reports.Report, display: Display, directory: Path | None, as_json: bool) -> None:
    """Write the report where it is wanted, and show it."""
    if directory is not None:
        reports.write(report, directory)
    if as_json:
        typer.echo(json.dumps(reports.record(report, directory), indent=2, ensure_ascii=False))
    else:
        display.conclude(report)


def verdict(report: reports.Report) -> int:
    """The exit code of a report: 0 or 1; raises `MissingTool` for what was not tried."""
    if report.engine_stopped:
        raise MissingTool(
            "the container engine stopped answering before the end; when it runs again, "
            "`bedplate verify --sweep` removes what this run left in it"
        )
    if not report.passed:
        return 1
    if report.unproved:
        raise MissingTool(*report.unproved, *([ADVICE] if report.engine == "host" else []))
    return 0


def _selected(options: VerifyOptions) -> tuple[tuple[Row, ...], Selection | None]:
    """The rows that are meant, before anything is started; none for a project that exists."""
    if options.project is None:
        shard = Shard.parse(options.shard) if options.shard else None
        questionnaire = Questionnaire.load(origin_of(None))
        rows = select(questionnaire, options.rows, options.domains, options.row)
        return rows, Selection(options.rows, tuple(row.id for row in rows), shard)
    if options.domains or options.row or options.shard:
        raise BadInput(
            "--project PATH: a project that exists has its answers; leave out DOMAIN, --row and --shard"
        )
    if Level(options.level) is Level.UPDATE:
        raise BadInput("--level update: starts from the template's own history; leave out --project")
    Project(options.project).answers()
    return (), None


def make_place(report: Path | None) -> None:
    """Make the directory of the report, so that nothing runs for minutes to be lost."""
    if report is not None:
        try:
            report.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"--report {report}: {error.strerror}") from error


def display_of(level: Level, as_json: bool) -> tuple[Display, AbstractContextManager[None]]:
    """What shows a run and its report, and the context in which it shows the run."""
    if as_json:
        return Lines(partial(typer.echo, err=True)), nullcontext()
    if not (sys.stdout.isatty() and moves()):
        return Lines(typer.echo), nullcontext()
    table = LiveTable(level)
    return table, table.shown()


def _verify(
    options: VerifyOptions, rows: tuple[Row, ...], selection: Selection | None, display: Display
) -> tuple[reports.Report, Interrupted | None]:
    """What the run came to, and what ended it before its time, if anything did."""
    report = None
    try:
        with Verification.open(_settings(options), display) as verification:
            report, interruption = _reported(options, rows, selection, verification)
    except Interrupted as error:  # while cleaning up, or before there was anything to report
        if report is None:
            raise
        interruption = error
    return report, interruption


def _settings(options: VerifyOptions) -> Settings:
    return Settings(
        engine=options.engine,
        bases=options.bases,
        logs=options.report.absolute() / "logs" if options.report else None,
        jobs=options.jobs,
        keep_going=options.keep_going,
        rows=options.rows,
        within=options.within,
        time_limit=options.time_limit,
        proofs=Proofs.usual(os.environ),
        reuse=options.reuse,
    )


def _reported(
    options: VerifyOptions,
    rows: tuple[Row, ...],
    selection: Selection | None,
    verification: Verification,
) -> tuple[reports.Report, Interrupted | None]:
    began, started, interruption = datetime.now(UTC), time.monotonic(), None
    try:
        results, across = _work(options, rows, selection, verification)
    except Interrupted as error:
        results, across, interruption = verification.so_far(Level(options.level)), Findings(), error
    snapshot = verification.taken
    report = reports.Report(
        run=verification.run.id,
        started=began,
        seconds=time.monotonic() - started,
        upto=Level(options.level),
        engine=verification.engine.name,
        engine_detail=verification.engine.describe(),
        bases=verification.engine.bases(),
        rows=results,
        across=across,
        commit=snapshot.commit if snapshot else None,
        modified=snapshot.modified if snapshot else False,
        interrupted=interruption is not None,
        engine_stopped=verification.engine_stopped,
        selection=selection,
    )
    return report, interruption


def _work(
    options: VerifyOptions,
    rows: tuple[Row, ...],
    selection: Selection | None,
    verification: Verification,
) -> tuple[tuple[RowResult, ...], Findings]:
    level = Level(options.level)
    if options.project is not None:
        return (verification.tree(options.project, level),), Findings()
    part = selection.shard.part(rows) if selection and selection.shard else rows
    return verification.rows(part, level), verification.across(rows)


def _sweep(as_json: bool) -> int:
    """Remove what runs left behind that live no more."""
    engine = Docker.connect().api
    left = sweep.leftover_runs(engine)
    removed = {run: sweep.remove(engine, run) + sweep.remove_files(run) for run in left}
    if as_json:
        typer.echo(json.dumps({run: str(what) for run, what in removed.items()}, indent=2))
        return 0
    for run, what in removed.items():
        typer.echo(f"{run}: removed {what}")
    for run in sorted(run for run in sweep.runs(engine) if sweep.elsewhere(run)):
        typer.echo(f"{run}: left, it belongs to another machine; remove it there")
    if not removed:
        typer.echo("nothing is left of earlier runs")
    return 0
