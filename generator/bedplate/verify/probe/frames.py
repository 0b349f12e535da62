"""Frames of the telemetry contract, by the cobs package and the standard library's CRC: no emitted code."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cobs import cobs

from bedplate.verify.probe.trial import Unmet

HELLO, READING, STATUS, EPITAPH, REPLY = range(0x01, 0x06)
WELCOME, ACK, START, STOP, PING, GET_STATUS, GET_VERSION = range(0x81, 0x88)

VERSION: Final = 1
DELIMITER: Final = b"\0"
_HEADER: Final = struct.Struct("<BBIQI")
"""Version, kind, device, epoch, sequence."""
_CHECK: Final = struct.Struct("<H")

NAMES: Final[Mapping[int, str]] = {
    HELLO: "hello",
    READING: "reading",
    STATUS: "status",
    EPITAPH: "epitaph",
    REPLY: "reply",
    WELCOME: "welcome",
    ACK: "ack",
    START: "start",
    STOP: "stop",
    PING: "ping",
    GET_STATUS: "get_status",
    GET_VERSION: "get_version",
}
UP: Final = range(HELLO, REPLY + 1)
"""Kinds that a device sends."""
DOWN: Final = range(WELCOME, GET_VERSION + 1)
"""Kinds that it is sent."""
_BODIES: Final[Mapping[int, tuple[str, tuple[str, ...]]]] = {
    HELLO: ("<IBBBB", ("uptime_ms", "reset_cause", "major", "minor", "patch")),
    READING: ("<qiI", ("elapsed_ms", "value", "base")),
    STATUS: ("<BIHII", ("mode", "period_ms", "queued", "dropped", "bad_frames")),
    EPITAPH: ("<BIIIIH", ("cause", "pc", "lr", "sp", "cfsr", "boots")),
    REPLY: ("<BBI", ("command", "result", "value")),
    START: ("<I", ("period_ms",)),
}
"""Layout and names of the fields; the kinds that are not here have no body."""


class NoFrame(Unmet):
    """What came between two delimiters is no frame of those that were awaited."""


@dataclass(frozen=True)
class Frame:
    """One frame, up or down. `at` is when it came, in seconds of the monotonic clock."""

    kind: int
    device: int
    epoch: int = 0
    sequence: int = 0
    body: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    at: float = field(default=0.0, compare=False)

    def __getitem__(self, name: str) -> int:
        """A field of the body."""
        return self.body[name]

    def __str__(self) -> str:
        fields = {"device": self.device, "epoch": self.epoch, "sequence": self.sequence, **self.body}
        return f"{NAMES[self.kind]}({', '.join(f'{name}={value}' for name, value in fields.items())})"


def encode(frame: Frame) -> bytes:
    """The bytes of a frame on the wire, its delimiter included."""
    layout, names = _BODIES.get(frame.kind, ("<", ()))
    raw = _HEADER.pack(VERSION, frame.kind, frame.device, frame.epoch, frame.sequence)
    raw += struct.pack(layout, *(frame.body[name] for name in names))
    encoded: bytes = cobs.encode(raw + _CHECK.pack(_crc(raw)))
    return encoded + DELIMITER


def decode(block: bytes, at: float = 0.0, kinds: range = UP) -> Frame:
    """The frame in the bytes between two delimiters; raises `NoFrame` when they hold none of these kinds."""
    try:
        whole = cobs.decode(block)
    except cobs.DecodeError as error:
        raise NoFrame(f"a block came that is not COBS ({error}): {block.hex()}") from error
    raw, check = whole[: -_CHECK.size], whole[-_CHECK.size :]
    if len(raw) < _HEADER.size or _CHECK.pack(_crc(raw)) != check:
        raise NoFrame(f"a block came whose CRC or length is wrong: {whole.hex()}")
    version, kind, device, epoch, sequence = _HEADER.unpack_from(raw)
    layout, names = _BODIES.get(kind, ("<", ()))
    body = raw[_HEADER.size :]
    if version != VERSION or kind not in kinds or len(body) != struct.calcsize(layout):
        raise NoFrame(f"a frame came of version {version}, kind {kind:#04x}, body {body.hex()}")
    fields = dict(zip(names, struct.unpack(layout, body), strict=True))
    return Frame(kind, device, epoch, sequence, MappingProxyType(fields), at)


def blocks(received: bytearray) -> Iterator[bytes]:
    """Take every block that is complete out of what was received; empty ones are passed over."""
    while (end := received.find(DELIMITER)) >= 0:
        block = bytes(received[:end])
        del received[: end + 1]
        if block:
            yield block


def _crc(raw: bytes) -> int:
    """CRC-16/IBM-3740: the CCITT polynomial that `crc_hqx` has, begun with ones."""
    return binascii.crc_hqx(raw, 0xFFFF)
