"""The line between an emulated node and an ingest: passes bytes on, notes frames, and connects again."""

from __future__ import annotations

import contextlib
import select
import socket
from types import TracebackType
from typing import Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.aside import Aside
from bedplate.verify.probe.frames import NoFrame
from bedplate.verify.probe.node import connected
from bedplate.verify.probe.stream.api import Key, Reading
from bedplate.verify.probe.stream.device import as_stored
from bedplate.verify.probe.wire import Address

_TURN: Final = 0.05
_CHUNK: Final = 4_096


class RelayedLine(Aside):
    """What a node said and was told, for the time of a with block. While `far` is away, bytes are lost."""

    def __init__(self, uart: Address, far: Address) -> None:
        super().__init__()
        self.far = far
        self.sent: dict[Key, Reading] = {}
        """The readings of whole frames that the node has said."""
        self.acknowledged: dict[tuple[str, int], int] = {}
        """The highest number that it was told of, by device and epoch."""
        self._uart, self._early = connected(uart)
        self._ingest: socket.socket | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for connection in (self._uart, self._ingest):
            if connection is not None:
                connection.close()

    @property
    def count(self) -> int:
        """How many readings were acknowledged, of all epochs."""
        return sum(self.acknowledged.values())

    def _work(self) -> None:
        said, told = bytearray(), bytearray()
        self._note(said, self._early, frames.UP)  # The ingest is not told, and a node says it again.
        while not self._over.is_set():
            if self._ingest is None:
                told.clear()
                self._connect()
            open_now = [connection for connection in (self._uart, self._ingest) if connection is not None]
            readable, _, _ = select.select(open_now, (), (), _TURN)
            for connection in readable:
                data = _received(connection)
                if connection is self._uart:
                    if not data:
                        return  # Whoever waits for more of the node sees that none comes.
                    self._note(said, data, frames.UP)
                    self._pass_on(data)
                elif data:
                    self._note(told, data, frames.DOWN)
                    self._uart.sendall(data)
                else:
                    self._hang_up()

    def _connect(self) -> None:
        with contextlib.suppress(OSError):
            self._ingest = socket.create_connection(self.far, _TURN)

    def _pass_on(self, data: bytes) -> None:
        if self._ingest is not None:
            try:
                self._ingest.sendall(data)
            except OSError:
                self._hang_up()

    def _hang_up(self) -> None:
        if self._ingest is not None:
            self._ingest.close()
            self._ingest = None

    def _note(self, received: bytearray, data: bytes, kinds: range) -> None:
        received += data
        for block in frames.blocks(received):
            with contextlib.suppress(NoFrame):  # The first one after a connection may be half of one.
                frame = frames.decode(block, kinds=kinds)
                if frame.kind == frames.READING:
                    stored = as_stored(frame)
                    self.sent[stored.key] = stored
                elif frame.kind == frames.ACK:
                    boot = (f"{frame.device:08x}", frame.epoch)
                    self.acknowledged[boot] = max(frame.sequence, self.acknowledged.get(boot, 0))


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_CHUNK)
    except OSError:
        return b""
