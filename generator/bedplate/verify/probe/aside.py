"""Work that goes on beside a probe."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self


class Aside:
    """Does `_work` on a thread of its own for the time of a with block.

    It is to end soon once `_over` is set, and is waited for `within` seconds, or to its end.
    """

    def __init__(self, within: float | None = None) -> None:
        self._over = threading.Event()
        self._within = within
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(self._within)

    def _work(self) -> None:
        raise NotImplementedError
