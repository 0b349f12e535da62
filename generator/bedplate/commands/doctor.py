"""`bedplate doctor`: what is here, what each level of verification needs, and how to get it."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import typer

from bedplate.errors import MissingTool
from bedplate.render import checkout
from bedplate.verify.machine import Item, Machine

_TITLES: Final = {
    "generator": "Generator",
    "engine": "Containers",
    "toolchains": "Toolchains of this host, for work in emitted projects and --engine host",
}
_NEEDED: Final = "run"


def run(*, json: bool) -> int:
    """Report on the machine; 0 when level run is possible, 3 when it is not."""
    machine = Machine.examine(checkout())
    if json:
        typer.echo(json_format.dumps(_record(machine), indent=2))
    else:
        for line in _lines(machine):
            typer.echo(line)
    possible = all(level.possible for level in machine.levels if level.name == _NEEDED)
    return 0 if possible else MissingTool.exit_code


def _record(machine: Machine) -> dict[str, object]:
    levels = [asdict(level) | {"possible": level.possible} for level in machine.levels]
    return {"items": [asdict(item) for item in machine.items], "levels": levels}


def _lines(machine: Machine) -> Iterator[str]:
    width = max(len(item.name) for item in machine.items)
    for group, title in _TITLES.items():
        items = [item for item in machine.items if item.group == group]
        if items:
            yield title
            yield from (_line(item, width) for item in items)
            yield ""
    yield "Levels of verification"
    for level in machine.levels:
        outcome = level.how if level.possible else f"not possible: no {', no '.join(level.lacks)}"
        yield f"  {_mark(level.possible)}  {level.name:<{width}}  {outcome}; needs {level.needs}"


def _line(item: Item, width: int) -> str:
    remedy = f"; {item.remedy}" if item.remedy and not item.present else ""
    return f"  {_mark(item.present)}  {item.name:<{width}}  {item.detail}{remedy}"


def _mark(present: bool) -> str:
    return "ok" if present else "no"
