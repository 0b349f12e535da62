"""Many clients at once, idle or slow, and one with a great deal to say: good clients see no error."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from bedplate.verify.probe.aside import Aside
from bedplate.verify.probe.gateway import LISTENERS, started
from bedplate.verify.probe.hostile import MEMORY_SLACK
from bedplate.verify.probe.metrics import scrape, total
from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until
from bedplate.verify.probe.wire import Address, render, request

BODY: Final = 1 << 30
"""Bytes of a body that is larger than the memory of what it passes."""
_PIECE: Final = bytes(1 << 20)
_LOOKS: Final = 16
"""How often memory is looked at while it passes."""
_IDLE: Final = 10_000
_BATCH: Final = 250
"""So many connect before the first of them asks."""
_SPARE: Final = 500
"""Descriptors for everything else."""
_TURN: Final = threading.Lock()
"""Descriptors are the process's, and rows may be probed at the same time: one crowd has all of them."""
_SLOW: Final = 1_000
_ASKED: Final = 50
"""Answers that good clients must have had meanwhile."""
_PATIENCE: Final = 30.0
_QUESTION: Final = render("GET", "/")
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_SLOW_HEAD: Final = render("GET", "/")[:-4]
"""A head that goes on for ever with whatever comes next."""
_SLOW_BODY: Final = render("POST", "/", [("Content-Length", str(BODY))])


@dataclass(frozen=True)
class Waiting:
    """What a connection takes of a service while it waits."""

    descriptors: int
    most_kib: float
    """Of the memory of the process."""


def try_crowd(trials: Trials, platform: Platform, config: str, settings: str, waiting: Waiting) -> None:
    """All of it, with one upstream: the cluster `sink`, to which `settings` have everything sent.

    `config` is the path of the image's configuration file.
    """
    if not platform.direct:
        trials.skip("crowd: an upstream of ours", "the engine runs elsewhere and can't reach this machine")
        return
    with trials.part("crowd: it serves"), many_descriptors() as ours, Sink(platform.gateway) as sink:
        host, port = sink.address
        cluster = f'{settings}[cluster.sink]\nendpoints = ["{host}:{port}"]\n'
        with started(platform, {config: LISTENERS + cluster.encode()}) as instance:
            # First: memory that many have had stays with the process, and nobody could tell what one takes.
            _try_large(trials, instance)
            _try_idle(trials, instance, ours, waiting)
            _try_slow(trials, instance)


class Sink:
    """Answers each request once its body has come, of which it keeps nothing; one thread for however many."""

    def __init__(self, host: str) -> None:
        self._loop = asyncio.new_event_loop()
        listener = socket.create_server((host, 0))
        self.address: Address = listener.getsockname()
        self._thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)

    def _serve(self, listener: socket.socket) -> None:
        open_now: set[asyncio.Transport] = set()
        serving = self._loop.create_server(lambda: _Connection(open_now), sock=listener, backlog=4_096)
        server = self._loop.run_until_complete(serving)
        self._loop.run_forever()
        server.close()
        for transport in tuple(open_now):
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


