"""The image as a platform would start it: no root, no capabilities, a read-only disk, bounded resources."""

from __future__ import annotations

import datetime
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Final, Self, cast

import docker
from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.models.volumes import Volume

from bedplate.verify.probe.archive import packed, unpacked
from bedplate.verify.probe.trial import Unmet
from bedplate.verify.probe.wire import Address, Caller, Headers

MEMORY: Final = "256m"
USER: Final = "65532:65532"
READY_WITHIN: Final = 15.0
"""Seconds after which a service that is not ready is given up."""
_NANO_CPUS: Final = 1_000_000_000
_PIDS: Final = 256
# A first packet to an address that was not there a moment ago may be lost, and TCP repeats it only
# after a second: rather connect again.
_CONNECT_WITHIN: Final = 0.05


@dataclass(frozen=True)
class Ports:
    """The ports that a service listens on inside its container."""

    http: int
    admin: int


@dataclass(frozen=True)
class Instance:
    """A running container of the image."""

    container: Container
    http: Address
    admin: Address
    started: float
    """When the engine had started the process, in seconds since 1970."""
    credentials: Headers = ()

    @property
    def caller(self) -> Caller:
        """Who sends requests that the service trusts."""
        return Caller(self.http, self.credentials)

    def wait_until_ready(self) -> float:
        """Wait until /readyz answers 200; the seconds that it took since the process was started."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if readiness(self.admin) == 200:  # noqa: PLR2004
                return time.time() - self.started
            time.sleep(0.001)
        raise Unmet(f"not ready within {READY_WITHIN:.0f} s; its log ends with:\n{self.last_words()}")

    def log(self) -> list[str]:
        """Every line that the service has logged so far."""
        text: bytes = self.container.logs(stdout=True, stderr=True)
        return text.decode(errors="replace").splitlines()

    def last_words(self) -> str:
        """The end of the log, for a detail of a check."""
        return "\n".join(self.log()[-10:])

    def read(self, path: str) -> bytes:
        """A file of the container as it is now; raises `Unmet` when there is none."""
        try:
            parts, _ = self.container.get_archive(path)
        except NotFound as error:
            raise Unmet(f"expected {path} in the container, it is not there") from error
        return unpacked(parts)

    def write(self, path: str, content: bytes) -> None:
        """Replace a file that it was started with."""
        self.container.put_archive(str(PurePosixPath(path).parent), packed(path, content))

    def signal(self, name: str) -> None:
        """Send a signal to the process."""
        self.container.kill(signal=name)

    def exit_code(self, within: float) -> int:
        """Wait until the process has ended; raises `Unmet` when it does not in time."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            self.container.reload()
            if self.container.status == "exited":
                return int(self.container.attrs["State"]["ExitCode"])
            time.sleep(0.02)
        raise Unmet(f"still running {within:.0f} s later; its log ends with:\n{self.last_words()}")

    def is_running(self) -> bool:
        """True while the process that was started first lives on."""
        self.container.reload()
        return bool(self.container.status == "running" and not self.container.attrs["RestartCount"])

    def memory(self) -> int:
        """Bytes in use, as the engine's own `stats` counts them: without the page cache's idle part."""
        stats = cast(dict[str, Any], self.container.stats(stream=False, one_shot=True))
        memory = stats["memory_stats"]
        detail = memory["stats"]
        return int(memory["usage"] - detail.get("total_inactive_file", detail.get("inactive_file", 0)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.remove(force=True, v=True)


@dataclass
class Platform:
    """Starts containers of one image in a network of their own; both are removed at the end.

    When the engine runs on this machine, containers are reached by their own addresses. Otherwise
    their ports are published on the loopback interface, which puts a proxy between: then it can't be
    told whether it was the service that accepted a connection (`direct` is False).
    """

    client: docker.DockerClient
    image: str
    run_id: str
    ports: Ports
    environment: dict[str, str] = field(default_factory=dict)
    """What every container is started with, beside what is its own."""
    credentials: Headers = ()
    """Headers that make a service trust a request."""
    empty: Callable[[], None] | None = None
    """Removes what containers have stored in common; nothing when each has a store of its own."""
    direct: bool = field(init=False, default=False)
    gateway: str = field(init=False, default="")
    _network: Network = field(init=False)
    _volumes: list[Volume] = field(init=False, default_factory=list)

    def __enter__(self) -> Self:
        name = f"bedplate-{self.run_id}-{time.monotonic_ns():x}"
        self._network = self.client.networks.create(name, driver="bridge", labels=self._labels)
        self._network.reload()
        self.gateway = self._network.attrs["IPAM"]["Config"][0]["Gateway"].split("/")[0]
        self.direct = _is_local(self.gateway)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for volume in self._volumes:
            volume.remove(force=True)
        self._network.remove()

    def start(
        self,
        command: Sequence[str] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
        volumes: Mapping[str, Volume] | None = None,
        terminal: bool = False,
        memory: str = MEMORY,
    ) -> Instance:
        """Start a container; `files` and `volumes` replace what the image has at their absolute paths."""
        container = self.client.containers.create(
            self.image,
            list(command) if command is not None else None,
            environment={**self.environment, **(environment or {})},
            network=self._network.name,
            labels=self._labels,
            user=USER,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=memory,
            memswap_limit=memory,
            nano_cpus=_NANO_CPUS,
            pids_limit=_PIDS,
            tty=terminal,
            ports={} if self.direct else cast(Any, self._published()),
            volumes=self._mounts(files or {}, volumes or {}),
        )
        try:
            for path, content in (files or {}).items():
                container.put_archive(str(PurePosixPath(path).parent), packed(path, content))
            container.start()
            now = time.time()
            container.reload()
            return self._instance(container, now)
        except BaseException:
            container.remove(force=True, v=True)
            raise

    def inside(self, instance: Instance) -> str:
        """The address of an instance in the network of the platform."""
        return str(instance.container.attrs["NetworkSettings"]["Networks"][self._network.name]["IPAddress"])

    def beside(self, image: str, command: Sequence[str], *, directory: str, within: float) -> tuple[int, str]:
        """Run a program of another image in the same network; its exit code, and all that it said."""
        program = self.client.containers.create(
            image, list(command), working_dir=directory, network=self._network.name, labels=self._labels
        )
        try:
            program.start()
            code = int(program.wait(timeout=within)["StatusCode"])
            said: bytes = program.logs(stdout=True, stderr=True)
            return code, said.decode(errors="replace")
        finally:
            program.remove(force=True, v=True)

    def unused_name(self) -> str:
        """One for a container."""
        return f"bedplate-{self.run_id}-{time.monotonic_ns():x}"

    def accompany(
        self,
        image: str,
        environment: Mapping[str, str],
        command: Sequence[str] | None = None,
        name: str | None = None,
    ) -> Container:
        """Start another image in the same network, where its name is its address. The caller removes it."""
        container = self.client.containers.create(
            image,
            list(command) if command is not None else None,
            name=name or self.unused_name(),
            environment=dict(environment),
            network=self._network.name,
            labels=self._labels,
        )
        try:
            container.start()
        except BaseException:
            container.remove(force=True, v=True)
            raise
        return container

    @contextmanager
    def cut_off(self, container: Container) -> Iterator[None]:
        """Take a container out of the network, as when a cable is pulled, for the time of a with block."""
        self._network.disconnect(container)
        try:
            yield
        finally:
            self._network.connect(container)

    def _instance(self, container: Container, returned: float) -> Instance:
        attributes: dict[str, Any] = container.attrs
        network = attributes["NetworkSettings"]
        if self.direct:
            host = network["Networks"][self._network.name]["IPAddress"]
            http, admin = (host, self.ports.http), (host, self.ports.admin)
        else:
            http, admin = (_published(network["Ports"], port) for port in self._all_ports)
        # Clocks of two machines don't agree to the millisecond.
        started = _timestamp(attributes["State"]["StartedAt"]) if self.direct else returned
        return Instance(container, http, admin, started, self.credentials)

    def volume(self, size: int | None = None) -> Volume:
        """An empty volume, which is removed at the end; with a size it is in memory, of so many bytes."""
        uid = USER.partition(":")[0]
        options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={size},uid={uid}"} if size else {}
        self._volumes.append(self.client.volumes.create(driver_opts=options, labels=self._labels))
        return self._volumes[-1]

    def _mounts(self, files: Mapping[str, bytes], volumes: Mapping[str, Volume]) -> dict[str, dict[str, str]]:
        directories = sorted({str(PurePosixPath(path).parent) for path in files})
        mounted = {**{directory: self.volume() for directory in directories}, **volumes}
        return {volume.name: {"bind": place, "mode": "rw"} for place, volume in mounted.items()}

    def _published(self) -> dict[str, tuple[str, None]]:
        """Every port on the loopback interface, each on a port that is free."""
        return {f"{port}/tcp": ("127.0.0.1", None) for port in self._all_ports}

    @property
    def _labels(self) -> dict[str, str]:
        return {"bedplate.run": self.run_id}

    @property
    def _all_ports(self) -> tuple[int, int]:
        return self.ports.http, self.ports.admin


def readiness(admin: Address) -> int | None:
    """The status that /readyz answers, or None when nobody answers."""
    try:
        with socket.create_connection(admin, _CONNECT_WITHIN) as connection:
            connection.settimeout(1)
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
            head = connection.recv(64)
    except OSError:
        return None
    return int(head[9:12]) if head.startswith(b"HTTP/1.1 ") else None


def _is_local(address: str) -> bool:
    """True when the address is one of this machine's own."""
    with socket.socket() as candidate:
        try:
            candidate.bind((address, 0))
        except OSError:
            return False
    return True


def _published(ports: Mapping[str, Sequence[Mapping[str, str]]], port: int) -> Address:
    binding = ports[f"{port}/tcp"][0]
    return binding["HostIp"], int(binding["HostPort"])


def _timestamp(text: str) -> float:
    """Seconds since 1970 of the engine's RFC 3339 time, which has up to nine digits and ends in Z."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.UTC).timestamp()
    return seconds + float(f"0.{fraction or 0}")
