"""Upstreams for a gateway that is probed: they record what reaches them, and misbehave when told to.

What reaches them is judged by h11, which refuses what is not exactly one well-formed request.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import h11

from bedplate.verify.probe.server import Server

_PATIENCE: Final = 30.0
_CHUNK: Final = 65_536
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Upstream: %s\r\n\r\nok"

MISBEHAVIOURS: Final[Mapping[str, bytes]] = {
    "/cut": b"",
    "/garbage": b"nonsense\r\n\r\n",
    "/status": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "/lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "/switch": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
    "/head": b"HTTP/1.1 200 OK\r\nX-Large: " + b"x" * (64 << 10) + b"\r\nContent-Length: 0\r\n\r\n",
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "/chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
}
"""What is sent, before the connection is closed, by how the path of a request ends."""
HEALTH: Final = "/health"
"""The path that is answered 200 by an upstream that is well, and 503 by others."""
_UNWELL: Final = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
SILENCE: Final = "/late"
"""The end of a path that is not answered at all."""


@dataclass(frozen=True)
class Received:
    """A complete request that reached an upstream. Names of headers are lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The values of a header, joined by commas, or None when it is absent."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None


class Upstream(Server):
    """A server of HTTP; under TLS with a context."""

    def __init__(self, host: str, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._context = context
        self.received: list[Received] = []
        self.malformed: list[str] = []
        """What h11 says of anything that reached this upstream and is no request."""
        self.well = True
        super().__init__(host, port)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        parser = h11.Connection(h11.SERVER)
        with connection, contextlib.suppress(OSError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            while (request := self._request(connection, parser)) is not None:
                if self._over.is_set() or not self._answer(connection, request):
                    return
                parser.send(h11.Response(status_code=200, headers=[("Content-Length", "2")]))
                parser.send(h11.Data(data=b"ok"))
                parser.send(h11.EndOfMessage())
                if parser.our_state is not h11.DONE:
                    return
                parser.start_next_cycle()

    def _request(self, connection: socket.socket, parser: h11.Connection) -> Received | None:
        """The next complete request, or None when the connection ends before."""
        head: h11.Request | None = None
        body = bytearray()
        ended = False
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                if not ended:  # One that was given up half-way is no other request.
                    self.malformed.append(str(error))
                return None
            match event:
                case h11.NEED_DATA:
                    data = connection.recv(_CHUNK)
                    ended = not data
                    parser.receive_data(data)
                case h11.Request():
                    head = event
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage() if head is not None:
                    break
                case _:
                    return None
        headers = tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers)
        received = Received(head.method.decode(), head.target.decode("latin-1"), headers, bytes(body))
        self.received.append(received)
        return received

    def _answer(self, connection: socket.socket, request: Received) -> bool:
        """Answer as the path says; false when the connection must end with it."""
        if request.target.endswith(SILENCE):
            self._over.wait(_PATIENCE)
            return False
        if request.target == HEALTH and not self.well:
            connection.sendall(_UNWELL)
            return False
        for end, answer in MISBEHAVIOURS.items():
            if request.target.endswith(end):
                connection.sendall(answer)
                return False
        connection.sendall(_OK % str(self.address[1]).encode())
        return True
