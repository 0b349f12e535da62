"""HTTP/1.1 over a raw socket: what is sent may be anything, what comes back is judged by h11."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import h11

Address = tuple[str, int]
"""Host and port."""
Headers = tuple[tuple[str, str], ...]
"""Names and values of headers, in the order in which they are sent."""
JSON: Final = ("Content-Type", "application/json")
"""The header of a body in JSON."""

PATIENCE: Final = 10.0
"""Seconds that an answer may take before it counts as none."""
_CHUNK: Final = 65_536


@dataclass(frozen=True)
class Answer:
    """One complete answer. Names of headers are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The values of a header, joined by commas, or None when it is absent."""
        values = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        """The body as JSON; raises `ValueError` when it is none."""
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.status} {self.body[:200]!r}"


def end_in_reset(connection: socket.socket) -> None:
    """Have a connection end in a reset when it is closed, instead of in order."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Line:
    """A connection to a service, closed at the end of its with block."""

    def __init__(self, address: Address, patience: float = PATIENCE) -> None:
        self._socket = socket.create_connection(address, patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = h11.Connection(h11.CLIENT)
        self._patience = patience

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.settimeout(self._patience)
        self._socket.sendall(data)

    def half_close(self) -> None:
        """Tell the peer that nothing more will be sent, and go on receiving."""
        with contextlib.suppress(OSError):  # It has reset the connection already.
            self._socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET") -> Answer:
        """Wait for the answer to a request that was sent with `send`.

        Raises:
            h11.RemoteProtocolError: when what came is no complete answer.
            OSError: when the connection was reset, or nothing came in time.
        """
        self._expect(method)
        deadline = time.monotonic() + self._patience
        head: h11.Response | None = None
        body = bytearray()
        while True:
            event = self._parser.next_event()
            match event:
                case h11.NEED_DATA:
                    self._receive(deadline)
                case h11.Response():
                    head = event
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    break
                case h11.InformationalResponse():
                    continue
                case _:
                    raise h11.RemoteProtocolError("closed without an answer")
        if head is None:
            raise h11.RemoteProtocolError("an answer ended before it began")
        headers = tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers)
        return Answer(head.status_code, headers, bytes(body))

    def closed_within(self, seconds: float) -> bool:
        """True when the peer closes or resets the connection in time, whatever it sends before."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                if not self._socket.recv(_CHUNK):
                    return True
            except TimeoutError:
                return False
            except ConnectionError:
                return True
        return False

    def reset(self) -> None:
        """End the connection with a reset instead of in order."""
        end_in_reset(self._socket)
        self._socket.close()

    def first(self, seconds: float) -> bytes:
        """The first bytes that come, up to the end of a head; nothing when the peer closes instead."""
        received = bytearray()
        deadline = time.monotonic() + seconds
        while b"\r\n\r\n" not in received:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._socket.recv(_CHUNK)
            except ConnectionError:
                break
            if not data:
                break
            received += data
        return bytes(received)

    def drain(self, seconds: float) -> bytes:
        """Everything that comes until the peer closes; raises `TimeoutError` when it does not."""
        received = bytearray()
        deadline = time.monotonic() + seconds
        while True:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._socket.recv(_CHUNK)
            except ConnectionError:
                return bytes(received)
            if not data:
                return bytes(received)
            received += data

    def _expect(self, method: str) -> None:
        if self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
        self._parser.send(h11.Request(method=method, target="/", headers=[("host", "any")]))
        self._parser.send(h11.EndOfMessage())

    def _receive(self, deadline: float) -> None:
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        self._parser.receive_data(self._socket.recv(_CHUNK))


def render(
    method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
) -> bytes:
    """The bytes of a request. Host and Content-Length are added unless `headers` has them."""
    lines = list(headers)
    names = {name.lower() for name, _ in lines}
    if "host" not in names:
        lines.insert(0, ("Host", "probe"))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")


def request(
    address: Address,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
) -> Answer:
    """Send one request over a connection of its own and wait for the answer."""
    with Line(address) as line:
        line.send(render(method, target, headers, body))
        return line.answer(method)


@dataclass(frozen=True)
class Caller:
    """Sends requests to one address; `always` are headers that each of them has beside its own."""

    address: Address
    always: Headers = ()

    def request(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        """Send one request over a connection of its own and wait for the answer."""
        return request(self.address, method, target, (*self.always, *headers), body)
