"""The vectors that both sides are held to, and those by which they are counted, as a header for the driver.

Checksums, blocks and frames are the contract's. What is in a block says the package cobs. The contract has no
vectors for the filter, so what becomes of samples is worked out here, with numbers that have no end.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cobs import cobs

_SHIFT: Final = 2
_CHECKSUM: Final = 2
_LEAST, _GREATEST = -(2**31), 2**31 - 1


@dataclass(frozen=True)
class Vectors:
    """What the contract says, and samples for the filter."""

    contract: Mapping[str, Any]
    samples: Sequence[int]

    @classmethod
    def load(cls, frames: Path) -> Vectors:
        """Those of a contract."""
        return cls(json.loads(frames.read_text(encoding="utf-8")), samples())

    def units(self) -> dict[str, int]:
        """Of how many samples or bytes the driver counts the instructions of each function."""
        sent = self._bytes("raw", direction="up")
        received = self._bytes("encoded", direction="down")
        return {"filter": len(self.samples), "crc": sent, "encode": sent, "decode": received}

    def of_a_reading(self) -> dict[str, int]:
        """How often a node does the same for a reading until it is acknowledged."""
        sent, acknowledged = self._bytes("raw", name="reading"), self._bytes("raw", name="ack")
        checked = sent + acknowledged - 2 * _CHECKSUM
        received = self._bytes("encoded", name="ack")
        return {"filter": 1, "crc": checked, "encode": sent, "decode": received}

    def header(self) -> str:
        """The header, which declares its types as well."""
        frames = {
            direction: [_block(one["name"], _undelimited(one)) for one in self._frames(direction=direction)]
            for direction in ("up", "down")
        }
        others = [
            *(_block(one["name"], one["encoded"], not one["decode_only"]) for one in self.contract["cobs"]),
            *(_block(one["name"], one["block"], encodes=False) for one in self.contract["malformed"]),
        ]
        checked = [
            f'{{"{one["name"]}", {_bytes(bytes.fromhex(one["data"]))}, {one["crc"]}}}'
            for one in self.contract["crc"]
        ]
        parts = (
            "struct bytes { const uint8_t *at; size_t length; };",
            "struct checked { const char *name; struct bytes bytes; uint16_t crc; };",
            "struct block {",
            "    const char *name;",
            "    struct bytes decoded, encoded;",
            "    bool encodes, decodes;",
            "};",
            _array("int32_t", "SAMPLES", map(_number, self.samples)),
            _array("int32_t", "FILTERED", map(_number, filtered(self.samples))),
            _array("struct checked", "CHECKED", checked),
            _array("struct block", "SENT", frames["up"]),
            _array("struct block", "RECEIVED", frames["down"]),
            _array("struct block", "BLOCKS", others),
        )
        return "\n".join((*parts, ""))

    def _frames(self, **wanted: str) -> list[Mapping[str, str]]:
        return [frame for frame in self.contract["frames"] if wanted.items() <= frame.items()]

    def _bytes(self, form: str, **wanted: str) -> int:
        return sum(len(frame[form]) // 2 for frame in self._frames(**wanted))


def samples() -> list[int]:
    """A temperature that drifts, with spikes; then steps over all of the range, and anything."""
    chance = random.Random(7)  # noqa: S311 (the same each time, and no secret)
    drift = [21_000 + 5 * number + chance.randint(-40, 40) for number in range(192)]
    spikes = [value + 30_000 if number % 29 == 0 else value for number, value in enumerate(drift)]
    steps = [*[_LEAST] * 3, *[_GREATEST] * 3, *[_LEAST] * 2, 0, -1, 1, 0]
    return spikes + steps + [chance.randint(_LEAST, _GREATEST) for _ in range(52)]


def filtered(given: Sequence[int]) -> list[int]:
    """Median of three, then a low-pass that rounds to the nearest and whose steps end where 32 bits do."""
    before_last = last = level = given[0]
    values = []
    for sample in given:
        middle = sorted((before_last, last, sample))[1]
        before_last, last = last, sample
        level += _kept(_kept(middle - level) + 2 ** (_SHIFT - 1)) // 2**_SHIFT
        values.append(level)
    return values


def _kept(number: int) -> int:
    return max(_LEAST, min(_GREATEST, number))


def _undelimited(frame: Mapping[str, str]) -> str:
    return frame["encoded"][: -len("00")]


def _block(name: str, encoded: str, encodes: bool = True) -> str:
    """One block with what it decodes to, if it does."""
    try:
        decoded = cobs.decode(bytes.fromhex(encoded))
    except cobs.DecodeError:
        decoded, decodes = b"", False
    else:
        decodes = True
    flags = f"{encodes}, {decodes}".lower()
    return f'{{"{name}", {_bytes(decoded)}, {_bytes(bytes.fromhex(encoded))}, {flags}}}'


def _bytes(content: bytes) -> str:
    literal = "".join(f"\\x{byte:02x}" for byte in content)
    return f'{{(const uint8_t *)"{literal}", {len(content)}}}'


def _number(number: int) -> str:
    """A literal that C takes for an int32_t; it has none for the least of them."""
    return f"(int32_t){number % 2**32}u"


def _array(kind: str, name: str, entries: Iterable[str]) -> str:
    lines = "".join(f"    {entry},\n" for entry in entries)
    return f"static const {kind} {name}[] = {{\n{lines}}};"
