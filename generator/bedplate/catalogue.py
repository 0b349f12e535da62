"""The data files of the template as frozen records: domains, boards, versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bedplate.questionnaire import read_config


@dataclass(frozen=True)
class Domain:
    """One thing that can be built: an entry of questions/domains.yml."""

    name: str
    template: str
    archetype: str
    language: str
    title: str
    group: str
    summary: str
    choose_when: str
    why_language: str
    emits: tuple[str, ...]
    next: tuple[str, ...]


@dataclass(frozen=True)
class Memory:
    """A memory region of a chip, both in bytes."""

    origin: int
    length: int


@dataclass(frozen=True)
class Board:
    """One board: an entry of questions/boards.yml. `clock_hz` is the core clock."""

    name: str
    title: str
    target: str
    core: str
    machine: str
    clock_hz: int
    flash: Memory
    ram: Memory


@dataclass(frozen=True)
class Catalogue:
    """What the template at one place offers. `versions` is questions/versions.yml as it stands."""

    domains: Mapping[str, Domain]
    boards: Mapping[str, Board]
    versions: Mapping[str, Any]

    @classmethod
    def load(cls, root: Path) -> Catalogue:
        """Read the catalogue of the template in `root`; `BadInput` when there is no template."""
        config = read_config(root)
        domains = {name: _domain(name, entry) for name, entry in _data(config, "domains").items()}
        boards = {name: _board(name, entry) for name, entry in _data(config, "boards").items()}
        return cls(
            MappingProxyType(domains), MappingProxyType(boards), MappingProxyType(_data(config, "versions"))
        )


def _data(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    return dict(config.get(name, {}).get("default", {}))


def _domain(name: str, entry: Mapping[str, Any]) -> Domain:
    return Domain(
        name=name,
        template=entry["template"],
        archetype=entry["archetype"],
        language=entry["language"],
        title=entry["title"],
        group=entry["group"],
        summary=entry["summary"],
        choose_when=entry["choose_when"],
        why_language=entry["why_language"],
        emits=tuple(entry["emits"]),
        next=tuple(entry["next"]),
    )


def _board(name: str, entry: Mapping[str, Any]) -> Board:
    return Board(
        name=name,
        title=entry["title"],
        target=entry["target"],
        core=entry["core"],
        machine=entry["machine"],
        clock_hz=entry["clock_hz"],
        flash=Memory(entry["flash"]["origin"], entry["flash"]["length"]),
        ram=Memory(entry["ram"]["origin"], entry["ram"]["length"]),
    )
