"""What the probe of firmware has to know of the chip that a project is made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Memory:
    """Where a memory of the chip begins, and its length in bytes."""

    origin: int
    length: int

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.origin + self.length


@dataclass(frozen=True)
class Chip:
    """Its memories, the bytes of flash that a release may take, and whether its emulated bus refuses any.

    `haste` is how many of its seconds the emulated one has in one of ours.
    """

    flash: Memory
    ram: Memory
    flash_budget: int
    bus_faults: bool
    haste: float = 1.0
    lowest_priority: int = 0xE0
    """Of an interrupt, as its registers have it."""
    mainline: bool = True
    """Whether the core is more than one of Armv6-M, which neither divides nor says why it faults."""
    protected: bool = False
    """Whether the program lets the core refuse what is in none of its memories, before the bus is asked."""

    @classmethod
    def read(cls, entry: Mapping[str, Any], flash_budget: int, *, protected: bool = False) -> Self:
        """Take what is needed from an entry of questions/boards.yml."""
        flash, ram = (Memory(entry[name]["origin"], entry[name]["length"]) for name in ("flash", "ram"))
        lowest = 0x100 - (1 << 8 - entry["priority_bits"])
        mainline = not entry["target"].startswith("thumbv6m")
        return cls(
            flash,
            ram,
            flash_budget,
            entry["bus_faults"],
            haste=entry.get("haste", 1.0),
            lowest_priority=lowest,
            mainline=mainline,
            protected=protected,
        )
