"""Who hears how far a verification is."""

from __future__ import annotations

from typing import Protocol

from bedplate.verify.levels import Level, LevelResult
from bedplate.verify.rows import Row


class Observer(Protocol):
    """Hears how far a verification is, from several threads."""

    def announce(self, line: str) -> None:
        """Something that takes a while begins."""

    def started(self, row: Row, level: Level) -> None:
        """A level of a row begins."""

    def ended(self, row: Row, result: LevelResult) -> None:
        """A level of a row has ended."""


class Silence:
    """An observer that tells nobody."""

    def announce(self, line: str) -> None:
        """Tell nobody."""

    def started(self, row: Row, level: Level) -> None:
        """Tell nobody."""

    def ended(self, row: Row, result: LevelResult) -> None:
        """Tell nobody."""
