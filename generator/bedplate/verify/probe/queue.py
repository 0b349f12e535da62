"""What the probe asks of a broker, whichever it is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final

from bedplate.verify.probe.companion import Companion
from bedplate.verify.probe.platform import Platform

READINGS: Final = "telemetry.readings"
AGGREGATES: Final = "telemetry.aggregates"
DEAD_LETTERS: Final = "telemetry.readings.dlq"


class Queue(Companion):
    """A broker beside a worker that is probed."""

    setting: ClassVar[str]
    """The variable that tells a worker where it is."""
    wrong: ClassVar[str]
    """What a worker refuses for that."""

    @property
    @abstractmethod
    def url(self) -> str:
        """What the worker is given for its setting."""

    @abstractmethod
    def publishing(self) -> AbstractContextManager[Callable[[bytes], None]]:
        """Gives what publishes a message for the worker; that raises when nobody holds it."""

    @abstractmethod
    def published(self) -> Sequence[Any]:
        """The windows that the worker has published."""

    @abstractmethod
    def dead_letters(self) -> Sequence[bytes]:
        """The messages that the worker has given up."""

    @abstractmethod
    def left(self) -> int:
        """Messages that no worker has acknowledged."""


Broker = Callable[[Platform], Queue]
"""Makes one beside a platform."""
