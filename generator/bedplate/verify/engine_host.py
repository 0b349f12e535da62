"""The engine for a machine without a container engine: the toolchains on PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bedplate.render import checkout
from bedplate.verify.bases import Base
from bedplate.verify.client import execute
from bedplate.verify.engine import Engine, Name, Subject, stepped
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.levels import Level
from bedplate.verify.linters import lint_here
from bedplate.verify.machine import Item, Machine
from bedplate.verify.run import Run

_WITHIN: Final = 2400.0
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "go-service": ("go",),
    "rust-service": ("rust", "clippy", "rustfmt"),
    "rust-embedded": ("rust", "clippy", "rustfmt", "qemu"),
}
"""What a project of each template needs on PATH; firmware the target of its board as well."""


@dataclass
class Host(Engine):
    """Runs linters and `make check` with this machine's own tools; what needs images it skips."""

    run: Run
    name: Name = "host"
    _tools: Mapping[str, Item] = field(default_factory=dict, init=False)
    _environment: Mapping[str, str] = field(default_factory=dict, init=False)

    def describe(self) -> str:
        """The toolchains that are there."""
        present = [f"{item.name} {item.detail}" for item in self._tools.values() if item.present]
        return ", ".join(present) or "no toolchain"

    def answers(self) -> bool:
        """Always: it is this machine."""
        return True

    def memory(self) -> int:
        """All memory of this machine, in bytes."""
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def room(self) -> int:
        """What is free where the projects are."""
        return shutil.disk_usage(self.run.directory).free

    def prepare(self, subjects: Iterable[Subject], announce: Callable[[str], None]) -> None:
        """Look for the toolchains, once."""
        if self._tools:
            return
        items = Machine.examine(checkout()).items
        self._tools = {item.name: item for item in items if item.group == "toolchains"}
        if any(self._lacks_channel(subject) for subject in subjects):
            self._environment = {"RUSTUP_TOOLCHAIN": "stable"}

    def bases(self) -> tuple[Base, ...]:
        """None: nothing is built in images."""
        return ()

    def bases_of(self, subject: Subject) -> tuple[Base, ...]:
        """None for any project."""
        return ()

    def together(self, subjects: Sequence[Subject]) -> Findings:
        """Nothing: there are no images."""
        return Findings()

    def steps(self, level: Level) -> Sequence[Callable[[Subject], Findings]]:
        """Verbs that need no container engine; for the others, why they are skipped."""
        match level:
            case Level.STATIC:
                return (lint_here, partial(self._make, verb="lint"), self._drift, _deny)
            case Level.BUILD:
                return (partial(self._make, verb="check"), partial(_without_engine, step="make image"))
            case Level.RUN:
                return (partial(_without_engine, step="make smoke"), partial(_without_engine, step="probe"))
        return ()

    def _make(self, subject: Subject, verb: str) -> Findings:
        name = f"make {verb}"
        if lacking := self._lacking(subject):
            return Findings((Check(name, Status.SKIPPED, "; ".join(lacking)),))
        check = stepped(
            self.run, subject, name, ("make", verb), within=_WITHIN, environment=self._environment
        )
        notes = tuple(f"{key}={value}: {subject.slug}" for key, value in self._environment.items())
        return Findings((check,), notes=notes if subject.template != "go-service" else ())

    def _drift(self, subject: Subject) -> Findings:
        return self._make(subject, "drift") if subject.derives else Findings()

    def _lacking(self, subject: Subject) -> list[str]:
        target = subject.answers.get("chip", {}).get("target")
        names = (*_NEEDS[subject.template], *([target] if target else []))
        lacking = [
            self._tools[name] for name in names if name in self._tools and not self._tools[name].present
        ]
        told = [f"{item.name}: {item.detail}" for item in lacking]
        return told if shutil.which("make") else ["make: not on PATH", *told]

    def _lacks_channel(self, subject: Subject) -> bool:
        """Whether the project pins a Rust channel that rustup would have to download."""
        if not (subject.root / "rust-toolchain.toml").is_file() or shutil.which("rustup") is None:
            return False
        installed = execute(("rustup", "toolchain", "list"), timeout=10).stdout
        channel = str(subject.answers["versions"]["rust"]["toolchain"])
        return not any(line.startswith(f"{channel}-") for line in installed.splitlines())


def _deny(subject: Subject) -> Findings:
    return _without_engine(subject, "cargo-deny") if subject.denies else Findings()


def _without_engine(subject: Subject, step: str) -> Findings:
    return Findings((Check(step, Status.SKIPPED, "needs a container engine"),))
