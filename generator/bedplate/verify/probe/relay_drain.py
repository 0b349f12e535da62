"""Stopping a proxy with open connections: none of them breaks that ends in time."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from bedplate.verify.probe.drain import AT_ONCE, CLIENTS, Times
from bedplate.verify.probe.platform import Instance, Platform, readiness
from bedplate.verify.probe.trial import Trials, expect
from bedplate.verify.probe.wire import Address

_PATIENCE: Final = 30.0
_POLL: Final = 0.01
_WORD: Final = b"again"
_UNREADY: Final = 503


@dataclass
class _Talk:
    """What clients saw that talk over connections of their own until they are told to end."""

    over: threading.Event = field(default_factory=threading.Event)
    exchanges: int = 0
    broken: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def converse(self, connection: socket.socket) -> None:
        """Exchange words, then end this half and wait for the end of the other."""
        count = 0
        try:
            with connection:
                while not self.over.wait(0.05) or not count:
                    connection.sendall(_WORD)
                    heard = connection.recv(len(_WORD), socket.MSG_WAITALL)
                    expect(heard == _WORD, f"expected what was sent, got {heard!r}")
                    count += 1
                connection.shutdown(socket.SHUT_WR)
                expect(connection.recv(1) == b"", "expected a clean end")
        except Exception as error:  # Whatever breaks a connection is what is counted.
            with self._lock:
                self.broken.append(f"after {count} exchanges: {error!r}")
        with self._lock:
            self.exchanges += count


def try_relay_drain(trials: Trials, platform: Platform, times: Times) -> None:
    """Drain an instance, with the upstreams that are built in, under connections that go on."""
    if not platform.direct:
        trials.skip("drain: connections", "the engine runs elsewhere, and its proxy is what accepts them")
        return
    with trials.part("drain: it serves"), platform.start() as instance:
        instance.wait_until_ready()
        talk = _Talk()
        clients = [_begin(instance.http, talk) for _ in range(CLIENTS)]
        _drain(trials, instance, talk, times)
        for client in clients:
            client.join(_PATIENCE)
        with trials.check("drain: no connection breaks that ends in time"):
            expect(not talk.broken, f"expected none, got {len(talk.broken)} of {CLIENTS}: {talk.broken[:5]}")
        trials.figure("drain exchanges", talk.exchanges, "exchanges")
        trials.figure("drain failures", len(talk.broken), "connections", 0)


def _begin(address: Address, talk: _Talk) -> threading.Thread:
    connection = socket.create_connection(address, _PATIENCE)
    thread = threading.Thread(target=talk.converse, args=(connection,), daemon=True)
    thread.start()
    return thread


def _drain(trials: Trials, instance: Instance, talk: _Talk, times: Times) -> None:
    signalled = time.monotonic()
    try:
        instance.signal("SIGTERM")
        with trials.check("drain: readiness turns at once"):
            while readiness(instance.admin) != _UNREADY:
                expect(time.monotonic() < signalled + AT_ONCE, f"expected {_UNREADY} within {AT_ONCE:g} s")
                time.sleep(_POLL)
        with trials.check(f"drain: takes connections on for {times.delay:g} s, and then no more"):
            refused = _until_refused(instance.http, signalled + times.grace) - signalled
            expect(
                times.delay - 0.2 < refused < times.delay + AT_ONCE,
                f"expected it to listen for {times.delay:g} s, it did for {refused:.2f} s",
            )
    finally:
        talk.over.set()
    with trials.check("drain: exit code 0 once all connections have ended"):
        code = instance.exit_code(times.grace)
        expect(code == 0, f"expected exit code 0, got {code}; log:\n{instance.last_words()}")
    trials.figure("drain duration", time.monotonic() - signalled, "s", times.grace)


def _until_refused(address: Address, deadline: float) -> float:
    """When the listener has closed; until then each connection has to be served."""
    while time.monotonic() < deadline:
        try:
            connection = socket.create_connection(address, 1)
        except OSError:
            break
        with connection:
            connection.settimeout(_PATIENCE)
            connection.sendall(_WORD)
            heard = connection.recv(len(_WORD), socket.MSG_WAITALL)
            expect(heard == _WORD, f"expected a connection to be served while it is taken, got {heard!r}")
        time.sleep(_POLL)
    return time.monotonic()
