"""Bad input: noise, devices that read nothing, thousands that say nothing, and an API that stands still."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.crowd import many_descriptors
from bedplate.verify.probe.hostile import MEMORY_SLACK, SEED, STREAMS, random_streams
from bedplate.verify.probe.metrics import scrape, total
from bedplate.verify.probe.platform import Instance
from bedplate.verify.probe.stream.api import Api, Reading
from bedplate.verify.probe.stream.device import Manner, reading
from bedplate.verify.probe.stream.fleet import Fleet
from bedplate.verify.probe.stream.serving import PATIENCE, POLL, Line, counted, hello
from bedplate.verify.probe.trial import Trials, expect, wait_until
from bedplate.verify.probe.wire import Address

BOUND: Final = 64
"""MiB that the container has."""
_IDLE: Final = 10_000
_SPARE: Final = 500
_BATCH: Final = 250
_MOST_KIB: Final = 12.0
"""Of the memory of the process, for a connection that says nothing."""
_GOOD: Final = Manner(rate=20)
_GOOD_DEVICES: Final = 10
_STEADY: Final = 100
_CONNECTIONS: Final = 4
_RATE: Final = 1_000
"""What one device may have by default: connections, and readings a second."""
_CLOSED_WITHIN: Final = 30.0
_FLOODS: Final = 8
"""Connections that send as much as they can."""
_BUFFER: Final = 64 << 10
"""Bytes that this end of them holds: what is in there has to be stored as well."""
_STALL: Final = 3.0
"""Seconds in which a connection takes nothing, when it is not read."""
_PIECE: Final = 1_000
"""Readings of a flood that are sent at once."""
_FLOOD_SECONDS: Final = 3.0
_AHEAD: Final = 2_000
"""Milliseconds, of which a second is what may be said at once."""
_WINDOW: Final = 4_096
"""Bytes that may be on their way to the deaf."""
_LINE: Final = 64
"""Devices that a connection may carry."""
_DEAF: Final = b"".join(hello(0xDE00 + number) for number in range(_LINE))


def try_noise(trials: Trials, instance: Instance) -> None:
    """200 streams that are no frames, or nearly."""
    with trials.check(f"hostile: {STREAMS} random streams crash nothing, and memory comes back"):
        samples = (hello(1), frames.encode(reading(1, 1_795_000_000_123, 1)), frames.DELIMITER)
        base = instance.memory()
        for stream in random_streams(samples, SEED):
            with suppress(ConnectionError), socket.create_connection(instance.http, PATIENCE) as connection:
                connection.sendall(stream)
        with Line(instance.http, 0x5A) as line:
            line.hello()
        expect(instance.is_running(), f"expected it to go on, got\n{instance.last_words()}")
        panics = [line for line in instance.log() if "panic" in line.lower()]
        expect(not panics, f"expected no panic in the log, got {panics[:3]}")
        now = instance.memory()
        expect(now <= base + MEMORY_SLACK, f"expected about {base / 1e6:.1f} MB, got {now / 1e6:.1f} MB")


def try_deaf(trials: Trials, instance: Instance) -> None:
    """Devices that say hello again and again on a line over which no welcome is read: each is owed one.

    Little may be on its way to them at once, while the buffer at their end may grow: one of a set size makes
    Linux drop what does not fit, with what acknowledges their hellos, and then none of them arrives any more.
    """
    with (
        trials.check("hostile: a device that never reads is closed, and costs others nothing"),
        socket.socket() as deaf,
    ):
        deaf.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, _WINDOW)
        deaf.settimeout(POLL)
        deaf.connect(instance.http)
        base = instance.memory()
        wait_until("an end of the connection", lambda: _is_closed(deaf), _CLOSED_WITHIN, POLL)
        now = instance.memory()
        expect(now <= base + MEMORY_SLACK, f"expected about {base / 1e6:.1f} MB, got {now / 1e6:.1f} MB")
        with Line(instance.http, 2) as line:
            line.hello()


def _is_closed(connection: socket.socket) -> bool:
    try:
        connection.sendall(_DEAF)
    except TimeoutError:  # It is not read, which is right while nothing can be written.
        return False
    except OSError:
        return True
    return False


def try_limits(trials: Trials, instance: Instance, api: Api) -> None:
    """One device that takes more than its share: of connections, then of readings."""
    with (
        trials.check(f"hostile: of one device {_CONNECTIONS} connections are served, and one more is closed"),
        ExitStack() as stack,
    ):
        lines = [stack.enter_context(Line(instance.http, 0x4C)) for _ in range(_CONNECTIONS + 1)]
        epochs = [line.hello() for line in lines[:-1]]
        lines[-1].send_bytes(hello(0x4C))
        expect(lines[-1].is_ended(), "expected an end of the connection, it is served")
        for line, epoch in zip(lines, epochs, strict=False):
            line.read(epoch, 1)
            line.await_ack(epoch, 1)
    with trials.check(f"hostile: of one device {_RATE} readings a second are taken, and none is lost"):
        begin = time.monotonic()
        with _flooding(instance.http, 0xF100) as flood:
            wait_until("readings", lambda: flood.sent >= 3 * _RATE, PATIENCE, POLL)
            flood.over = True
            wait_until(
                "all of them",
                lambda: flood.done and _stored(api, "0000f100") == flood.sent,
                2 * PATIENCE,
                POLL,
            )
        seconds = time.monotonic() - begin
        rate = flood.sent / (seconds + 1)  # What a second allows may be taken at once.
        expect(rate <= _RATE, f"expected {_RATE} a second, got {flood.sent} within {seconds:.1f} s")


def try_hellos(trials: Trials, instance: Instance) -> None:
    """One that says hello as often as it can, and is welcomed each time."""
    with trials.check("hostile: a flood of hellos does not move epochs away from the clock"):
        with socket.create_connection(instance.http, PATIENCE) as flood:
            flood.settimeout(POLL)
            over = time.monotonic() + _FLOOD_SECONDS
            while time.monotonic() < over:
                with suppress(TimeoutError):
                    flood.send(hello(0xF10D) * _PIECE)
                with suppress(TimeoutError):
                    flood.recv(1 << 20)
        with Line(instance.http, 3) as line:
            ahead = line.hello() - time.time_ns() // 1_000_000
        expect(abs(ahead) < _AHEAD, f"expected an epoch of now, it is {ahead} ms ahead")


def _stored(api: Api, device: str) -> int:
    """How many readings of devices with this beginning are stored."""
    return sum(key[0].startswith(device) for key in tuple(api.stored))


def try_idle(trials: Trials, instance: Instance, api: Api) -> None:
    """Thousands of connections over which nothing comes, while devices go on."""
    with (
        trials.check(f"crowd: up to {_IDLE} connections say nothing, and good devices go on"),
        many_descriptors() as ours,
        Fleet(instance.http, lambda r: api.stored.get(r.key) == r, _GOOD_DEVICES, _GOOD) as good,
        ExitStack() as stack,
    ):
        good.await_more(_STEADY)
        theirs = int(total(scrape(instance.admin), "process_max_fds"))
        count = min(_IDLE, min(ours, theirs) - _SPARE)
        before = _resident(instance)
        for number in range(0, count, _BATCH):
            for _ in range(min(_BATCH, count - number)):
                stack.enter_context(socket.create_connection(instance.http, PATIENCE))
            good.await_more(1)
        wait_until("all connections", lambda: counted(instance.admin, "connections") >= count, PATIENCE, POLL)
        taken = (_resident(instance) - before) / count / 1024
        good.await_more(_STEADY)
        trials.figure("idle connections", count, "connections")
        trials.figure("memory of an idle connection", round(taken, 1), "KiB", _MOST_KIB)


def try_stall(trials: Trials, instance: Instance, api: Api) -> None:
    """An API that answers nothing while devices send all they can, in a container of `BOUND` MiB."""
    gate = threading.Event()

    def wait(readings: Sequence[Reading]) -> bytes:
        gate.wait(_CLOSED_WITHIN)
        return api.store(readings)

    with trials.part("stall: it works"), ExitStack() as stack:
        stack.enter_context(api.behaving(wait))
        stack.callback(gate.set)
        floods = [stack.enter_context(_flooding(instance.http, 0xF000 + i)) for i in range(_FLOODS)]
        with trials.check(f"stall: while the API stands still sockets are not read, within {BOUND} MiB"):
            _expect_bound(trials, instance, floods)
        for flood in floods:
            flood.over = True
        with trials.check("stall: once the API answers, every reading that was sent is stored"):
            gate.set()
            wait_until("an end of what is sent", lambda: all(f.done for f in floods), _CLOSED_WITHIN, POLL)
            wanted = sum(flood.sent for flood in floods)
            wait_until(
                f"{wanted} stored readings", lambda: _stored(api, "0000f0") == wanted, _CLOSED_WITHIN, 0.2
            )
            trials.figure("readings sent while the API stands still", wanted, "readings")
    with trials.check("stall: it goes on afterwards"), Line(instance.http, 0x11) as line:
        epoch = line.hello()
        line.read(epoch, 1)
        line.await_ack(epoch, 1)
        expect(instance.is_running(), "expected the same process, it was started again")


def _expect_bound(trials: Trials, instance: Instance, floods: Sequence[_Flood]) -> None:
    wait_until(
        f"{_STALL:g} s in which nothing is taken",
        lambda: all(flood.waits for flood in floods),
        _CLOSED_WITHIN,
        POLL,
    )
    trials.figure("memory while the API stands still", round(instance.memory() / 2**20, 1), "MiB", BOUND)
    queued = counted(instance.admin, "readings_queued")
    trials.figure("readings queued while the API stands still", queued, "readings")
    expect(instance.is_running(), f"expected it to go on, got\n{instance.last_words()}")


class _Flood:
    """Sends readings for which it holds nothing: each one is its own base."""

    def __init__(self, address: Address, device: int) -> None:
        self.sent = 0
        self.waits = False
        """Whether nothing was taken for a while."""
        self.over = self.done = False
        self._device = device
        self._connection = socket.create_connection(address, PATIENCE)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._connection.settimeout(_STALL)

    def run(self) -> None:
        """Send until it is over, and the last piece to its end."""
        epoch = 1_795_000_000_000
        while not self.over:
            numbers = range(self.sent + 1, self.sent + 1 + _PIECE)
            self._send(b"".join(_alone(self._device, epoch, number) for number in numbers))
            self.sent += _PIECE
        self.done = True

    def _send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[self._connection.send(left) :]
            except TimeoutError:
                self.waits = True

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def _alone(device: int, epoch: int, number: int) -> bytes:
    return frames.encode(reading(device, epoch, number))


@contextmanager
def _flooding(address: Address, device: int) -> Iterator[_Flood]:
    flood = _Flood(address, device)
    thread = threading.Thread(target=flood.run, daemon=True)
    thread.start()
    try:
        yield flood
    finally:
        flood.over = True
        thread.join(_CLOSED_WITHIN)
        flood.close()


def _resident(instance: Instance) -> float:
    return total(scrape(instance.admin), "process_resident_memory_bytes")
