"""`bedplate verify --merge`: one report of the reports of all shards, and the exit code of one run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bedplate.commands.verify import display_of, make_place, tell, verdict
from bedplate.errors import BadInput
from bedplate.verify.findings import Check
from bedplate.verify.levels import LevelResult
from bedplate.verify.report import Report
from bedplate.verify.report_reader import read
from bedplate.verify.shards import merge


def run(directories: Sequence[Path], report: Path | None, as_json: bool) -> int:
    """Join the reports in these directories, as `verify` would have told of all their rows."""
    if not directories:
        raise BadInput("--merge: name the directories with the reports of all shards")
    taken = {directory.resolve() for directory in directories}
    if report is not None and report.resolve() in taken:
        raise BadInput(f"--report {report}: has one of the reports that are merged; name another directory")
    merged = merge({str(directory): read(directory) for directory in directories})
    make_place(report)
    if report is not None:
        merged = _with_logs(merged, report.absolute() / "logs")
    display, _ = display_of(merged.upto, as_json)
    tell(merged, display, report, as_json)
    return verdict(merged)


def _with_logs(report: Report, logs: Path) -> Report:
    """The report with copies of the logs, each row's below its own name as it was."""

    def level(result: LevelResult) -> LevelResult:
        checks = tuple(_with_log(check, logs) for check in result.findings.checks)
        return replace(result, findings=replace(result.findings, checks=checks))

    rows = (replace(row, levels=tuple(map(level, row.levels))) for row in report.rows)
    return replace(report, rows=tuple(rows))


def _with_log(check: Check, logs: Path) -> Check:
    if check.log is None:
        return check
    copy = logs / check.log.parent.name / check.log.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    return replace(check, log=Path(shutil.copyfile(check.log, copy)))
