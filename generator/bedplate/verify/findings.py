"""What a level or a probe reports: checks that passed, failed or were skipped, and figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

ENGINE_STOPPED: Final = "container engine"
"""The check that fails where the engine stopped answering, which is no fault of the row."""


class Status(StrEnum):
    """Outcome of one check. A skip always says why in its detail."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One claim that was tried: its name, the outcome and, unless it passed, why.

    `log` is the file that has everything that was said, when it was kept.
    """

    name: str
    status: Status
    detail: str = ""
    seconds: float = 0.0
    log: Path | None = None


@dataclass(frozen=True)
class Figure:
    """One measured number. `budget` is the largest allowed value in the same unit, if there is one."""

    name: str
    value: float
    unit: str
    budget: float | None = None

    @property
    def within(self) -> bool:
        """True when there is no budget or the value keeps to it."""
        return self.budget is None or self.value <= self.budget


@dataclass(frozen=True)
class Findings:
    """All that one level or probe found out about one project."""

    checks: tuple[Check, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __add__(self, other: Findings) -> Findings:
        """Join two sets of findings, in order."""
        return Findings(self.checks + other.checks, self.figures + other.figures, self.notes + other.notes)

    @property
    def passed(self) -> bool:
        """True when no check failed and every figure keeps to its budget."""
        return all(c.status is not Status.FAILED for c in self.checks) and all(f.within for f in self.figures)
