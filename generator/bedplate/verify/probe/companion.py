"""What runs beside a service that is probed: started, killed, and started again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import ClassVar, Final, Self

from docker.models.containers import Container

from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.trial import wait_until

_POLL: Final = 0.05


class Companion(ABC):
    """A server in the network of the platform, for the time of its with block.

    `name` is what it is called when it does not answer within `ready_within` seconds.
    """

    name: ClassVar[str]
    ready_within: ClassVar[float]
    environment: ClassVar[Mapping[str, str]] = {}
    command: ClassVar[Sequence[str] | None] = None

    def __init__(self, platform: Platform, image: str) -> None:
        self._platform = platform
        self._image = image
        self._container: Container | None = None

    def __enter__(self) -> Self:
        return self._begin(self.environment)

    def _begin(self, environment: Mapping[str, str], name: str | None = None) -> Self:
        self._container = self._platform.accompany(self._image, environment, self.command, name)
        try:
            self.wait_until_ready()
        except BaseException:
            self._container.remove(force=True, v=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.remove(force=True, v=True)

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does what it is for."""

    @property
    def container(self) -> Container:
        """The container that it runs in."""
        if self._container is None:
            raise RuntimeError(f"{self.name} is used before it was started")
        return self._container

    def wait_until_ready(self) -> None:
        """Wait until it answers; raises `Unmet` when it does not in time."""
        wait_until(f"an answer of {self.name}", self.answers, self.ready_within, _POLL)

    def kill(self) -> None:
        """End its processes as a machine that loses power would."""
        self.container.kill(signal="SIGKILL")

    def restart(self) -> None:
        """Start it again on what it had written."""
        self.container.start()
        self.wait_until_ready()
