"""Why a level of a row is not tried: what failed before it, the engine, its disk, or the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bedplate.verify.findings import Status
from bedplate.verify.levels import Level, LevelResult

ENGINE_LOST: Final = "the container engine stopped answering"
LEAST_ROOM: Final = 2 << 30
"""Bytes that have to be free before a level: building fails in many words on a disk that is full."""


@dataclass
class Obstacles:
    """What a run remembers of its rows, to know which of their levels it tries.

    `time_limit` are the seconds after which no further row is taken below level render, counted from
    when this object was made. Rows that were taken by then are worked off. `room` says how many bytes
    are free for what is built, or nothing when that can't be seen.
    """

    keep_going: bool
    time_limit: float | None = None
    room: Callable[[], int | None] = lambda: None
    engine_stopped: bool = False
    _failed: list[str] = field(default_factory=list, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)

    def failed(self, row: str) -> None:
        """A row has failed, by its id."""
        self._failed.append(row)

    def before(self, results: Sequence[LevelResult]) -> str:
        """Why no further level of a row with these results is tried, or nothing."""
        if self.engine_stopped:
            return ENGINE_LOST
        failed = next((result.level for result in results if result.status is Status.FAILED), None)
        if failed is not None:
            return f"level {failed} failed"
        if self._failed and not self.keep_going:
            return f"{self._failed[0]} failed"
        late = self._late() if not _taken(results) else ""
        return late or self._full()

    def _late(self) -> str:
        if self.time_limit is None or time.monotonic() - self._began < self.time_limit:
            return ""
        return f"no time left: the limit of {self.time_limit:g} s was over"

    def _full(self) -> str:
        room = self.room()
        if room is None or room >= LEAST_ROOM:
            return ""
        return f"only {room >> 20} MiB of disk are free: `docker builder prune` makes room"


def _taken(results: Sequence[LevelResult]) -> bool:
    """Whether a row has passed a level below render."""
    return any(result.status is Status.PASSED for result in results if result.level is not Level.RENDER)
