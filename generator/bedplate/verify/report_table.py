"""The report on a terminal: rows by levels, and the figures that everybody asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bedplate.verify.findings import Figure, Status
from bedplate.verify.levels import LevelResult, RowResult
from bedplate.verify.report import Report, failures

# By the names that levels and probes give them. The others are in report.json.
COLUMNS: Final = ("image size", "start to ready", "drain failures", "flash")
_WORDS: Final = {Status.PASSED: "ok", Status.FAILED: "FAILED", Status.SKIPPED: "skipped"}


@dataclass(frozen=True)
class Cell:
    """One field of the table, and whether it is good or bad news."""

    text: str
    status: Status | None = None


@dataclass(frozen=True)
class Table:
    """Heads of columns, and lines of as many cells."""

    heads: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]


def tables(report: Report) -> Iterator[Table]:
    """Rows by levels, then rows by figures: two tables, since one is wider than many a terminal."""
    yield Table(
        ("row", *map(str, report.upto.including)),
        tuple((Cell(row.id), *map(level_cell, row.levels)) for row in report.rows),
    )
    present = {figure.name for row in report.rows for figure in figures(row)}
    if names := tuple(name for name in COLUMNS if name in present):
        yield Table(("row", *names), tuple(_figure_line(row, names) for row in report.rows))


def _figure_line(row: RowResult, names: Sequence[str]) -> tuple[Cell, ...]:
    by_name = {figure.name: figure for figure in figures(row)}
    found = (by_name.get(name) for name in names)
    return (Cell(row.id), *(_figure_cell(figure) if figure else Cell("") for figure in found))


def level_cell(result: LevelResult) -> Cell:
    """`ok 12.3 s`, with the number of checks in it that were skipped; `ok, reused` when nothing ran."""
    text = _WORDS[result.status]
    if result.proof is not None:
        return Cell(f"{text}, reused", result.status)
    if result.status is not Status.SKIPPED:
        text += f" {result.seconds:.1f} s"
        skipped = sum(check.status is Status.SKIPPED for check in result.findings.checks)
        text += f", {skipped} skipped" if skipped else ""
    return Cell(text, result.status)


def _figure_cell(figure: Figure) -> Cell:
    """`11.8/18 MB`: the value, its budget unless that is zero, and the unit unless the head says it."""
    text = f"{figure.value:g}"
    if figure.budget:
        text += f"/{figure.budget:g}"
    if figure.unit != "requests":
        text += f" {figure.unit}"
    within = Status.PASSED if figure.within else Status.FAILED
    return Cell(text, within if figure.budget is not None else None)


def figures(row: RowResult) -> tuple[Figure, ...]:
    """Every figure of a row, the first of each name."""
    found: dict[str, Figure] = {}
    for result in row.levels:
        for figure in result.findings.figures:
            found.setdefault(figure.name, figure)
    return tuple(found.values())


def plain(report: Report) -> Iterator[str]:
    """The tables as lines of text."""
    for number, table in enumerate(tables(report)):
        if number:
            yield ""
        lines = [table.heads, *(tuple(cell.text for cell in line) for line in table.lines)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            yield "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def footer(report: Report) -> Iterator[str]:
    """On what it ran, what failed and how to see it again, and what was not proved."""
    yield f"{report.engine} engine: {report.engine_detail}{_bases(report)}; {report.seconds:.0f} s"
    if report.selection and report.selection.shard:
        yield f"shard {report.selection.shard}: {len(report.rows)} of {len(report.selection.ids)} rows"
    for name, detail in failures(report.across):
        yield from ("", f"across rows: {name}", *_indented(detail))
    for row in report.rows:
        yield from _failure(row)
    yield from _reuses(report)
    yield from _skips(report)


def _bases(report: Report) -> str:
    origins = {base.origin for base in report.bases}
    if not origins:
        return ""
    return "; base images from the registry" if origins == {"registry"} else "; base images: stand-ins"


def _failure(row: RowResult) -> Iterator[str]:
    if row.passed:
        return
    for result in row.levels:
        for name, detail in failures(result.findings):
            yield from ("", f"{row.id}: level {result.level}: {name}", *_indented(detail))
    yield from ("", f"  again: {row.reproduce}", f"  emit:  {row.emit}")


def _indented(detail: str) -> Iterator[str]:
    return (f"  | {line}" for line in detail.splitlines())


def _reuses(report: Report) -> Iterator[str]:
    """Levels that did not run now, by the run that proved them."""
    reused: dict[str, dict[str, list[str]]] = {}
    for row in report.rows:
        for result in row.levels:
            if result.proof is not None:
                reused.setdefault(result.proof.told, {}).setdefault(row.id, []).append(result.level)
    if reused:
        yield ""
    for told, rows in reused.items():
        yield f"{told}: " + "; ".join(f"{row} ({', '.join(levels)})" for row, levels in rows.items())


def _skips(report: Report) -> Iterator[str]:
    """Checks that were skipped, each reason once."""
    skips: dict[tuple[str, str], list[str]] = {}
    for check in report.across.checks:
        if check.status is Status.SKIPPED:
            skips.setdefault((check.name, check.detail), []).append("across rows")
    for row in report.rows:
        for result in row.levels if row.passed else ():
            for check in result.findings.checks:
                if check.status is Status.SKIPPED:
                    skips.setdefault((check.name, check.detail), []).append(row.id)
    if skips:
        yield ""
    for (name, detail), where in skips.items():
        yield f"skipped: {name} ({', '.join(dict.fromkeys(where))}): {detail}"
