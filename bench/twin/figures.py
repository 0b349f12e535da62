"""What was counted, by core and function: bytes and instructions of both sides, and what a reading takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from vectors import Vectors

KNOWN: Final = 8192
"""Instructions that the driver runs to tell how long one takes by its timer."""
TOGETHER: Final = "together"
ROWS: Final = {
    "filter": "filter, a sample",
    "crc": "checksum, a byte",
    "encode": "COBS encoding, a byte",
    "decode": "COBS decoding, a byte",
    TOGETHER: "all, a reading and its acknowledgement",
}
BYTES_LIMIT: Final = 1.5
INSTRUCTIONS_LIMIT: Final = 1.0
"""Of all functions together, what Rust may take beside C, on cores with more registers than v6-M."""


@dataclass(frozen=True)
class Core:
    """A target of rustc with gcc's flags for the same, and where a machine of QEMU with it has its memory."""

    target: str
    machine: str
    flash: int
    ram: int
    flags: str
    limited: bool = True
    """Whether the limits are its as well."""

    @property
    def plan(self) -> str:
        """The line by which measure.sh is told of it."""
        return f"{self.target} {self.machine} {self.flash:#x} {self.ram:#x} {self.flags}"


CORES: Final = (
    # With few registers to work with, Rust takes 1.06 times the instructions.
    Core("thumbv6m-none-eabi", "microbit", 0, 0x2000_0000, "-march=armv6s-m", limited=False),
    Core("thumbv7m-none-eabi", "mps2-an385", 0, 0x2000_0000, "-march=armv7-m"),
    Core("thumbv7em-none-eabihf", "mps2-an386", 0, 0x2000_0000, "-march=armv7e-m+fp -mfloat-abi=hard"),
    Core(
        *("thumbv8m.main-none-eabihf", "mps2-an505", 0x1000_0000, 0x3800_0000),
        flags="-march=armv8-m.main+fp -mfloat-abi=hard",
    ),
)


@dataclass(frozen=True)
class Sides:
    """The same of both."""

    rust: float
    c: float

    @property
    def ratio(self) -> float:
        """What Rust takes of what C takes."""
        return self.rust / self.c


@dataclass(frozen=True)
class Figure:
    """One function, or all of them together, on one core; `limited` where limits are set for it."""

    target: str
    row: str
    bytes: Sides
    instructions: Sides
    limited: bool

    @property
    def within(self) -> bool:
        """Whether no limit is exceeded."""
        kept = self.bytes.ratio <= BYTES_LIMIT and self.instructions.ratio <= INSTRUCTIONS_LIMIT
        return kept or not self.limited


def figures(counted: str, vectors: Vectors) -> list[Figure]:
    """Read what measure.sh printed."""
    numbers = {
        (target, side, row, unit): int(number, 16 if unit == "ticks" else 10)
        for target, side, row, unit, number in (line.split() for line in counted.splitlines())
    }

    def instructions(target: str, side: str, row: str) -> float:
        if row == TOGETHER:
            return sum(
                times * instructions(target, side, one) for one, times in vectors.of_a_reading().items()
            )
        known = numbers[target, side, "known", "ticks"]
        return round(numbers[target, side, row, "ticks"] * KNOWN / known) / vectors.units()[row]

    return [
        Figure(
            core.target,
            row,
            Sides(*(numbers[core.target, side, row, "bytes"] for side in ("rust", "c"))),
            Sides(*(instructions(core.target, side, row) for side in ("rust", "c"))),
            limited=core.limited and row == TOGETHER,
        )
        for core in CORES
        for row in ROWS
    ]


def table(found: Sequence[Figure], versions: Sequence[str]) -> str:
    """Figures as a table in Markdown, what they were measured with, and whether limits are kept."""
    lines = [
        "| core | function | bytes, Rust and C | ratio | instructions, Rust and C | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for target, rows in groupby(found, key=lambda figure: figure.target):
        name = target
        for figure in rows:
            size, taken = figure.bytes, figure.instructions
            lines.append(
                f"| {name} | {ROWS[figure.row]} | {size.rust:.0f}, {size.c:.0f} | {size.ratio:.2f} "
                f"| {taken.rust:.1f}, {taken.c:.1f} | {taken.ratio:.2f} |"
            )
            name = ""
    over = [figure.target for figure in found if not figure.within]
    limits = f"limits of all, {BYTES_LIMIT} and {INSTRUCTIONS_LIMIT}"
    held = ", ".join(figure.target for figure in found if figure.limited)
    verdict = f"exceeded on {', '.join(over)}" if over else f"kept on {held}"
    return "\n".join((*lines, "", *versions, f"{limits}: {verdict}", ""))
