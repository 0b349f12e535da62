"""The report on a terminal: a table of rows by levels, with the figures that have a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bedplate.verify.findings import Figure, Status
from bedplate.verify.levels import Level, LevelResult, RowResult
from bedplate.verify.report import Report, failures

# Figures that have a column, by the names that levels and probes give them; a note says the others.
COLUMNS: Final = ("image size", "start to ready", "drain failures", "flash")
_WORDS: Final = {Status.PASSED: "ok", Status.FAILED: "FAILED", Status.SKIPPED: "skipped"}


@dataclass(frozen=True)
class Cell:
    """One field of the table, and whether it is good or bad news."""

    text: str
    status: Status | None = None


def header(upto: Level, rows: Iterable[RowResult]) -> tuple[str, ...]:
    """The heads of the columns: levels, then the figures that any row has."""
    present = {figure.name for row in rows for figure in figures(row)}
    return ("row", *map(str, upto.including), *(name for name in COLUMNS if name in present))


def cells(row: RowResult, columns: Sequence[str]) -> Iterator[Cell]:
    """One line of the table, in the order of its columns."""
    yield Cell(row.id)
    by_level = {str(result.level): result for result in row.levels}
    by_name = {figure.name: figure for figure in figures(row)}
    for column in columns[1:]:
        if column in by_level:
            yield level_cell(by_level[column])
        elif column in by_name:
            yield _figure_cell(by_name[column])
        else:
            yield Cell("")


def level_cell(result: LevelResult) -> Cell:
    """`ok 12.3 s`, with the number of checks in it that were skipped."""
    text = _WORDS[result.status]
    if result.status is not Status.SKIPPED:
        text += f" {result.seconds:.1f} s"
        skipped = sum(check.status is Status.SKIPPED for check in result.findings.checks)
        text += f", {skipped} skipped" if skipped else ""
    return Cell(text, result.status)


def _figure_cell(figure: Figure) -> Cell:
    text = f"{figure.value:g}" if figure.unit == "requests" else f"{figure.value:g} {figure.unit}"
    if figure.budget is not None:
        text += f" of {figure.budget:g}"
    return Cell(text, Status.PASSED if figure.within else Status.FAILED)


def figures(row: RowResult) -> tuple[Figure, ...]:
    """Every figure of a row, the first of each name."""
    found: dict[str, Figure] = {}
    for result in row.levels:
        for figure in result.findings.figures:
            found.setdefault(figure.name, figure)
    return tuple(found.values())


def plain(report: Report) -> Iterator[str]:
    """The table as lines of text."""
    columns = header(report.upto, report.rows)
    lines = [columns, *(tuple(cell.text for cell in cells(row, columns)) for row in report.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def footer(report: Report) -> Iterator[str]:
    """On what it ran, what failed and how to see it again, and what was not proved."""
    yield f"{report.engine} engine: {report.engine_detail}{_bases(report)}; {report.seconds:.0f} s"
    for name, detail in failures(report.across):
        yield from ("", f"across rows: {name}", *_indented(detail))
    for row in report.rows:
        yield from _failure(row)
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
