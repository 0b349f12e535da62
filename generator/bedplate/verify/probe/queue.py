"""What the probe asks of a broker, whichever it is."""

from __future__ import annotations

import json
import socket
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from bedplate.verify.probe.companion import Companion
from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.wire import Address

READINGS: Final = "telemetry.readings"
AGGREGATES: Final = "telemetry.aggregates"
DEAD_LETTERS: Final = "telemetry.readings.dlq"
ANSWER_WITHIN: Final = 5.0
"""Seconds that a broker may take."""


class Connection:
    """One to a broker, closed at the end of its with block."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection(address, ANSWER_WITHIN)
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._socket.close()


class Queue(Companion):
    """A broker beside a worker that is probed."""

    setting: ClassVar[str]
    """The variable that tells a worker where it is."""
    wrong: ClassVar[str]
    """What a worker refuses for that."""
    port: ClassVar[int]

    @property
    @abstractmethod
    def url(self) -> str:
        """What the worker is given for its setting."""

    @abstractmethod
    def publishing(self) -> AbstractContextManager[Callable[[bytes], None]]:
        """Gives what publishes a message for the worker; that raises when nobody holds it."""

    @property
    def address(self) -> Address:
        """Where it is for this machine; raises `StopIteration` while it is cut off."""
        self.container.reload()
        networks = self.container.attrs["NetworkSettings"]["Networks"].values()
        return next(iter(networks))["IPAddress"], self.port

    @abstractmethod
    def stored(self, topic: str) -> list[bytes]:
        """All messages of a topic that the worker publishes to."""

    def published(self) -> Sequence[Any]:
        """The windows that the worker has published."""
        return [json.loads(text) for text in self.stored(AGGREGATES)]

    def dead_letters(self) -> Sequence[bytes]:
        """The messages that the worker has given up."""
        return self.stored(DEAD_LETTERS)

    @abstractmethod
    def left(self) -> int:
        """Messages that no worker has acknowledged."""


Broker = Callable[[Platform], Queue]
"""Makes one beside a platform."""
