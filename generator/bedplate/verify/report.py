"""The evidence of a run as files: report.json, as report.schema.json describes it, junit.xml, report.html."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from bedplate import __version__
from bedplate.verify.bases import Base
from bedplate.verify.findings import Check, Figure, Findings, Status
from bedplate.verify.levels import Level, LevelResult, RowResult
from bedplate.verify.report_page import page
from bedplate.verify.shards import Selection

FORMAT: Final = 1
"""Raised when a reader of report.json has to change."""
SCHEMA: Final = Path(__file__).parent / "report.schema.json"


@dataclass(frozen=True)
class Report:
    """A run that has ended: on what it ran, and what it found out. `commit` is the template's, if known.

    `interrupted` says that somebody ended it, `engine_stopped` that the engine did not see its end;
    `selection` which rows it was about, unless that was a project that exists.
    """

    run: str
    started: datetime
    seconds: float
    upto: Level
    engine: str
    engine_detail: str
    bases: tuple[Base, ...]
    rows: tuple[RowResult, ...]
    across: Findings
    commit: str | None = None
    modified: bool = False
    interrupted: bool = False
    engine_stopped: bool = False
    selection: Selection | None = None

    @property
    def status(self) -> str:
        """One word for all of it."""
        if self.interrupted:
            return "interrupted"
        return "passed" if self.passed else "failed"

    @property
    def passed(self) -> bool:
        """True when nothing failed."""
        return self.across.passed and all(row.passed for row in self.rows)

    @property
    def unproved(self) -> tuple[str, ...]:
        """Levels that were asked for and not tried on some row, though nothing failed before them."""
        return tuple(
            f"{row.id}: level {result.level}: {'; '.join(_reasons(result))}"
            for row in self.rows
            for result in row.levels
            if row.passed and result.status is Status.SKIPPED
        )


def write(report: Report, directory: Path) -> None:
    """Put report.json, junit.xml and report.html into a directory, making it where needed."""
    directory.mkdir(parents=True, exist_ok=True)
    content = record(report, directory)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (directory / "report.json").write_text(f"{text}\n", encoding="utf-8")
    (directory / "report.html").write_text(page(content, directory), encoding="utf-8")
    ElementTree.ElementTree(junit(report)).write(
        directory / "junit.xml", encoding="utf-8", xml_declaration=True
    )


def record(report: Report, directory: Path | None = None) -> dict[str, Any]:
    """The report as report.schema.json describes it. Logs are named when they are below `directory`."""
    return {
        "format": FORMAT,
        "bedplate": __version__,
        "run": report.run,
        "started": report.started.isoformat(timespec="seconds"),
        "seconds": round(report.seconds, 3),
        "status": report.status,
        "level": str(report.upto),
        "selection": _selection(report.selection),
        "template": {"commit": report.commit, "modified": report.modified},
        "engine": {"name": report.engine, "detail": report.engine_detail},
        "bases": [asdict(base) for base in report.bases],
        "across_rows": _findings(report.across),
        "rows": [_row(row, directory) for row in report.rows],
    }


def _selection(selection: Selection | None) -> dict[str, Any] | None:
    if selection is None:
        return None
    shard = str(selection.shard) if selection.shard else None
    return {"rows": selection.kind, "shard": shard, "ids": list(selection.ids)}


def _row(row: RowResult, directory: Path | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "domain": row.row.domain,
        "answers": row.row.data,
        "status": str(row.status),
        "reproduce": row.reproduce,
        "emit": row.emit,
        "levels": [
            {
                "level": str(result.level),
                "status": str(result.status),
                "seconds": round(result.seconds, 3),
                "reused": _reused(result),
                **_findings(result.findings, directory),
            }
            for result in row.levels
        ],
    }


def _reused(result: LevelResult) -> dict[str, str] | None:
    proof = result.proof
    return {"run": proof.run, "at": proof.at.isoformat(timespec="seconds")} if proof else None


def _findings(findings: Findings, directory: Path | None = None) -> dict[str, Any]:
    return {
        "checks": [_check(check, directory) for check in findings.checks],
        "figures": [_figure(figure) for figure in findings.figures],
        "notes": list(findings.notes),
    }


def _check(check: Check, directory: Path | None) -> dict[str, Any]:
    log = check.log.relative_to(directory.absolute()).as_posix() if check.log and directory else None
    return {
        "name": check.name,
        "status": str(check.status),
        "seconds": round(check.seconds, 3),
        "detail": check.detail,
        "log": log,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "budget": figure.budget,
        "within": figure.within,
    }


def junit(report: Report) -> ElementTree.Element:
    """A test suite per row, a test case per check and per figure with a budget, as CI servers read it."""
    suites = ElementTree.Element("testsuites", name="bedplate verify")
    rows = [(row.id, row.levels) for row in report.rows]
    across = [("across rows", (LevelResult(Level.RENDER, report.across),))] if report.across.checks else []
    for name, levels in [*rows, *across]:
        cases = [case for result in levels for case in _cases(name, result)]
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=name,
            tests=str(len(cases)),
            failures=str(sum(case.find("failure") is not None for case in cases)),
            errors="0",
            skipped=str(sum(case.find("skipped") is not None for case in cases)),
            time=f"{sum(result.seconds for result in levels):.3f}",
            timestamp=report.started.isoformat(timespec="seconds"),
        )
        suite.extend(cases)
    return suites


def _cases(row: str, result: LevelResult) -> Iterator[ElementTree.Element]:
    for check in result.findings.checks:
        case = _case(row, result, check.name, check.seconds)
        if check.status is Status.SKIPPED:
            ElementTree.SubElement(case, "skipped", message=_xml(check.detail))
        elif check.status is Status.FAILED:
            first = check.detail.partition("\n")[0]
            ElementTree.SubElement(case, "failure", message=_xml(first)).text = _xml(check.detail)
        yield case
    for figure in result.findings.figures:
        if figure.budget is not None:
            case = _case(row, result, f"{figure.name} within budget", 0.0)
            if not figure.within:
                ElementTree.SubElement(case, "failure", message=over_budget(figure))
            yield case


def _case(row: str, result: LevelResult, name: str, seconds: float) -> ElementTree.Element:
    """A test case; one that was reused says so, and took no time."""
    taken = 0.0 if result.proof else seconds
    case = ElementTree.Element("testcase", classname=f"{row}.{result.level}", name=name, time=f"{taken:.3f}")
    if result.proof:
        ElementTree.SubElement(case, "system-out").text = result.proof.told
    return case


def _xml(text: str) -> str:
    """Without what XML 1.0 can't hold, in section 2.2 of its recommendation: most control characters."""
    return "".join(c for c in text if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff"))


def over_budget(figure: Figure) -> str:
    """`19.2 MB, budget 18 MB`."""
    return f"{figure.value:g} {figure.unit}, budget {figure.budget:g} {figure.unit}"


def failures(findings: Findings) -> Iterator[tuple[str, str]]:
    """Each thing that failed, with why."""
    for check in findings.checks:
        if check.status is Status.FAILED:
            yield check.name, check.detail
    for figure in findings.figures:
        if not figure.within:
            yield figure.name, over_budget(figure)


def _reasons(result: LevelResult) -> Iterable[str]:
    return dict.fromkeys(check.detail for check in result.findings.checks if check.status is Status.SKIPPED)
