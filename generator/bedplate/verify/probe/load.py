"""Many keep-alive clients that never stop asking, and a record of every request that did not end well.

A failed request is one sent on a connection that was accepted before the listener closed and that
got no complete answer. From outside, an accepted connection looks like one that the kernel completed
but the service never accepted: both let the client connect. They are told apart so:

* A connection that ever delivered a byte was accepted.
* A connection that ends in order (FIN) was accepted: the kernel resets those that were not.
* A connection that is reset before its first byte was accepted if one that was made clearly later
  got an answer, since listeners hand out connections in the order in which they came. Only a reset
  in the instant in which the listener closes may be the kernel's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import h11

from bedplate.verify.probe.wire import PATIENCE, Address

CLOSING: Final = 0.1
"""Seconds over which a service with several listeners may close them one after the other: one period
of the scheduler that enforces CPU limits."""
_CONNECT_WITHIN: Final = 5.0
_CHUNK: Final = 65_536


class Ending(StrEnum):
    """How a request ended that got no complete answer."""

    RESET = "reset"
    CLOSED = "closed"
    LATE = "no answer in time"
    MALFORMED = "not an HTTP answer"


@dataclass(frozen=True)
class Loss:
    """A request that was sent and got no complete answer. Times are of the monotonic clock."""

    connected_at: float
    at: float
    ending: Ending
    answered_before: int
    """Requests that the same connection had answered already."""
    received: int
    """Bytes of this request's answer that came."""

    def __str__(self) -> str:
        return f"{self.ending} after {self.answered_before} answers and {self.received} bytes"


@dataclass
class Record:
    """What all clients saw. Times are of the monotonic clock."""

    answers: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    losses: list[Loss] = field(default_factory=list)
    last_served_connection: float = 0.0
    """When the youngest connection was made that got an answer."""
    first_refusal: float | None = None
    kept_alive: list[float] = field(default_factory=list)
    """When answers came that did not announce the end of their connection."""

    def failed(self, *, direct: bool) -> list[Loss]:
        """The losses that are failed requests; see the module for the reasoning.

        When connections are not `direct`, a proxy accepted them, and one that never delivered a byte
        proves nothing.
        """
        return [loss for loss in self.losses if not self._excused(loss, direct)]

    def _excused(self, loss: Loss, direct: bool) -> bool:
        if loss.answered_before or loss.received:
            return False
        if not direct:
            return True
        closing = loss.connected_at > self.last_served_connection - CLOSING
        return loss.ending is Ending.RESET and closing


@dataclass
class Load:
    """`clients` connections over which one of the `requests` after the other is sent, until the end.

    Each client waits about `pause` seconds between an answer and its next request. One that is
    refused stops: a platform would send it elsewhere.
    """

    address: Address
    requests: Sequence[bytes]
    clients: int = 200
    pause: float = 0.1
    patience: float = PATIENCE
    record: Record = field(default_factory=Record)

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until `stop` is set or every client was refused."""
        await asyncio.gather(*(self._client(random.Random(seed), stop) for seed in range(self.clients)))  # noqa: S311

    async def _client(self, chance: random.Random, stop: asyncio.Event) -> None:
        await asyncio.sleep(chance.uniform(0, self.pause))
        while not stop.is_set():
            try:
                async with asyncio.timeout(_CONNECT_WITHIN):
                    reader, writer = await asyncio.open_connection(*self.address)
            except (OSError, TimeoutError):
                if self.record.first_refusal is None:
                    self.record.first_refusal = time.monotonic()
                return
            try:
                await self._converse(reader, writer, chance, stop)
            finally:
                writer.transport.abort()

    async def _converse(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        chance: random.Random,
        stop: asyncio.Event,
    ) -> None:
        """Send requests over one connection until it ends."""
        connected_at, answered = time.monotonic(), 0
        parser = h11.Connection(h11.CLIENT)
        while not stop.is_set():
            exchange = _Exchange(reader, writer, parser)
            try:
                async with asyncio.timeout(self.patience):
                    status, kept = await exchange.run(chance.choice(self.requests))
            except (OSError, h11.RemoteProtocolError) as error:
                ending = Ending.CLOSED if exchange.ended else _ending(error)
                self.record.losses.append(
                    Loss(connected_at, time.monotonic(), ending, answered, exchange.received)
                )
                await asyncio.sleep(self.pause)
                return
            answered += 1
            self._note(connected_at, status, kept)
            if not kept:
                return
            await asyncio.sleep(chance.uniform(0.5, 1.5) * self.pause)

    def _note(self, connected_at: float, status: int, kept: bool) -> None:
        record = self.record
        record.answers += 1
        record.statuses[status] += 1
        record.last_served_connection = max(record.last_served_connection, connected_at)
        if kept:
            record.kept_alive.append(time.monotonic())


@dataclass
class _Exchange:
    """One request and its answer over a connection that may have had others before."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    parser: h11.Connection
    received: int = 0
    ended: bool = False
    """The peer has sent its FIN."""

    async def run(self, request: bytes) -> tuple[int, bool]:
        """The status, and whether the connection can be used again."""
        if self.parser.our_state is not h11.IDLE:
            self.parser.start_next_cycle()
        self.parser.send(h11.Request(method="GET", target="/", headers=[("host", "any")]))
        self.parser.send(h11.EndOfMessage())
        self.writer.write(request)
        await self.writer.drain()
        status = 0
        while True:
            match self.parser.next_event():
                case h11.NEED_DATA:
                    await self._receive()
                case h11.Response(status_code=status):
                    pass
                case h11.EndOfMessage():
                    return status, self.parser.our_state is h11.DONE
                case h11.ConnectionClosed():
                    raise h11.RemoteProtocolError("closed without an answer")
                case _:
                    pass

    async def _receive(self) -> None:
        data = await self.reader.read(_CHUNK)
        self.ended = not data
        self.received += len(data)
        self.parser.receive_data(data)


def _ending(error: Exception) -> Ending:
    if isinstance(error, TimeoutError):
        return Ending.LATE
    return Ending.RESET if isinstance(error, OSError) else Ending.MALFORMED
