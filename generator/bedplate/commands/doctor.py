"""`bedplate doctor`: what is here, what each level of verification needs, and how to get it."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from typing import Final

import typer

from bedplate.commands.paragraphs import say
from bedplate.commands.waiting import waiting
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
    with waiting("looking at this machine"):
        machine = Machine.examine(checkout())
    if json:
        typer.echo(json_format.dumps(_record(machine), indent=2))
    else:
        _tell(machine)
    possible = all(level.possible for level in machine.levels if level.name == _NEEDED)
    return 0 if possible else MissingTool.exit_code


def _record(machine: Machine) -> dict[str, object]:
    levels = [asdict(level) | {"possible": level.possible} for level in machine.levels]
    return {"items": [asdict(item) for item in machine.items], "levels": levels}


def _tell(machine: Machine) -> None:
    width = max(len(item.name) for item in machine.items)
    for group, title in _TITLES.items():
        items = [item for item in machine.items if item.group == group]
        if items:
            say(title)
            for item in items:
                _line(item.present, item.name, width, _detail(item))
            say("")
    say("Levels of verification")
    for level in machine.levels:
        outcome = level.how if level.possible else f"not possible: no {', no '.join(level.lacks)}"
        _line(level.possible, level.name, width, f"{outcome}; needs {level.needs}")


def _detail(item: Item) -> str:
    return f"{item.detail}; {item.remedy}" if item.remedy and not item.present else item.detail


def _line(present: bool, name: str, width: int, text: str) -> None:
    beside = " " * (width + 8)
    say(text, f"  {'ok' if present else 'no'}  {name:<{width}}  ", beside)
