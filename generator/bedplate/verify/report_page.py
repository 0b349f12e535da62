"""The report as one page for people: it needs no network and no scripts, fits a phone and prints.

It is made from the content of report.json and the logs beside it, so that it can say nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bedplate.verify.levels import Level

LOG_BYTES: Final = 256 * 1024
"""How much of the end of a log stands in the page; the whole of it is beside the report."""
_TEMPLATE: Final = "report.html.jinja"
# ECMA-48, section 5.4: what a terminal takes for colours and movements.
_CONTROL_SEQUENCE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclass(frozen=True)
class Log:
    """The end of a log, and how many bytes before it were left out."""

    name: str
    text: str
    left_out: int


@dataclass(frozen=True)
class Failure:
    """One thing that failed on a level: a check with what it said, or a figure over its budget."""

    level: str
    name: str
    detail: str
    log: Log | None = None


@dataclass(frozen=True)
class Place:
    """One set of findings: of a level of a row, or across rows, where there is no level."""

    row: str
    level: str
    findings: Mapping[str, Any]

    def __str__(self) -> str:
        """`http-api:7f3a run`."""
        return f"{self.row} {self.level}".rstrip()


@dataclass(frozen=True)
class Measured:
    """A figure of one row; `share` is the part of its budget that it takes, from 0 to 1."""

    place: Place
    figure: Mapping[str, Any]
    share: float | None


@dataclass(frozen=True)
class Said:
    """Something that was said in several places: a note, or a check with the reason of its skip."""

    text: str
    reason: str = ""
    places: list[str] = field(default_factory=list)


def page(content: Mapping[str, Any], directory: Path) -> str:
    """The page for the content of a report.json, with the ends of the logs below `directory`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: readable(value) if type(value) is str else value,  # and no Markup
    )
    environment.filters |= {"number": number, "duration": duration}
    places = tuple(_places(content))
    failed = {name: list(_failures(name, places, directory)) for name in dict.fromkeys(p.row for p in places)}
    return environment.get_template(_TEMPLATE).render(
        report=content,
        levels=[str(level) for level in Level(content["level"]).including],
        rows={row["id"]: row for row in content["rows"]},
        failures={name: found for name, found in failed.items() if found},
        figures=_figures(places),
        skips=_skips(places),
        notes=_notes(places),
    )


def readable(text: str) -> str:
    """Without what means something to a terminal only, and what HTML can't hold."""
    plain = _CONTROL_SEQUENCE.sub("", text).replace("\r\n", "\n")
    return "".join(c for c in plain if c in "\t\n" or (c >= " " and not "\x7f" <= c <= "\x9f"))


def number(value: float) -> str:
    """A number as it was measured, without a fraction of zero."""
    return str(int(value)) if value == int(value) else str(value)


def duration(seconds: float) -> str:
    """`12.3 s`, from a minute on `2 min 3 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _places(content: Mapping[str, Any]) -> Iterator[Place]:
    yield Place("across rows", "", content["across_rows"])
    for row in content["rows"]:
        for level in row["levels"]:
            yield Place(row["id"], level["level"], level)


def _failures(row: str, places: tuple[Place, ...], directory: Path) -> Iterator[Failure]:
    for place in places:
        if place.row != row:
            continue
        for check in place.findings["checks"]:
            if check["status"] == "failed":
                yield Failure(place.level, check["name"], check["detail"], _log(directory, check["log"]))
        for figure in place.findings["figures"]:
            if not figure["within"]:
                value, budget, unit = number(figure["value"]), number(figure["budget"]), figure["unit"]
                yield Failure(place.level, figure["name"], f"{value} {unit}, budget {budget} {unit}")


def _log(directory: Path, name: str | None) -> Log | None:
    """The end of a log, if it is there; a name that leads out of the report's directory is none."""
    if name is None:
        return None
    file = (directory / name).resolve()
    if not (file.is_relative_to(directory.resolve()) and file.is_file()):
        return None
    content = file.read_bytes()
    left_out = max(0, len(content) - LOG_BYTES)
    return Log(name, content[left_out:].decode("utf-8", errors="replace"), left_out)


def _figures(places: tuple[Place, ...]) -> dict[str, list[Measured]]:
    """What was measured, by what it is called."""
    found: dict[str, list[Measured]] = {}
    for place in places:
        for figure in place.findings["figures"]:
            budget = figure["budget"]
            share = min(1.0, max(0.0, figure["value"] / budget)) if budget else None
            found.setdefault(figure["name"], []).append(Measured(place, figure, share))
    return found


def _skips(places: tuple[Place, ...]) -> list[Said]:
    found: dict[tuple[str, str], Said] = {}
    for place in places:
        for check in place.findings["checks"]:
            if check["status"] == "skipped":
                key = check["name"], check["detail"]
                found.setdefault(key, Said(*key)).places.append(str(place))
    return list(found.values())


def _notes(places: tuple[Place, ...]) -> list[Said]:
    found: dict[str, Said] = {}
    for place in places:
        for note in place.findings["notes"]:
            found.setdefault(note, Said(note)).places.append(str(place))
    return list(found.values())
