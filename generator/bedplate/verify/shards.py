"""Shards: the rows of one verification divided over machines, and their reports joined again.

The rows are dealt out in their order, which is the same everywhere, so each machine knows its part
without asking another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from bedplate.errors import BadInput

if TYPE_CHECKING:
    from bedplate.verify.report import Report

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """One of several parts, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `2/3`.

        Raises:
            BadInput: when it is not a part of a whole.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        shard = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= shard.number <= shard.of:
            raise BadInput(f"--shard {text}: write it as I/N with I from 1 to N, such as 1/3, 2/3 and 3/3")
        return shard

    def part(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """What falls to this shard, so that no two of them differ by more than one."""
        return tuple(items[self.number - 1 :: self.of])

    def __str__(self) -> str:
        """As it is given to `--shard`."""
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Selection:
    """Which rows a run was about: the set they are from, their ids, and the shard that the run verified."""

    kind: str
    ids: tuple[str, ...]
    shard: Shard | None = None


@dataclass(frozen=True)
class Part:
    """The report of one shard: where it was found, and what it says about the whole."""

    name: str
    report: Report
    selection: Selection
    shard: Shard

    @classmethod
    def of(cls, name: str, report: Report) -> Part:
        """Raises `BadInput` when the report is not of a shard, or of one that did not see its end."""
        selection = report.selection
        if selection is None or selection.shard is None:
            raise BadInput(f"{name}: not the report of a shard: it was made without --shard")
        if report.interrupted:
            raise BadInput(f"{name}: was interrupted; run --shard {selection.shard} again")
        return cls(name, report, selection, selection.shard)

    @property
    def whole(self) -> dict[str, str]:
        """What has to be the same for all shards, in the words of a message."""
        changes = " with changes" if self.report.modified else ""
        return {
            "commit": f"{self.report.commit}{changes}",
            "level": str(self.report.upto),
            "engine": self.report.engine,
            "rows": self.selection.kind,
            "number of shards": str(self.shard.of),
        }


def merge(reports: Mapping[str, Report]) -> Report:
    """The report of all shards as if one run had made it, from theirs by the names of their directories.

    Raises:
        BadInput: naming what does not fit together, and what is missing.
    """
    parts = [Part.of(name, report) for name, report in reports.items()]
    if problems := [*_differences(parts)] or [*_doubles(parts), *_gaps(parts)]:
        raise BadInput(*problems)
    rows = {row.id: row for part in parts for row in part.report.rows}
    across = (part.report.across for part in parts if not part.report.across.passed)
    first = parts[0].report
    return replace(
        first,
        run=", ".join(part.report.run for part in parts),
        started=min(part.report.started for part in parts),
        seconds=sum(part.report.seconds for part in parts),
        engine_detail="; ".join(dict.fromkeys(part.report.engine_detail for part in parts)),
        bases=tuple(dict.fromkeys(base for part in parts for base in part.report.bases)),
        rows=tuple(rows[name] for name in parts[0].selection.ids),
        across=next(across, first.across),
        engine_stopped=any(part.report.engine_stopped for part in parts),
        selection=replace(parts[0].selection, shard=None),
    )


def _differences(parts: Sequence[Part]) -> Iterator[str]:
    """What keeps reports from being parts of the same whole as the first."""
    model = parts[0]
    for part in parts[1:]:
        for what, value in part.whole.items():
            if value != model.whole[what]:
                yield f"{part.name}: {what} {value}, but {model.whole[what]} in {model.name}"
        if part.selection.ids != model.selection.ids:
            yield f"{part.name}: about other rows than {model.name}: another DOMAIN, --rows or --row"


def _doubles(parts: Sequence[Part]) -> Iterator[str]:
    by_number: dict[int, Part] = {}
    for part in parts:
        other = by_number.setdefault(part.shard.number, part)
        if other is not part:
            yield f"{part.name}: shard {part.shard}, as {other.name} is"


def _gaps(parts: Sequence[Part]) -> Iterator[str]:
    """Shards that are missing, and rows that a report should have, or should not."""
    there = {part.shard.number for part in parts}
    of = parts[0].shard.of
    for number in sorted(set(range(1, of + 1)) - there):
        yield f"shard {number}/{of} is missing: its report belongs to the others"
    for part in parts:
        expected, found = part.shard.part(part.selection.ids), [row.id for row in part.report.rows]
        if sorted(found) != sorted(expected):
            wrong = sorted(set(expected) ^ set(found)) or found
            yield f"{part.name}: not all of shard {part.shard}, or more: {', '.join(wrong)}"
