"""Large bodies that nobody reads: what each of them takes of a gateway's memory while it waits."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from select import select
from typing import Final

from bedplate.verify.probe.crowd import resident
from bedplate.verify.probe.gateway import LISTENERS, started
from bedplate.verify.probe.metrics import scrape, total_ending
from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.server import Server
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.wire import Address, render

_MANY: Final = 200
_BODY: Final = 64 << 20
"""Bytes: far more than all that is in between can keep."""
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _BODY
_PIECE: Final = bytes(64 << 10)
_KEPT: Final = 64 << 10
"""Bytes that sockets of ours keep: little, so that it is soon the gateway that has to."""
_QUIET: Final = 1.0
"""Seconds in which nobody takes anything any more."""
_PATIENCE: Final = 20.0
_HELD: Final = 100
"""Seconds for which a body is held up: more than filling what is in between takes, and measuring."""
PATIENT: Final = f'[timeouts]\nbody_progress = "{_HELD}s"\n'.encode()
"""What the configuration of a gateway has to end with, so that it does not give up before."""
_MOST_KIB: Final = 27 + 128
"""What a project reckons with for a connection and a body on it that is held up."""
_MOST_SECURE_KIB: Final = 27 + 176
"""The same with TLS on both sides."""


class Stalled(Server):
    """Sends a large answer as far as it is taken, and reads nothing of a request but how it begins."""

    def __init__(self, host: str, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        super().__init__(host)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KEPT)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_HELD)
        with connection, suppress(OSError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            if connection.recv(len(b"GET")) == b"GET":
                connection.sendall(_HEAD)
                for _ in range(_BODY // len(_PIECE)):
                    connection.sendall(_PIECE)
            self._over.wait(_HELD)


def try_held_up(trials: Trials, platform: Platform, config: str) -> None:
    """Bodies both ways, without TLS. `config` is the path of the image's configuration file."""
    if not platform.direct:
        trials.skip("held: an upstream of ours", "the engine runs elsewhere and can't reach this machine")
        return
    with trials.part("held: it serves"), Stalled(platform.gateway) as upstream:
        endpoint = f"{upstream.address[0]}:{upstream.address[1]}"
        route = '[[route]]\npath_prefix = "/"\ncluster = "web"\n'
        cluster = f'[cluster.web]\nendpoints = ["{endpoint}"]\n'
        files = {config: LISTENERS + (route + cluster).encode() + PATIENT}
        try_held(trials, partial(started, platform, files), "probe")


def try_held(
    trials: Trials,
    start: Callable[[], AbstractContextManager[Instance]],
    host: str,
    context: ssl.SSLContext | None = None,
) -> None:
    """Bodies of requests for this host, and then of answers, each time through a gateway that `start` starts.

    It is `PATIENT`, and its upstream `Stalled`. With a context, both sides speak TLS.
    """
    for method, length, who in (("POST", _BODY, "an upstream does"), ("GET", 0, "clients do")):
        head = render(method, "/held", [("Host", host), ("Content-Length", str(length))])
        with (
            trials.check(f"held: {_MANY} large bodies that {who} not read wait within bounds of memory"),
            start() as instance,
            ExitStack() as stack,
        ):
            before = resident(instance)
            clients = [stack.enter_context(_connected(instance.http, host, context)) for _ in range(_MANY)]
            for client in clients:
                client.sendall(head)
            if length:
                _fill(clients)
            taken = (_settled(instance) - before) / _MANY / 1024
            expect_same("bodies that are still held", _MANY, _under_way(instance))
            most = _MOST_SECURE_KIB if context else _MOST_KIB
            trials.figure(f"memory of a body that {who} not read", round(taken, 1), "KiB", most)
            expect(taken <= most, f"expected at most {most} KiB each, got {taken:.1f}")


def _connected(address: Address, host: str, context: ssl.SSLContext | None) -> socket.socket:
    connection = socket.create_connection(address, _PATIENCE)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KEPT)
    return context.wrap_socket(connection, server_hostname=host) if context else connection


def _fill(clients: Sequence[socket.socket]) -> None:
    """Send until nobody takes anything any more, or for as long as it takes patience."""
    began = taken = time.monotonic()
    for client in clients:
        client.setblocking(False)
    while taken + _QUIET > time.monotonic() < began + _PATIENCE:
        for client in clients:
            with suppress(BlockingIOError, ssl.SSLWantWriteError):
                client.send(_PIECE)
                taken = time.monotonic()
        select([], clients, [], _QUIET / 10)


def _under_way(instance: Instance) -> int:
    """Requests that the gateway has not finished."""
    samples = scrape(instance.admin)
    return int(total_ending(samples, "_in_flight") - total_ending(samples, "_upstream_in_flight"))


def _settled(instance: Instance) -> float:
    """The memory of the process once it stays as it is."""
    began = changed = time.monotonic()
    memory = resident(instance)
    while changed + _QUIET > time.monotonic() < began + _PATIENCE:
        time.sleep(_QUIET / 10)
        if (now := resident(instance)) != memory:
            memory, changed = now, time.monotonic()
    return memory
