"""What a proxy of TCP connections promises: every byte, every end of a half, every reset, and to whom."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Final

from bedplate.verify.probe.crowd import Waiting, try_crowd
from bedplate.verify.probe.drain import SlowRequest, Times
from bedplate.verify.probe.endpoints import try_states
from bedplate.verify.probe.gateway import CLOSED_PORT, HURRIED, LISTENERS, configuration_path, started
from bedplate.verify.probe.hostile import SEED, STREAMS, random_streams
from bedplate.verify.probe.lifecycle import try_bad_configuration, try_start
from bedplate.verify.probe.metrics import scrape, total_ending
from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.rate import BURST, SETTINGS
from bedplate.verify.probe.relay_drain import try_relay_drain
from bedplate.verify.probe.server import Server
from bedplate.verify.probe.signals import try_signals
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until
from bedplate.verify.probe.wire import Address, end_in_reset

_PATIENCE: Final = 10.0
_FLOOD: Final = 8 << 20
"""Bytes that pass at once; more than sockets hold."""
_HELLO: Final = b"hello"
_RESET: Final = b"reset!"
"""What has an upstream break the connection off."""
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"


class Echo(Server):
    """Says its port in a line, then sends back what it gets, until that ends or asks for a reset."""

    def __init__(self, host: str, preface: int = 0) -> None:
        self.prefaces: list[bytes] = []
        """The first bytes of each connection, as many as were asked for; they are not sent back."""
        self._preface = preface
        super().__init__(host)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        with connection, suppress(OSError):
            if self._preface:
                self.prefaces.append(connection.recv(self._preface, socket.MSG_WAITALL))
            connection.sendall(b"%d\n" % self.address[1])
            while data := connection.recv(1 << 16):
                if data == _RESET:
                    end_in_reset(connection)
                    return
                connection.sendall(data)


def try_proxy(trials: Trials, platform: Platform, times: Times, *, limited: bool) -> None:
    """All that is promised. With `limited`, clients can be held to so many connections a second."""
    image = platform.client.images.get(platform.image)
    config = configuration_path(image)
    if not try_start(trials, platform, image.labels, None):
        trials.skip("everything else", "the service never became ready")
        return
    wrong = LISTENERS + b'forward = "nowhere"\n[cluster.nobody]\nendpoints = []\n'
    try_bad_configuration(trials, platform, ("nowhere", "nobody"), files={config: wrong})
    if platform.direct:
        _try_upstreams(trials, platform, config)
    else:
        trials.skip("proxy: upstreams of ours", "the engine runs elsewhere and can't reach this machine")
    try_crowd(trials, platform, config, "", Waiting(descriptors=2, most_kib=12))
    if limited:
        _try_rate(trials, platform, {config: LISTENERS + SETTINGS})
    try_relay_drain(trials, platform, times)
    try_signals(trials, platform, times, SlowRequest(_HELLO, b""), {"files": {config: HURRIED}})


def _configuration(endpoints: Sequence[Address], settings: str = "", cluster: str = "") -> bytes:
    names = [f"{host}:{port}" for host, port in endpoints]
    text = f'{settings}\n[cluster.ours]\nendpoints = {names}\nbalance = "round_robin"\n{cluster}\n'
    return LISTENERS + text.encode()


def _try_upstreams(trials: Trials, platform: Platform, config: str) -> None:
    with ExitStack() as stack, trials.part("proxy: it serves"):
        ours = [stack.enter_context(Echo(platform.gateway)) for _ in range(2)]
        addresses = [upstream.address for upstream in ours]
        with started(platform, {config: _configuration(addresses)}) as instance:
            _try_passage(trials, instance, ours)
            _try_reload(trials, instance, config, ours)
        closed = (platform.gateway, CLOSED_PORT)
        refusing = _configuration([closed, addresses[0]], "outlier.failures = 1000")
        with started(platform, {config: refusing}) as instance:
            _try_retry(trials, instance, closed)
        with started(platform, {config: _configuration([closed])}) as instance:
            _try_refusal(trials, instance)
        preface = stack.enter_context(Echo(platform.gateway, 28))
        told = _configuration([preface.address], cluster="proxy_protocol = true")
        with started(platform, {config: told}) as instance:
            _try_preface(trials, instance, preface)
        often = 'health = { interval = "100ms", timeout = "1s", down = 2, up = 2 }'
        checked = _configuration(addresses, often, "health_check = true")
        with started(platform, {config: checked}) as instance:
            _try_loss(trials, instance, ours)


def _connected(address: Address) -> socket.socket:
    return socket.create_connection(address, _PATIENCE)


def _port(connection: socket.socket) -> int:
    """Which upstream it is, by the line that it begins with."""
    line = b""
    while not line.endswith(b"\n"):
        data = connection.recv(1)
        expect(bool(data), f"expected a line of an upstream, got {line!r} and the end")
        line += data
    return int(line)


def _ask(address: Address) -> int:
    """Exchange some bytes; the port of the upstream that answered."""
    with _connected(address) as connection:
        port = _port(connection)
        connection.sendall(_HELLO)
        expect_same("bytes that came back", _HELLO, connection.recv(len(_HELLO), socket.MSG_WAITALL))
    return port


def _rest(connection: socket.socket) -> bytes:
    parts = []
    while data := connection.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def _try_passage(trials: Trials, instance: Instance, ours: Sequence[Echo]) -> None:
    ports = {upstream.address[1] for upstream in ours}
    with trials.check("proxy: balances over two upstreams, and passes bytes both ways"):
        expect_same("upstreams that answered", ports, {_ask(instance.http) for _ in range(20)})
    with trials.check("proxy: a half that ends leaves the other, and every byte arrives"):
        with _connected(instance.http) as connection, ExitStack() as stack:
            _port(connection)
            sent = bytes(range(251)) * (_FLOOD // 251)
            stack.callback(_in_background(lambda: _send(connection, sent)))
            received = _rest(connection)
        expect(received == sent, f"expected {len(sent)} bytes as they were sent, got {len(received)}")
    with trials.check(f"proxy: {STREAMS} random streams come back as they were sent"):
        for stream in random_streams((_HELLO,), SEED):
            with _connected(instance.http) as connection:
                _port(connection)
                _send(connection, stream)
                received = _rest(connection)
            expect(received == stream, f"expected {stream!r}, got {received!r}")
    with (
        trials.check("proxy: a reset by the upstream is one to the client"),
        _connected(instance.http) as one,
    ):
        _port(one)
        one.sendall(_RESET)
        expect(_is_reset(one), "expected a reset, got a clean end")
    with trials.check("metrics: connections are counted by their end, bytes by endpoint"):
        _wait("an end by a reset", lambda: _ended(instance, "upstream_reset") == 1)
        expect_same("clients that closed first", 21.0 + STREAMS, _ended(instance, "client_closed"))
        passed = total_ending(scrape(instance.admin), "_upstream_received_bytes_total")
        expect(passed > _FLOOD - 251, f"expected more than {_FLOOD - 251} bytes, got {passed:g}")


def _send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def _in_background(work: Callable[[], None]) -> Callable[[], None]:
    """Begin some work; what is returned waits for it."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread.join


