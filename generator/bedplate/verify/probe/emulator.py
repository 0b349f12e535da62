"""A board in QEMU, in a container of the toolchain image: its UART and its debugger as sockets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, cast

import docker
from docker.models.containers import Container

from bedplate.verify.probe.archive import packed
from bedplate.verify.probe.trial import Unmet
from bedplate.verify.probe.wire import Address

NOBODY: Final = "65534:65534"
_UART: Final = 4000
_DEBUGGER: Final = 4001
_ELF: Final = "/tmp/firmware.elf"  # noqa: S108 (inside the container)
_PACE: Final = "shift=5"
"""Virtual time follows the instructions, 32 ns each, and waits for real time when it is ahead."""
# Each boot writes into a pipe of which only the first bytes are taken: what comes later depends on when
# the emulator is ended.
_BOOTS: Final = """
mkfifo /tmp/uart
for boot in $(seq {boots}); do
    {qemu} -icount shift=5,sleep=off -serial file:/tmp/uart </dev/null >/dev/null 2>&1 &
    head -c {count} /tmp/uart | sha256sum
    kill -9 $!
    wait $! 2>/dev/null
done
"""


@dataclass(frozen=True)
class Running:
    """A board that is switched on, once somebody connects to its UART."""

    uart: Address
    debugger: Address


@dataclass(frozen=True)
class Emulator:
    """Boots one ELF file, any number of times. `image` has QEMU; containers carry the run's label."""

    client: docker.DockerClient
    image: str
    run_id: str
    machine: str
    elf: Path

    @contextmanager
    def boot(self) -> Iterator[Running]:
        """A board whose program waits for the first connection to its UART, so that no byte is lost."""
        serial = f"tcp:0.0.0.0:{_UART},server=on,wait=on,nodelay=on"
        command = [*self._qemu(), "-icount", _PACE, "-serial", serial, "-gdb", f"tcp:0.0.0.0:{_DEBUGGER}"]
        with self._container(command, (_UART, _DEBUGGER)) as container:
            container.start()
            container.reload()
            ports = container.attrs["NetworkSettings"]["Ports"]
            uart, debugger = (_published(ports, port) for port in (_UART, _DEBUGGER))
            yield Running(uart, debugger)

    def first_bytes(self, boots: int, count: int, within: float) -> list[str]:
        """Boot many times with nothing connected; a digest of the first bytes that each boot says."""
        script = _BOOTS.format(boots=boots, count=count, qemu=" ".join(self._qemu()))
        with self._container(["sh", "-c", script], ()) as container:
            container.start()
            try:
                container.wait(timeout=within)
            except Exception as error:  # The client library raises what its HTTP library raises.
                raise Unmet(f"{boots} boots take more than {within:g} s: {error}") from error
            said: bytes = container.logs(stderr=False)
            return said.decode().split("  -\n")[:-1]

    def _qemu(self) -> Sequence[str]:
        alone = ("-display", "none", "-monitor", "none")
        return ("qemu-system-arm", "-machine", self.machine, *alone, "-kernel", _ELF)

    @contextmanager
    def _container(self, command: Sequence[str], ports: Sequence[int]) -> Iterator[Container]:
        """A container that was not started yet, with the firmware in it."""
        container = self.client.containers.create(
            self.image,
            list(command[1:]),
            entrypoint=[command[0]],
            labels={"bedplate.run": self.run_id},
            user=NOBODY,
            working_dir="/",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            healthcheck={"test": ["NONE"]},
            ports=cast(Any, {f"{port}/tcp": ("127.0.0.1", None) for port in ports}),
            network_mode="bridge" if ports else "none",
        )
        try:
            container.put_archive(str(PurePosixPath(_ELF).parent), packed(_ELF, self.elf.read_bytes(), 0o444))
            yield container
        finally:
            container.remove(force=True, v=True)


def _published(ports: dict[str, Any], port: int) -> Address:
    binding = (ports.get(f"{port}/tcp") or [{}])[0]
    if not binding:
        raise Unmet("the emulator ended before it began")
    return binding["HostIp"], int(binding["HostPort"])
