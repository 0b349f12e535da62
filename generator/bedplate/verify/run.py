"""One run of the verifier: its id, its directory, what it started, and that nothing of it stays."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final, Literal

from bedplate.errors import MissingTool
from bedplate.verify import sweep
from bedplate.verify.client import Client
from bedplate.verify.processes import Processes
from bedplate.verify.warden import Warden

if TYPE_CHECKING:
    from docker import DockerClient

ADVICE: Final = (
    "for an engine: `make verify` installs one on Debian; `--engine host` goes as far as this machine's own "
    "toolchains allow; `bedplate doctor` says what is here"
)
"""What to do where a container engine is missing."""
_THREADS_WITHIN: Final = 10.0
"""Seconds in which a probe notices that its containers are gone."""


@dataclass(frozen=True)
class Docker:
    """A container engine: its command line for builds, its API for everything else."""

    client: Client
    api: DockerClient
    endpoint: str
    version: str
    architecture: str

    @classmethod
    def connect(cls) -> Docker:
        """Find an engine that answers, with a client that has buildx.

        Raises:
            MissingTool: saying what lacks, and what to do.
        """
        import docker

        try:
            client = Client.find()
            server = client.server()
        except MissingTool as error:
            raise MissingTool(*error.messages, ADVICE) from error
        endpoint = client.endpoint()
        environment = os.environ | ({"DOCKER_HOST": endpoint} if endpoint else {})
        api = docker.from_env(environment=environment)
        return cls(client, api, endpoint, server.version, server.architecture)

    def answers(self) -> bool:
        """Whether the engine still does."""
        try:
            self.client.server()
        except MissingTool:
            return False
        return True

    def memory(self) -> int:
        """The memory of its machine, in bytes."""
        return int(self.api.info()["MemTotal"])

    def room(self) -> int | None:
        """Bytes that are free where it keeps what was built; none when that is another machine."""
        return shutil.disk_usage(self._root).free if self._root.exists() else None

    @cached_property
    def _root(self) -> Path:
        return Path(self.api.info()["DockerRootDir"])

    @classmethod
    def chosen(cls, engine: Literal["auto", "container", "host"]) -> Docker | None:
        """The engine for containers, unless the host's toolchains are meant or `auto` finds none.

        Raises:
            MissingTool: when `container` is meant and no engine answers.
        """
        if engine == "host":
            return None
        try:
            return cls.connect()
        except MissingTool:
            if engine == "container":
                raise
            return None


@dataclass(frozen=True)
class Run:
    """What the engine and the levels of one run share.

    `logs` is where those of failed steps are kept; `within` are the seconds of every step, when they are
    not to be each one's own.
    """

    id: str
    directory: Path
    logs: Path | None
    processes: Processes
    docker: Docker | None
    within: float | None = None
    threads: list[Thread] = field(default_factory=list)

    @classmethod
    @contextmanager
    def start(cls, docker: Docker | None, logs: Path | None, within: float | None = None) -> Iterator[Run]:
        """Begin a run. Whatever happens, all that it started is gone afterwards."""
        run_id = sweep.new_run_id()
        directory = sweep.directory_of(run_id)
        endpoint = docker.endpoint if docker else None
        with sweep.Claim(run_id), Warden(run_id, endpoint) as warden:
            run = cls(run_id, directory, logs, Processes(warden.watch), docker, within)
            try:
                directory.mkdir(mode=0o700)
                yield run
            finally:
                run.processes.cancel()
                run._remove()
                if run._join():
                    run._remove()
                    sweep.remove_files(run_id)
                    warden.dismiss()

    def work(self, target: Callable[[], None]) -> None:
        """Start a thread whose end is awaited, for a while, when the run ends."""
        thread = Thread(target=target, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _remove(self) -> None:
        """Remove what is in the engine. From one that has stopped, `--sweep` does once it runs again."""
        if self.docker is not None:
            with suppress(*unanswered()):
                sweep.remove(self.docker.api, self.id)

    def _join(self) -> bool:
        """Await the threads; false when one goes on, so that only the end of the process stops it."""
        until = time.monotonic() + _THREADS_WITHIN
        for thread in self.threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self.threads)


def unanswered() -> tuple[type[Exception], ...]:
    """What the engine's API raises when the engine does not answer."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    return DockerException, RequestException


def temporary(run: Run) -> dict[str, str]:
    """What makes a program put its temporary files where they go with the run, however that ends."""
    return {"TMPDIR": str(run.directory)}
