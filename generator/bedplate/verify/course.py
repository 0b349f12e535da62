"""How far the rows of a run have come, so that one that is cut short can tell what it had proved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.levels import Level, LevelResult, RowResult
from bedplate.verify.observer import Observer
from bedplate.verify.rows import Row

INTERRUPTED: Final = "interrupted"


@dataclass
class Course(Observer):
    """Tells an observer what it hears, and remembers it by the id of the row."""

    observer: Observer
    _expected: list[RowResult] = field(default_factory=list, init=False)
    _ended: dict[str, list[LevelResult]] = field(default_factory=dict, init=False)

    def expect(self, row: Row, reproduce: str, emit: str) -> None:
        """A row that is going to be verified, with the commands that verify and emit it again."""
        self._ended[row.id] = []
        self._expected.append(RowResult(row, (), reproduce, emit))

    def announce(self, line: str) -> None:
        """Something that takes a while begins."""
        self.observer.announce(line)

    def started(self, row: Row, level: Level) -> None:
        """A level of a row begins."""
        self.observer.started(row, level)

    def ended(self, row: Row, result: LevelResult) -> None:
        """A level of a row has ended."""
        self._ended[row.id].append(result)
        self.observer.ended(row, result)

    def so_far(self, upto: Level) -> tuple[RowResult, ...]:
        """All rows: levels as they ended, the others skipped because the run was interrupted."""
        return tuple(self._cut_short(expected, upto) for expected in self._expected)

    def _cut_short(self, expected: RowResult, upto: Level) -> RowResult:
        ended = tuple(self._ended[expected.id])
        left = upto.including[len(ended) :]
        skipped = (
            LevelResult(level, Findings((Check(level, Status.SKIPPED, INTERRUPTED),))) for level in left
        )
        return RowResult(expected.row, (*ended, *skipped), expected.reproduce, expected.emit)