class _Connection(asyncio.Protocol):
    def __init__(self, open_now: set[asyncio.Transport]) -> None:
        self._open_now = open_now
        self._head = b""
        self._missing = 0
        """Bytes of a body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._open_now.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_now.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            self._head = b"" if end else head
            if not end:
                return
            self._missing = _length(head)
        self._missing -= len(data)
        if not self._missing:
            self._transport.write(_ANSWER)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@contextmanager
def many_descriptors() -> Iterator[int]:
    """As many as this process may have, for one at a time."""
    with _TURN:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            yield hard
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class _Good(Aside):
    """Clients that ask, each over a connection of its own, for the time of a with block."""

    def __init__(self, address: Address) -> None:
        super().__init__(_PATIENCE)
        self._address = address
        self.answers = 0
        self._error: Exception | None = None

    def _work(self) -> None:
        try:
            while not self._over.is_set():
                expect_same("status", 200, request(self._address, "GET", "/").status)
                self.answers += 1
        except Exception as error:  # Whatever it is, it is what a client saw.
            self._error = error

    def expect_more(self) -> None:
        """Wait for more answers, none of which may be an error."""
        enough = self.answers + _ASKED
        wait_until("answers", lambda: self.answers >= enough or self._error is not None, _PATIENCE, 0.01)
        expect(self._error is None, f"a good client had {self.answers} answers, and then {self._error!r}")


def _try_idle(trials: Trials, instance: Instance, ours: int, waiting: Waiting) -> None:
    with (
        trials.check(f"crowd: up to {_IDLE} connections wait, good clients see no error"),
        ExitStack() as stack,
    ):
        theirs = int(total(scrape(instance.admin), "process_max_fds"))
        count = min(_IDLE, (min(ours, theirs) - _SPARE) // waiting.descriptors)
        before = resident(instance)
        idle: list[socket.socket] = []
        for number in range(0, count, _BATCH):
            batch = [
                stack.enter_context(socket.create_connection(instance.http, _PATIENCE))
                for _ in range(min(_BATCH, count - number))
            ]
            _ask(batch)
            idle += batch
        taken = (resident(instance) - before) / len(idle) / 1024
        with _Good(instance.http) as good:
            good.expect_more()
        _ask(idle[:: len(idle) // _ASKED])
        trials.figure("idle connections", len(idle), "connections")
        trials.figure("memory of an idle connection", round(taken, 1), "KiB", waiting.most_kib)


def _ask(connections: Sequence[socket.socket]) -> None:
    """Send a question over each, and then wait for all answers."""
    for connection in connections:
        connection.sendall(_QUESTION)
    for connection in connections:
        answer = b""
        while not answer.endswith(b"\r\n\r\nok"):
            data = connection.recv(1 << 16)
            expect(bool(data), f"expected an answer, got {answer!r} and the end")
            answer += data


def _try_slow(trials: Trials, instance: Instance) -> None:
    with (
        trials.check(f"crowd: {_SLOW} clients send heads and bodies by the byte, good clients see no error"),
        ExitStack() as stack,
    ):
        slow = [stack.enter_context(socket.create_connection(instance.http, _PATIENCE)) for _ in range(_SLOW)]
        for number, connection in enumerate(slow):
            connection.sendall(_SLOW_BODY if number % 2 else _SLOW_HEAD)
        over = threading.Event()
        dripping = threading.Thread(target=_drip, args=(slow, over), daemon=True)
        stack.callback(dripping.join, _PATIENCE)
        stack.callback(over.set)
        good = stack.enter_context(_Good(instance.http))
        dripping.start()
        good.expect_more()


def _drip(connections: Sequence[socket.socket], over: threading.Event) -> None:
    """A byte to each, again and again. Those that take too long are let go."""
    while not over.wait(0.1):
        for connection in connections:
            with suppress(OSError):
                connection.send(b"y")


def _try_large(trials: Trials, instance: Instance) -> None:
    with trials.check(f"crowd: a body of {BODY >> 30} GiB passes, and takes no more memory than others"):
        before = peak = resident(instance)
        with socket.create_connection(instance.http, _PATIENCE) as connection:
            connection.sendall(render("POST", "/", [("Content-Length", str(BODY))]))
            for number in range(BODY // len(_PIECE)):
                connection.sendall(_PIECE)
                if number % (BODY // len(_PIECE) // _LOOKS) == 0:
                    peak = max(peak, resident(instance))
            head = connection.recv(1 << 16)
        expect(head.startswith(b"HTTP/1.1 200 "), f"expected 200, got {head[:80]!r}")
        trials.figure("memory for a large body", round((peak - before) / 1e6, 1), "MB", MEMORY_SLACK / 1e6)


def resident(instance: Instance) -> float:
    """Bytes of memory that the process has, as it says itself."""
    return total(scrape(instance.admin), "process_resident_memory_bytes")
