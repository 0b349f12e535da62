"""What a machine offers for verification, and what it lacks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bedplate.catalogue import Catalogue
from bedplate.errors import BedplateError
from bedplate.verify import trust
from bedplate.verify.bases import reachable
from bedplate.verify.client import Client, execute
from bedplate.verify.standins import StandIns

REGISTRY_WITHIN: Final = 3.0
"""Seconds that the image registry gets to answer."""
_TOOL_WITHIN: Final = 10.0
_CONTAINERS: Final = "an engine with buildx, and base images from a registry or as stand-ins"
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+")

Group = Literal["generator", "engine", "toolchains"]


@dataclass(frozen=True)
class Item:
    """One thing that was looked for. `remedy` says how to get it when it is not there."""

    group: Group
    name: str
    present: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Level:
    """A level of verification: what it needs, and the names of the items that it lacks here."""

    name: str
    needs: str
    lacks: tuple[str, ...]
    how: str

    @property
    def possible(self) -> bool:
        """True when it lacks nothing."""
        return not self.lacks


@dataclass(frozen=True)
class Machine:
    """The outcome of an examination."""

    items: tuple[Item, ...]
    levels: tuple[Level, ...]

    @classmethod
    def examine(cls, checkout: Path | None) -> Machine:
        """Look for everything at once; takes as long as the slowest, bounded by a few seconds each."""
        catalogue = Catalogue.load(checkout) if checkout else None
        looks: list[Callable[[], list[Item]]] = [lambda: _engine(checkout), *_toolchains(catalogue)]
        with ThreadPoolExecutor() as pool:
            found = [item for items in pool.map(lambda look: look(), looks) for item in items]
        items = (*_generator(), *found)
        return cls(items, _levels(items))


def _levels(items: tuple[Item, ...]) -> tuple[Level, ...]:
    """Render needs the generator; the others an engine and base images, from wherever they come."""
    present = {item.name for item in items if item.present}
    generator = tuple(item.name for item in items if item.group == "generator" and not item.present)
    engine = tuple(name for name in ("engine", "buildx") if name not in present)
    pulled = "registry" in present
    bases = () if pulled or "stand-ins" in present else ("registry or stand-ins",)
    lacks = (*generator, *engine, *(bases if not engine else ()))
    how = f"in containers, on {'images from the registry' if pulled else 'stand-ins'}"
    return (
        Level("render", "Python and git", generator, "in this process"),
        *(Level(name, _CONTAINERS, lacks, how) for name in ("static", "build", "run", "update")),
    )


def _generator() -> Iterator[Item]:
    yield Item("generator", "python", True, platform.python_version())
    git = shutil.which("git")
    yield Item("generator", "git", git is not None, git or "not on PATH", "apt-get install git")


def _engine(checkout: Path | None) -> list[Item]:
    provision = "make test and make verify install one on Debian (ci/provision); elsewhere install Docker"
    try:
        client = Client.find()
    except BedplateError as error:
        return [
            Item("engine", "engine", False, "not asked: no client with buildx", provision),
            Item("engine", "buildx", False, str(error), "apt-get install docker-buildx"),
        ]
    buildx = Item("engine", "buildx", True, client.path)
    try:
        server = client.server()
    except BedplateError as error:
        return [Item("engine", "engine", False, str(error), provision), buildx]
    engine = Item("engine", "engine", True, f"{server.version}, {server.architecture}")
    return [engine, buildx, *(_images(checkout, client) if checkout else ()), _authorities()]


def _images(checkout: Path, client: Client) -> Iterator[Item]:
    try:
        stand_ins = StandIns.open(checkout, client)
    except BedplateError as error:
        yield Item("engine", "stand-ins", False, str(error))
        return
    wanted = tuple(stand_ins.recipes)
    answers = reachable(client, wanted, REGISTRY_WITHIN)
    outcome = "answers" if answers else f"no answer within {REGISTRY_WITHIN:.0f} s"
    yield Item("engine", "registry", answers, outcome, "not needed: stand-ins take the place of its images")
    missing = [recipe.image for recipe in stand_ins.recipes.values() if not stand_ins.find(recipe.tag)]
    made = f"{len(wanted) - len(missing)} of {len(wanted)} made"
    if missing and shutil.which("mmdebstrap"):
        made += ", the others are made when they are needed"
    usable = not missing or shutil.which("mmdebstrap") is not None
    yield Item("engine", "stand-ins", usable, made, "apt-get install mmdebstrap, then make bases")


def _authorities() -> Item:
    try:
        bundle = trust.additional_bundle()
    except BedplateError as error:
        return Item("engine", "authorities", False, str(error), f"correct or unset {trust.VARIABLE}")
    return Item("engine", "authorities", True, f"builds get {bundle}" if bundle else "the public ones")


def _toolchains(catalogue: Catalogue | None) -> list[Callable[[], list[Item]]]:
    """Looks at the host's own tools. None is needed to verify in containers."""
    if catalogue is None:
        return []
    go, rust = catalogue.versions["go"], catalogue.versions["rust"]
    targets = sorted({board.target for board in catalogue.boards.values()})
    rustup = f"https://rustup.rs, then rustup toolchain install {rust['toolchain']}"
    return [
        lambda: [_tool("go", ("go", "env", "GOVERSION"), go["language"], "https://go.dev/dl/")],
        lambda: [_tool("rust", ("rustc", "--version"), rust["msrv"], rustup)],
        lambda: [_tool("clippy", ("cargo", "clippy", "--version"), "", "rustup component add clippy")],
        lambda: [_tool("rustfmt", ("cargo", "fmt", "--version"), "", "rustup component add rustfmt")],
        lambda: [_target(target) for target in targets],
        lambda: [_tool("qemu", ("qemu-system-arm", "--version"), "", "apt-get install qemu-system-arm")],
    ]


def _tool(name: str, command: tuple[str, ...], at_least: str, remedy: str) -> Item:
    said = _said(command, {"GOTOOLCHAIN": "local"})
    number = _NUMBER.search(said)
    if number is None:
        return Item("toolchains", name, False, "not on PATH", remedy)
    recent = _parts(number[0]) >= _parts(at_least)
    return Item("toolchains", name, recent, number[0] if recent else f"{number[0]}, needs {at_least}", remedy)


def _target(target: str) -> Item:
    sysroot = _said(("rustc", "--print", "sysroot")).strip()
    present = bool(sysroot) and (Path(sysroot) / "lib" / "rustlib" / target / "lib").is_dir()
    detail = "installed" if present else "not installed"
    return Item("toolchains", target, present, detail, f"rustup target add {target}")


def _said(command: tuple[str, ...], extra: dict[str, str] | None = None) -> str:
    try:
        asked = execute(command, timeout=_TOOL_WITHIN, environment=os.environ | (extra or {}))
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout if asked.returncode == 0 else ""


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)
