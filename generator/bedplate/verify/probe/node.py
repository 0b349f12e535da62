"""The far end of a node's link: what it says, one frame after the other, and what it is told."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping
from typing import Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.frames import Frame, NoFrame
from bedplate.verify.probe.talk import Talk
from bedplate.verify.probe.trial import Unmet
from bedplate.verify.probe.wire import Address

PATIENCE: Final = 30.0
"""Seconds that anything may take which the contract wants at once. An emulator on a busy machine is slow."""
HELLO_EVERY_MS: Final = 2_000
_CONNECT_WITHIN: Final = 15.0
_CHUNK: Final = 4_096


class Node(Talk):
    """A connection to a node's UART. `haste` is how many of its seconds the node has in one of ours."""

    def __init__(
        self, address: Address, device: int, patience: float = PATIENCE, *, haste: float = 1.0
    ) -> None:
        link, early = connected(address)
        super().__init__(link, frames.UP, patience, "the emulator", early)
        self.device = device
        self.haste = haste

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

    def expect_boot(self) -> Frame:
        """The hello with which a run begins; a frame that the reset before it has cut off is passed over."""
        with contextlib.suppress(NoFrame):
            return self.expect(frames.HELLO, such=_begins)
        return self.expect(frames.HELLO, such=_begins)

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


def connected(address: Address) -> tuple[socket.socket, bytes]:
    """Connect to a UART, and what came first: what publishes a port accepts before the emulator does."""
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
