"""The far end of a node's link: what it says, one frame after the other, and what it is told."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

from bedplate.verify.probe import frames
from bedplate.verify.probe.frames import Frame, NoFrame
from bedplate.verify.probe.trial import Unmet
from bedplate.verify.probe.wire import Address

PATIENCE: Final = 30.0
"""Seconds that anything may take which the contract wants at once. An emulator on a busy machine is slow."""
HELLO_EVERY_MS: Final = 2_000
_CONNECT_WITHIN: Final = 15.0
_CHUNK: Final = 4_096


class Node:
    """A connection to a node's UART. Frames that were passed over while waiting for others are gone.

    `patience` is how many seconds to wait where nothing else is said, `haste` how many of its seconds the
    node has in one of ours.
    """

    def __init__(
        self, address: Address, device: int, patience: float = PATIENCE, *, haste: float = 1.0
    ) -> None:
        self.device = device
        self.patience = patience
        self.haste = haste
        self._received = bytearray()
        self._socket, early = _connected(address)
        self._received += early

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(
        self,
        kind: int,
        *,
        epoch: int = 0,
        sequence: int = 0,
        device: int | None = None,
        body: Mapping[str, int] | None = None,
    ) -> None:
        """Send a frame of this kind, to this node unless another device is given."""
        to = self.device if device is None else device
        self.send_bytes(frames.encode(Frame(kind, to, epoch, sequence, body or {})))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.settimeout(self.patience)
        self._socket.sendall(data)

    def next(self, within: float | None = None) -> Frame | None:
        """The next frame that the node says, or None when it says none in time.

        Raises:
            Unmet: when what it says is no frame, or the link is closed.
        """
        deadline = time.monotonic() + (self.patience if within is None else within)
        while True:
            for block in frames.blocks(self._received):
                return frames.decode(block, time.monotonic())
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                data = self._socket.recv(_CHUNK)
                if not data:
                    raise Unmet("the emulator has ended")
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

    def expect_boot(self) -> Frame:
        """The hello with which a run begins; a frame that the reset before it has cut off is passed over."""
        with contextlib.suppress(NoFrame):
            return self.expect(frames.HELLO, such=_begins)
        return self.expect(frames.HELLO, such=_begins)

    def during(self, seconds: float) -> list[Frame]:
        """Everything that the node says in this time."""
        deadline = time.monotonic() + seconds
        heard = []
        while (frame := self.next(max(deadline - time.monotonic(), 0.0))) is not None:
            heard.append(frame)
        return heard

    def command(self, kind: int, epoch: int = 0, **body: int) -> Frame:
        """Send a command and wait for its reply."""
        self.send(kind, epoch=epoch, body=body)
        return self.expect(frames.REPLY, such=lambda frame: frame["command"] == kind)

    def status(self) -> Frame:
        """Ask for the status."""
        self.send(frames.GET_STATUS)
        return self.expect(frames.STATUS)


def _begins(hello: Frame) -> bool:
    """Whether a run says this hello first; with those that follow it may still speak of the run before."""
    return hello["uptime_ms"] < HELLO_EVERY_MS


def _connected(address: Address) -> tuple[socket.socket, bytes]:
    """Connect, and see that somebody is there: what publishes a port accepts before the emulator does."""
    deadline = time.monotonic() + _CONNECT_WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError, TimeoutError):
            link = socket.create_connection(address, 1.0)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.settimeout(_CONNECT_WITHIN)
            with contextlib.suppress(ConnectionError, TimeoutError):
                if early := link.recv(_CHUNK):
                    return link, early
            link.close()
        time.sleep(0.02)
    raise Unmet(f"the node said nothing within {_CONNECT_WITHIN:g} s of being switched on")
