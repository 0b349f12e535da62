"""The device's half of the wire: numbered readings that are sent again until they are acknowledged.

Its line loses, damages, splits and merges what is sent, and loses what comes back.
"""

from __future__ import annotations

import asyncio
import datetime
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

from bedplate.verify.probe import frames
from bedplate.verify.probe.frames import Frame, NoFrame
from bedplate.verify.probe.stream.api import Key, Reading

HELD: Final = 64
WINDOW: Final = 16
"""Readings that a device holds, and of these how many are under way."""
_HELLO_EVERY: Final = 0.5
AGAIN_AFTER: Final = 0.3
"""Seconds; a third of what devices have, since a probe has less time."""
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass
class Seen:
    """What all devices of a fleet have seen together. Only the fleet's own thread changes it."""

    durable: Callable[[Reading], bool]
    """Whether a reading may be acknowledged."""
    sent: dict[Key, Reading] = field(default_factory=dict)
    acknowledged: set[Key] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    """What came that must not, and readings that were acknowledged too soon."""


@dataclass(frozen=True)
class Manner:
    """How devices and their lines are: `rate` is in readings a second, `loss` the share of lost frames."""

    rate: float
    loss: float = 0.0


def reading(device: int, epoch: int, sequence: int) -> Frame:
    """The frame of a reading, whose time and value follow from its number."""
    body = {"elapsed_ms": 10 * sequence - 25, "value": _value(device, sequence), "base": sequence}
    return Frame(frames.READING, device, epoch, sequence, body)


def as_stored(frame: Frame) -> Reading:
    """What an API has to be given for a frame."""
    at = _EPOCH + datetime.timedelta(milliseconds=frame.epoch + frame["elapsed_ms"])
    return Reading(
        f"{frame.device:08x}",
        frame.epoch,
        frame.sequence,
        f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
        frame["value"],
    )


def _value(device: int, sequence: int) -> int:
    return (7_919 * sequence + device) % 200_001 - 100_000


class Device(asyncio.Protocol):
    """One device, over whichever connection it has. `tick` is called every few hundredths of a second."""

    def __init__(self, number: int, manner: Manner, seen: Seen) -> None:
        self.number = number
        self.connected = False
        self.held: dict[int, float] = {}
        """When each reading that is not acknowledged was last sent, by its number; 0 for not yet."""
        self._manner, self._seen = manner, seen
        self._chance = random.Random(number)  # noqa: S311
        self._epoch = self._last = 0
        self._since = self._said_hello = self._freed = 0.0
        self._out, self._received = bytearray(), bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin on a line where nothing is under way."""
        self._transport = cast(asyncio.Transport, transport)
        self.connected = True
        self._out.clear()
        self._received.clear()
        self._said_hello = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait to be connected again."""
        self.connected = False

    def data_received(self, data: bytes) -> None:
        """Take what a device takes, and note what none should be sent."""
        self._received += data
        for block in frames.blocks(self._received):
            try:
                frame = frames.decode(block, kinds=frames.DOWN)
            except NoFrame as error:
                self._seen.wrong.append(str(error))
                continue
            if frame.device != self.number or frame.kind not in (frames.WELCOME, frames.ACK):
                self._seen.wrong.append(f"device {self.number} was sent {frame}")
            elif self._chance.random() >= self._manner.loss:
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.kind == frames.WELCOME:
            self._epoch = self._epoch or frame.epoch
        elif frame.epoch != self._epoch or frame.sequence > self._last:
            self._seen.wrong.append(f"device {self.number} in epoch {self._epoch} was sent {frame}")
        else:
            for number in [number for number in self.held if number <= frame.sequence]:
                self._free(number)

    def _free(self, number: int) -> None:
        key = (f"{self.number:08x}", self._epoch, number)
        if not self._seen.durable(self._seen.sent[key]):
            self._seen.wrong.append(f"acknowledged before it was durable: {key}")
        self._seen.acknowledged.add(key)
        del self.held[number]
        self._freed = asyncio.get_running_loop().time()

    def tick(self, now: float, *, sampling: bool) -> None:
        """Measure what is due, and send what has to be sent."""
        if not self._epoch:
            if now >= self._said_hello + _HELLO_EVERY:
                self._said_hello = now
                body = {"uptime_ms": 0, "reset_cause": 0, "major": 1, "minor": 0, "patch": 0}
                self._send(Frame(frames.HELLO, self.number, body=body))
        else:
            if sampling:
                self._sample(now)
            self._send_window(now)
        # What comes after the cut waits for the next turn: writes end where frames do not.
        cut = self._chance.randrange(len(self._out) + 1) if self._manner.loss else len(self._out)
        self._transport.write(bytes(self._out[:cut]))
        del self._out[:cut]

    def _sample(self, now: float) -> None:
        self._since = self._since or now
        due = min(int((now - self._since) * self._manner.rate), self._last + HELD - len(self.held))
        for number in range(self._last + 1, due + 1):
            self.held[number] = 0.0
            stored = as_stored(reading(self.number, self._epoch, number))
            self._seen.sent[stored.key] = stored
        self._last = max(self._last, due)

    def _send_window(self, now: float) -> None:
        window = list(self.held)[:WINDOW]
        again = bool(window) and now >= max(self.held[window[0]], self._freed) + AGAIN_AFTER
        for number in window:
            if again or not self.held[number]:
                self.held[number] = now
                frame = reading(self.number, self._epoch, number)
                self._send(
                    Frame(frame.kind, self.number, self._epoch, number, {**frame.body, "base": window[0]})
                )

    def _send(self, frame: Frame) -> None:
        """Put a frame on the line, which may lose it, or a byte of it, or have it twice."""
        encoded = bytearray(frames.encode(frame))
        fate = self._chance.random()
        if fate < self._manner.loss / 2:
            return
        if fate < self._manner.loss:
            del encoded[self._chance.randrange(len(encoded) - 1)]
        self._out += encoded * (2 if fate > 1 - self._manner.loss / 2 else 1)

    def hang_up(self) -> None:
        """End its connection, if it has one."""
        if self.connected:
            self._transport.abort()
