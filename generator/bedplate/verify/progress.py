"""How far a verification is: a line for each level that ends, or a table that fills up on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from bedplate.verify.findings import Status
from bedplate.verify.levels import Level, LevelResult
from bedplate.verify.observer import Observer
from bedplate.verify.report import Report
from bedplate.verify.report_table import Cell, footer, level_cell, plain, tables
from bedplate.verify.rows import Row

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_STYLES: Final = {Status.PASSED: "green", Status.FAILED: "bold red", Status.SKIPPED: "yellow"}


class Display(Observer, Protocol):
    """Shows the verification while it runs, and the report when it has ended."""

    def conclude(self, report: Report) -> None:
        """Show the report."""
        ...


class Lines:
    """Plain lines, for logs, pipes and other programs."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def announce(self, line: str) -> None:
        """Pass on what begins."""
        self._write(line)

    def started(self, row: Row, level: Level) -> None:
        """Nothing: the end of a level gets a line."""

    def ended(self, row: Row, result: LevelResult) -> None:
        """One line for the level."""
        self._write(f"{row.id}  {result.level}  {level_cell(result).text}")

    def conclude(self, report: Report) -> None:
        """The table, and what there is to say about it."""
        self._write("")
        for line in (*plain(report), "", *footer(report)):
            self._write(line)


class LiveTable:
    """A table on a terminal; what runs shows its seconds."""

    def __init__(self, upto: Level) -> None:
        from rich.console import Console

        self.console = Console(highlight=False)
        self._columns = upto.including
        self._cells: dict[str, dict[Level, LevelResult | float]] = {}
        self._line = ""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table while the context lasts; it leaves no trace."""
        from rich.live import Live

        with Live(get_renderable=self._render, console=self.console, refresh_per_second=4, transient=True):
            yield

    def announce(self, line: str) -> None:
        """Below the table."""
        self._line = line

    def started(self, row: Row, level: Level) -> None:
        """Its seconds begin to count."""
        self._cells.setdefault(row.id, {})[level] = time.monotonic()

    def ended(self, row: Row, result: LevelResult) -> None:
        """Its outcome takes the place of its seconds."""
        self._line = ""
        self._cells.setdefault(row.id, {})[result.level] = result

    def conclude(self, report: Report) -> None:
        """The report, and what there is to say about it."""
        for table in tables(report):
            drawn = _table(table.heads)
            for line in table.lines:
                drawn.add_row(*map(_styled, line))
            self.console.print(drawn)
        for text in footer(report):
            self.console.print(text, markup=False, soft_wrap=True)

    def _render(self) -> RenderableType:
        from rich.console import Group

        table = _table(("row", *map(str, self._columns)))
        for row, levels in list(self._cells.items()):
            table.add_row(row, *(self._cell(levels.get(level)) for level in self._columns))
        return Group(table, self._line)

    def _cell(self, state: LevelResult | float | None) -> Text:
        match state:
            case LevelResult():
                return _styled(level_cell(state))
            case float():
                return _styled(Cell(f"{time.monotonic() - state:.0f} s …"))
        return _styled(Cell(""))


def _table(columns: Sequence[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _styled(cell: Cell) -> Text:
    from rich.text import Text

    return Text(cell.text, style=_STYLES[cell.status] if cell.status else "")
