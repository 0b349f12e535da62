"""What was counted, by core and function: bytes and instructions of both sides, and what a reading takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
"""Of all functions together, what Rust may take beside C."""


@dataclass(frozen=True)
class Core:
    """A target of rustc with gcc's flags for the same, and where a machine of QEMU with it has its memory."""

    target: str
    machine: str
    flash: int
    ram: int
    flags: str
    instructions_limited: bool = True
    """Whether the limit of instructions is its as well, as that of bytes is each core's."""

    @property
    def plan(self) -> str:
        """The line by which measure.sh is told of it."""
        return f"{self.target} {self.machine} {self.flash:#x} {self.ram:#x} {self.flags}"


CORES: Final = (
    # With few registers to work with, Rust takes 1.06 times the instructions, and bytes within the limit.
    Core("thumbv6m-none-eabi", "microbit", 0, 0x2000_0000, "-march=armv6s-m", instructions_limited=False),
    Core("thumbv7m-none-eabi", "mps2-an385", 0, 0x2000_0000, "-march=armv7-m"),
    Core("thumbv7em-none-eabihf", "mps2-an386", 0, 0x2000_0000, "-march=armv7e-m+fp -mfloat-abi=hard"),
    Core(
        *("thumbv8m.main-none-eabihf", "mps2-an505", 0x1000_0000, 0x3800_0000),
        flags="-march=armv8-m.main+fp -mfloat-abi=hard",
    ),
)


@dataclass(frozen=True)
class Sides:
    """The same of both, and the ratio that is allowed, where there is a limit."""

    rust: float
    c: float
    limit: float | None = None

    @property
    def ratio(self) -> float:
        """What Rust takes of what C takes."""
        return self.rust / self.c

    @property
    def within(self) -> bool:
        """Whether a limit is not exceeded, if there is one."""
        return self.limit is None or self.ratio <= self.limit


@dataclass(frozen=True)
class Figure:
    """One function, or all of them together, on one core."""

    target: str
    row: str
    bytes: Sides
    instructions: Sides

    @property
    def within(self) -> bool:
        """Whether no limit is exceeded."""
        return self.bytes.within and self.instructions.within


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

    def figure(core: Core, row: str) -> Figure:
        together = row == TOGETHER
        return Figure(
            core.target,
            row,
            Sides(
                *(numbers[core.target, side, row, "bytes"] for side in ("rust", "c")),
                limit=BYTES_LIMIT if together else None,
            ),
            Sides(
                *(instructions(core.target, side, row) for side in ("rust", "c")),
                limit=INSTRUCTIONS_LIMIT if together and core.instructions_limited else None,
            ),
        )

    return [figure(core, row) for core in CORES for row in ROWS]


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
    together = [figure for figure in found if figure.row == TOGETHER]
    size = {figure.target: figure.bytes for figure in together}
    taken = {figure.target: figure.instructions for figure in together}
    verdicts = verdict("bytes", BYTES_LIMIT, size), verdict("instructions", INSTRUCTIONS_LIMIT, taken)
    return "\n".join((*lines, "", *versions, *verdicts, ""))


def verdict(unit: str, limit: float, taken: Mapping[str, Sides]) -> str:
    """Whether all functions together keep a limit on the cores that have it."""
    over = [target for target, sides in taken.items() if not sides.within]
    held = [target for target, sides in taken.items() if sides.limit is not None]
    outcome = f"exceeded on {', '.join(over)}" if over else f"kept on {', '.join(held)}"
    return f"{unit} of all, at most {limit} times those of C: {outcome}"