def _is_reset(connection: socket.socket) -> bool:
    try:
        _rest(connection)
    except ConnectionResetError:
        return True
    return False


def _try_reload(trials: Trials, instance: Instance, config: str, ours: Sequence[Echo]) -> None:
    with trials.check("proxy: SIGHUP sends connections to come elsewhere, and leaves those that are open"):
        with _connected(instance.http) as open_before:
            _port(open_before)
            instance.write(config, _configuration([ours[1].address]))
            instance.signal("SIGHUP")
            only = {ours[1].address[1]}
            _wait("one upstream alone", lambda: {_ask(instance.http) for _ in range(4)} == only)
            open_before.sendall(_HELLO)
            expect_same("bytes that came back", _HELLO, open_before.recv(len(_HELLO), socket.MSG_WAITALL))
        instance.write(config, b"listen = 5")
        instance.signal("SIGHUP")
        _wait("a line about it", lambda: any("settings kept" in line for line in instance.log()))
        expect_same("upstreams that answered", only, {_ask(instance.http) for _ in range(4)})


def _try_retry(trials: Trials, instance: Instance, closed: Address) -> None:
    with trials.check("proxy: one that is refused by an endpoint gets another"):
        for _ in range(10):
            _ask(instance.http)
        endpoint = ":".join(map(str, closed))
        refused = total_ending(
            scrape(instance.admin), "_upstream_failures_total", endpoint=endpoint, cause="connect_refused"
        )
        expect(refused > 0, "expected failures of the endpoint where nobody listens, got none")


def _try_refusal(trials: Trials, instance: Instance) -> None:
    with trials.check("proxy: with nobody to connect to a client is reset, and counted"):
        # It may come before the client knows that it is connected.
        with suppress(ConnectionResetError), _connected(instance.http) as connection:
            expect(_is_reset(connection), "expected a reset, got a clean end")
        _wait("an end by refusal", lambda: _ended(instance, "connect_refused") == 1)


def _try_preface(trials: Trials, instance: Instance, upstream: Echo) -> None:
    with trials.check("proxy: an upstream is told the addresses of both ends, by PROXY protocol version 2"):
        with _connected(instance.http) as connection:
            _port(connection)
            (host, port), (peer, peer_port) = connection.getsockname(), connection.getpeername()
        told = upstream.prefaces[0]
        addresses = socket.inet_aton(host) + socket.inet_aton(peer) + struct.pack("!HH", port, peer_port)
        expect_same("header", (_SIGNATURE + b"\x21\x11\x00\x0c" + addresses).hex(), told.hex())


def _try_loss(trials: Trials, instance: Instance, ours: Sequence[Echo]) -> None:
    with trials.check("endpoints: one that is gone breaks no connection to come"):
        ours[0].close()
        only = {ours[1].address[1]}
        expect_same("upstreams that answered", only, {_ask(instance.http) for _ in range(10)})
    try_states(trials, instance.admin, [upstream.address for upstream in ours])


def _try_rate(trials: Trials, platform: Platform, files: dict[str, bytes]) -> None:
    with (
        trials.check("rate limit: above it a client is reset, and counted"),
        started(platform, files) as instance,
    ):
        served = sum(_echoes(instance.http) for _ in range(4 * BURST))
        expect(BURST <= served < 4 * BURST, f"expected {BURST} or a few more to pass, got {served}")
        _wait("ends", lambda: _ended(instance, "rate_limited") == 4 * BURST - served)


def _echoes(address: Address) -> bool:
    try:
        with _connected(address) as connection:
            connection.sendall(_HELLO)
            return connection.recv(len(_HELLO), socket.MSG_WAITALL) == _HELLO
    except OSError:
        return False


def _ended(instance: Instance, cause: str) -> float:
    return total_ending(scrape(instance.admin), "_connections_ended_total", cause=cause)


def _wait(what: str, happens: Callable[[], bool]) -> None:
    wait_until(what, happens, _PATIENCE, 0.02)
