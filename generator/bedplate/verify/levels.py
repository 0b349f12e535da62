"""Levels of verification, and what a row came to on each of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from bedplate.verify.findings import Findings, Status
from bedplate.verify.rows import Row


class Level(StrEnum):
    """How deep a row is verified. Each level includes those before it."""

    RENDER = "render"
    STATIC = "static"
    BUILD = "build"
    RUN = "run"
    UPDATE = "update"

    @property
    def including(self) -> tuple[Level, ...]:
        """This level and those above it, in the order in which they are worked off."""
        return LEVELS[: LEVELS.index(self) + 1]


LEVELS: Final = tuple(Level)


@dataclass(frozen=True)
class Proof:
    """The run in which a level of a row was proved, and when."""

    run: str
    at: datetime

    @property
    def told(self) -> str:
        """`reused from 2026-11-24 12:00:00+00:00, run here.0123abcd`."""
        return f"reused from {self.at.isoformat(sep=' ', timespec='seconds')}, run {self.run}"


@dataclass(frozen=True)
class LevelResult:
    """What one level found out about one row, and the seconds that it took.

    With a `proof` nothing was tried in this run: the findings are those of the run that it names.
    """

    level: Level
    findings: Findings
    seconds: float = 0.0
    proof: Proof | None = None

    @property
    def status(self) -> Status:
        """Failed when anything did; passed when something was tried; else skipped."""
        if not self.findings.passed:
            return Status.FAILED
        tried = any(check.status is Status.PASSED for check in self.findings.checks)
        return Status.PASSED if tried else Status.SKIPPED


@dataclass(frozen=True)
class RowResult:
    """What all levels found out about one row. `reproduce` and `emit` are commands for a shell."""

    row: Row
    levels: tuple[LevelResult, ...]
    reproduce: str
    emit: str

    @property
    def id(self) -> str:
        """The id of the row."""
        return self.row.id

    @property
    def passed(self) -> bool:
        """True when no level failed. A level that was skipped did not fail, and is not proved either."""
        return self.failed is None

    @property
    def status(self) -> Status:
        """As that of its worst level: failed before skipped, and skipped before passed."""
        if not self.passed:
            return Status.FAILED
        return Status.SKIPPED if self.skipped else Status.PASSED

    @property
    def failed(self) -> Level | None:
        """The first level that failed, if any."""
        return next((result.level for result in self.levels if result.status is Status.FAILED), None)

    @property
    def skipped(self) -> tuple[Level, ...]:
        """Levels on which nothing was tried."""
        return tuple(result.level for result in self.levels if result.status is Status.SKIPPED)

    def level(self, level: Level) -> LevelResult:
        """The result of one level; `KeyError` when it was not asked for."""
        for result in self.levels:
            if result.level is level:
                return result
        raise KeyError(level)
