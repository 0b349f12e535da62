"""HTTP servers of the probe's own, which services that are probed send requests to."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


def url_of(listener: socket.socket) -> str:
    """The URL under which a listener on an IPv4 address is reached."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


class Handler(BaseHTTPRequestHandler):
    """What handles a request, without a log."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Web:
    """A server on an address of this machine, for the time of its with block."""

    def __init__(self, handler: type[Handler], host: str, port: int = 0) -> None:
        self._server = ThreadingHTTPServer((host, port), handler)

    @property
    def url(self) -> str:
        """What it is known by, without a path."""
        return url_of(self._server.socket)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
