"""Engines: what builds and runs an emitted project. One in containers, one on this host's toolchains."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

from bedplate.verify.bases import Base
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.levels import Level
from bedplate.verify.processes import Ended
from bedplate.verify.run import Run, temporary

Name = Literal["container", "host"]

# What a caller's own make, or a user's settings for other projects, would change in the verbs of this one.
_NOT_PASSED_ON: Final = (
    *("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKEFILES"),
    *("DOCKER", "DOCKER_BUILD_FLAGS", "IMAGE", "VERSION", "REVISION"),
)


@dataclass(frozen=True)
class Subject:
    """An emitted project that is being verified: its tree, the name of its row in paths, its answers."""

    root: Path
    slug: str
    answers: Mapping[str, Any]

    @property
    def template(self) -> str:
        """The template that emitted it."""
        return str(self.answers["template"])

    @property
    def serves(self) -> bool:
        """True for a service, which has an image; firmware has files."""
        return "ports" in self.answers and self.template != "rust-embedded"

    @property
    def derives(self) -> bool:
        """True where files are made from others, which `make drift` makes anew and compares."""
        return self.template == "go-service"

    @property
    def denies(self) -> bool:
        """True where cargo-deny has rules to hold the crates to."""
        return (self.root / "deny.toml").is_file()


class Engine(Protocol):
    """Builds and runs one project at a time; may be called from several threads."""

    name: Name

    def describe(self) -> str:
        """What it is, for the report."""
        ...

    def answers(self) -> bool:
        """Whether it still is where it was."""
        ...

    def memory(self) -> int:
        """The memory of the machine that builds, in bytes."""
        ...

    def room(self) -> int | None:
        """Bytes that are free where it builds, as far as that can be seen from here."""
        ...

    def prepare(self, subjects: Iterable[Subject], announce: Callable[[str], None]) -> None:
        """Have at hand what all of these need, before any of them is built."""
        ...

    def bases(self) -> tuple[Base, ...]:
        """The base images that were used."""
        ...

    def bases_of(self, subject: Subject) -> tuple[Base, ...]:
        """Those among them that one project is built on."""
        ...

    def steps(self, level: Level) -> Sequence[Callable[[Subject], Findings]]:
        """What is done on a level, in order; a step that fails ends the level."""
        ...

    def together(self, subjects: Sequence[Subject]) -> Findings:
        """What those do with each other that passed level run, as far as they belong together."""
        ...


def inherited() -> dict[str, str]:
    """The environment for a program of an emitted project."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}


def stepped(
    run: Run,
    subject: Subject,
    name: str,
    command: Sequence[str],
    *,
    within: float,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Check:
    """Run one command of a level in the project; a failed one keeps its log and shows the end of it."""
    within = run.within or within
    log = log_of(run, subject, name)
    ended = run.processes.run(
        command,
        cwd=subject.root,
        log=log,
        within=within,
        environment=inherited() | temporary(run) | dict(environment),
    )
    if ended.passed:
        return Check(name, Status.PASSED, seconds=ended.seconds)
    return Check(name, Status.FAILED, _reason(ended, within), ended.seconds, keep(run, log))


def log_of(run: Run, subject: Subject, name: str) -> Path:
    """Where the output of a step goes."""
    return run.directory / "steps" / subject.slug / f"{name.replace(' ', '-')}.log"


def keep(run: Run, log: Path) -> Path | None:
    """Copy a log to where the report is; nothing when no report was asked for."""
    if run.logs is None:
        return None
    kept = run.logs / log.parent.name / log.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(log, kept))


def _reason(ended: Ended, within: float) -> str:
    reason = f"exit code {ended.code}" if ended.in_time else f"no end within {within:.0f} s"
    return f"{reason}\n{ended.tail}" if ended.tail else reason
