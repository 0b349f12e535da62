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

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Self:
        """Take what is needed from an entry of questions/boards.yml."""
        flash, ram = (Memory(entry[name]["origin"], entry[name]["length"]) for name in ("flash", "ram"))
        return cls(flash, ram, entry["budgets"]["flash"], entry["bus_faults"], entry.get("haste", 1.0))
