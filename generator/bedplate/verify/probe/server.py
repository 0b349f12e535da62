"""A server on an address of this machine, for services that are probed to connect to."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from bedplate.verify.probe.wire import Address


class Server:
    """Takes connections for the time of its with block, and serves each on a thread of its own."""

    def __init__(self, host: str, port: int = 0) -> None:
        self._listener = socket.create_server((host, port), backlog=512)
        self.address: Address = self._listener.getsockname()
        """Where it listens."""
        self._over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take no more connections, and answer nothing any more on those that there are."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        raise NotImplementedError
