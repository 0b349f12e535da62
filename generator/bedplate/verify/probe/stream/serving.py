"""How what takes frames in is configured for a probe, what it counts, and a line to it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.frames import Frame
from bedplate.verify.probe.gateway import LISTENERS
from bedplate.verify.probe.metrics import scrape, total_ending
from bedplate.verify.probe.talk import Talk
from bedplate.verify.probe.trial import Unmet, wait_until
from bedplate.verify.probe.wire import Address

PATIENCE: Final = 10.0
POLL: Final = 0.02
DEAD_LETTERS: Final = "dead-letters.jsonl"


def directory_of(project: str) -> str:
    """Where the volume of dead letters is mounted."""
    return f"/var/lib/{project}"


def configuration(project: str, endpoints: Sequence[Address], settings: str = "") -> bytes:
    """One cluster, tries that come again soon, and `settings` as dotted keys or inline tables."""
    names = [f"{host}:{port}" for host, port in endpoints]
    text = f"""dead_letter.path = "{directory_of(project)}/{DEAD_LETTERS}"
retry.backoff = "10ms"
retry.max_backoff = "2s"
{settings}
[cluster.api]
endpoints = {names}
"""
    return LISTENERS + text.encode()


def counted(admin: Address, name: str, **labels: str) -> float:
    """A metric of the service, whose name begins with the service's own."""
    return total_ending(scrape(admin), f"_{name}", **labels)


def await_count(admin: Address, name: str, least: float, within: float = PATIENCE, **labels: str) -> None:
    """Wait until a metric is at least that; raises `Unmet` when it is not."""
    wait_until(f"{name} of {least:g}", lambda: counted(admin, name, **labels) >= least, within, POLL)


class Line(Talk):
    """A connection of one device, which sends what it is told to and nothing else."""

    def __init__(self, address: Address, device: int, patience: float = PATIENCE) -> None:
        connection = socket.create_connection(address, patience)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(connection, frames.DOWN, patience, "the connection")
        self.device = device

    def hello(self) -> int:
        """Say hello; the epoch of the welcome."""
        self.send_bytes(hello(self.device))
        return self.expect(frames.WELCOME, such=lambda frame: frame.device == self.device).epoch

    def read(self, epoch: int, sequence: int, base: int = 1, value: int = 0, elapsed_ms: int = 0) -> None:
        """Send a reading."""
        body = {"elapsed_ms": elapsed_ms, "value": value, "base": base}
        self.send_bytes(frames.encode(Frame(frames.READING, self.device, epoch, sequence, body)))

    def is_ended(self) -> bool:
        """Whether the connection ends without another frame."""
        try:
            self.next()
        except (Unmet, ConnectionError):
            return True
        return False

    def acks(self, within: float) -> list[int]:
        """The numbers of all acknowledgements that come in this time."""
        return [frame.sequence for frame in self.during(within) if frame.kind == frames.ACK]

    def await_ack(self, epoch: int, sequence: int) -> None:
        """Wait for one acknowledgement; raises `Unmet` without it."""
        self.expect(frames.ACK, such=lambda frame: (frame.epoch, frame.sequence) == (epoch, sequence))


def hello(device: int) -> bytes:
    """The bytes of a hello after power-up."""
    body = {"uptime_ms": 0, "reset_cause": 0, "major": 1, "minor": 0, "patch": 0}
    return frames.encode(Frame(frames.HELLO, device, body=body))
