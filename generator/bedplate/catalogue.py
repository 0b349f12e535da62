"""The data files of the template as frozen records: domains, boards, versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from bedplate.errors import BadInput
from bedplate.questionnaire import Questionnaire

Record = TypeVar("Record")


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
    """One board: an entry of questions/boards.yml. `clock_hz` is the core clock.

    `machine` is what QEMU boots: the board itself, or else the twin that is named.
    """

    name: str
    title: str
    target: str
    core: str
    machine: str
    twin: str | None
    clock_hz: int
    flash: Memory
    ram: Memory


@dataclass(frozen=True)
class Catalogue:
    """What the template at one place offers. Versions of every kind stand in questions/versions.yml."""

    domains: Mapping[str, Domain]
    boards: Mapping[str, Board]
    versions: Mapping[str, Any]
    linters: Mapping[str, str]
    testers: Mapping[str, str]
    programs: Mapping[str, str]

    @classmethod
    def load(cls, root: Path) -> Catalogue:
        """Read the catalogue of the template in `root`; `BadInput` when it is not there or incomplete."""
        return cls.of(Questionnaire.load(root))

    @classmethod
    def of(cls, questionnaire: Questionnaire) -> Catalogue:
        """Take the catalogue from a questionnaire that was read; `BadInput` when it is incomplete."""
        return cls(
            domains=_records(questionnaire, "domains", _domain),
            boards=_records(questionnaire, "boards", _board),
            versions=MappingProxyType(_data(questionnaire, "versions")),
            linters=MappingProxyType(_data(questionnaire, "linters")),
            testers=MappingProxyType(_data(questionnaire, "testers")),
            programs=MappingProxyType(_data(questionnaire, "programs")),
        )


def _data(questionnaire: Questionnaire, name: str) -> dict[str, Any]:
    question = questionnaire.questions.get(name)
    data: Any = question.default if question else {}
    return dict(data)


def _records(
    questionnaire: Questionnaire, name: str, read: Callable[[str, Mapping[str, Any]], Record]
) -> Mapping[str, Record]:
    records = {}
    for key, entry in _data(questionnaire, name).items():
        try:
            records[key] = read(key, entry)
        except KeyError as lacking:
            raise BadInput(f"the template's {name}: {key} has no {lacking}") from lacking
    return MappingProxyType(records)


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
    twin = entry.get("twin")
    return Board(
        name=name,
        title=entry["title"],
        target=entry["target"],
        core=entry["core"],
        machine=entry["machine"] if twin is None else twin,
        twin=twin,
        clock_hz=entry["clock_hz"],
        flash=Memory(entry["flash"]["origin"], entry["flash"]["length"]),
        ram=Memory(entry["ram"]["origin"], entry["ram"]["length"]),
    )
