"""A connection over which frames come, one after the other, and over which anything is sent."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from bedplate.verify.probe import frames
from bedplate.verify.probe.frames import Frame
from bedplate.verify.probe.trial import Unmet

_CHUNK: Final = 4_096


class Talk:
    """One end of a line. Frames that were passed over while waiting for others are gone.

    `kinds` are those that the other end may send, `early` what it has sent already, `patience` how many
    seconds to wait where nothing else is said. `far` is what the other end is called when it has gone.
    """

    def __init__(
        self, connection: socket.socket, kinds: range, patience: float, far: str, early: bytes = b""
    ) -> None:
        self.patience = patience
        self._socket = connection
        self._kinds = kinds
        self._far = far
        self._received = bytearray(early)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.settimeout(self.patience)
        self._socket.sendall(data)

    def next(self, within: float | None = None) -> Frame | None:
        """The next frame of the other end, or None when none comes in time.

        Raises:
            Unmet: when what comes is no frame, or the connection has ended.
        """
        deadline = time.monotonic() + (self.patience if within is None else within)
        while True:
            for block in frames.blocks(self._received):
                return frames.decode(block, time.monotonic(), self._kinds)
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                data = self._socket.recv(_CHUNK)
                if not data:
                    raise Unmet(f"{self._far} has ended")
                self._received += data

    def expect(self, kind: int, such: Callable[[Frame], bool] = lambda _: True) -> Frame:
        """Pass over frames until one of this kind comes, `such` as wanted; raises `Unmet` without one."""
        passed = []
        deadline = time.monotonic() + self.patience
        while (frame := self.next(max(deadline - time.monotonic(), 0.0))) is not None:
            if frame.kind == kind and such(frame):
                return frame
            passed.append(frame)
        seen = ", ".join(str(frame) for frame in passed[-5:])
        raise Unmet(f"no {frames.NAMES[kind]} within {self.patience:g} s; {seen or 'nothing'} came")

    def during(self, seconds: float) -> list[Frame]:
        """Every frame that comes in this time."""
        deadline = time.monotonic() + seconds
        heard = []
        while (frame := self.next(max(deadline - time.monotonic(), 0.0))) is not None:
            heard.append(frame)
        return heard
