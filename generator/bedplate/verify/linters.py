"""Where linters run: in an image that holds all of them, or as programs of this machine.

The image is made from the recipe in ci/linters, on the Go image of the run. A tree is linted by a build
on it, so that it may be on an engine anywhere; the build gives what each linter said, and leaves nothing.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bedplate.catalogue import Catalogue
from bedplate.verify.bases import Base, Bases, familiar
from bedplate.verify.client import Client, execute
from bedplate.verify.engine import Subject, keep, log_of, stepped
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.invariants import Tree
from bedplate.verify.making import REPOSITORY, Announce, alone, digest_of, expect_made
from bedplate.verify.run import Run
from bedplate.verify.static import Order, judged, orders

WITHIN: Final = 900.0
"""Seconds for one linter. The slowest, golangci-lint with nothing cached, takes a minute and a half."""
_OVERHEAD: Final = 300.0
"""Seconds for the build around all of them."""
_TOOK_TOO_LONG: Final = 124
"""The exit code of `timeout` when it has ended what it runs."""
_DENY: Final = "cargo-deny"
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True)
class Linters:
    """The recipe of the image: `image` is the Go image that it starts from, `versions` those of linters.

    `others` are the versions of what else is in it: cargo-deny, and what tries a running service.
    """

    directory: Path
    image: str
    versions: Mapping[str, str]
    others: Mapping[str, str]

    @classmethod
    def load(cls, checkout: Path) -> Linters:
        """The recipe of a checkout."""
        catalogue = Catalogue.load(checkout)
        image = str(catalogue.versions["go"]["image"])
        others = {_DENY: catalogue.programs[_DENY], **catalogue.testers}
        return cls(checkout / "ci" / "linters", image, catalogue.linters, others)

    def tag(self, base: Base) -> str:
        """Name of the image on such a base, ending in the digest of all that goes into it."""
        settings = json.dumps([dict(self.versions), dict(self.others), base.reference], sort_keys=True)
        return f"{REPOSITORY}/linters:bookworm-{digest_of(self.directory, settings.encode())}"

    def provide(self, client: Client, bases: Bases, announce: Announce) -> LinterImage:
        """Make the image unless it is there.

        Raises:
            MissingTool: when it can't be made; the end of the build's log is in the messages.
        """
        tag = self.tag(bases.provenance[familiar(self.image)])
        made = LinterImage(client, self.directory, tag, bases.flags((), tag), self.versions)
        if not made.exists():
            with alone():
                if not made.exists():
                    announce(f"making {tag} (some minutes)")
                    self._make(client, bases, tag)
        return made

    @property
    def _all(self) -> dict[str, str]:
        return {**self.versions, **self.others}

    def _make(self, client: Client, bases: Bases, tag: str) -> None:
        numbers = {name.replace("-", "_").upper(): number for name, number in self._all.items()}
        arguments = {**numbers, "GO_IMAGE": self.image, "RECIPE": tag.rpartition("-")[2]}
        built = client.run(
            *("buildx", "build", "--progress=plain", "--load", *bases.flags((self.image,), tag)),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *(f"--tag={tag}", str(self.directory)),
        )
        expect_made(tag, built.returncode, built.stderr)


@dataclass(frozen=True)
class LinterImage:
    """An image of linters. `flags` are the options of a build on it."""

    client: Client
    directory: Path
    tag: str
    flags: Sequence[str]
    versions: Mapping[str, str]

    def exists(self) -> bool:
        """Whether the engine has it."""
        return self.client.run("image", "inspect", self.tag).returncode == 0

    @property
    def base(self) -> Base:
        """The image as one that projects depend on: its tag says all that it was made from."""
        return Base("linters", "stand-in", self.tag, self.tag)

    def lint(self, run: Run, subject: Subject) -> Findings:
        """Run each linter on the files of a project that it reads."""
        given = orders(Tree.read(subject.root, subject.template))
        if not given:
            return Findings()
        place = log_of(run, subject, "linters").with_suffix("")
        plan, said = place / "plan", place / "said"
        plan.mkdir(parents=True, exist_ok=True)
        for number, order in enumerate(given):
            (plan / str(number)).write_text(f"{shlex.join(order.command)}\n", encoding="utf-8")
        command = (
            *(self.client.path, "buildx", "build", "--progress=plain", *self.flags),
            *(f"--build-context=linters=docker-image://{self.tag}", f"--build-context=plan={plan}"),
            *(f"--build-arg=WITHIN={WITHIN:.0f}", f"--file={self.directory / 'run.Dockerfile'}"),
            *(f"--output=type=local,dest={said}", "."),
        )
        built = stepped(run, subject, "linters", command, within=WITHIN * len(given) + _OVERHEAD)
        if built.status is not Status.PASSED:
            return Findings((built,))
        checks = tuple(_read(run, subject, order, said / str(number)) for number, order in enumerate(given))
        ran = {order.linter.name: self.versions[order.linter.name] for order in given}
        return Findings(checks, notes=(_told(ran, f"in {self.tag}"),))

    def deny(self, subject: Subject, flags: Sequence[str]) -> Sequence[str]:
        """How the crates of a project are held to its deny.toml: a build on the image that it is built on."""
        return (
            *(self.client.path, "buildx", "build", *flags, "--output=type=cacheonly"),
            f"--build-context=linters=docker-image://{self.tag}",
            f"--build-arg=RUST_IMAGE={subject.answers['versions']['rust']['image']}",
            *(f"--file={self.directory / 'deny.Dockerfile'}", "."),
        )


def _read(run: Run, subject: Subject, order: Order, said: Path) -> Check:
    """What one linter came to, by what the build wrote about it."""
    code, started, ended = said.with_suffix(".ended").read_text(encoding="utf-8").split()
    log = log_of(run, subject, order.linter.told_as)
    shutil.copyfile(said.with_suffix(".log"), log)
    seconds = float(ended) - float(started)
    if int(code) == _TOOK_TOO_LONG:
        return Check(order.linter.told_as, Status.FAILED, f"no end within {WITHIN:.0f} s", seconds)
    text = log.read_text(encoding="utf-8", errors="replace")
    check = judged(order, int(code), text, seconds)
    return replace(check, log=keep(run, log)) if check.status is Status.FAILED else check


def lint_here(subject: Subject) -> Findings:
    """Run the linters that this machine has, and say which of the others would have had something to do."""
    checks, ran = [], {}
    for order in orders(Tree.read(subject.root, subject.template)):
        program = find(order.command[0])
        if program is None:
            reason = f"not installed: {order.linter.remedy}"
            checks.append(Check(order.linter.told_as, Status.SKIPPED, reason))
        else:
            checks.append(_run(order, program, subject.root))
            ran[order.linter.name] = _version(program)
    return Findings(tuple(checks), notes=(_told(ran, "of this machine"),) if ran else ())


def _run(order: Order, program: str, root: Path) -> Check:
    started = time.monotonic()
    try:
        finished = execute((program, *order.command[1:]), timeout=WITHIN, directory=root)
    except subprocess.TimeoutExpired:
        return Check(order.linter.told_as, Status.FAILED, f"no end within {WITHIN:.0f} s", WITHIN)
    return judged(order, finished.returncode, finished.stdout + finished.stderr, time.monotonic() - started)


def _version(program: str) -> str:
    """The number that a program calls its version; actionlint understands two hyphens as well."""
    try:
        asked = execute((program, "--version"), timeout=WITHIN)
    except subprocess.TimeoutExpired:
        return "of an unknown version"
    number = _NUMBER.search(asked.stdout + asked.stderr)
    return number[0] if number else "of an unknown version"


def _told(versions: Mapping[str, str], where: str) -> str:
    return f"linters {where}: {', '.join(f'{name} {number}' for name, number in versions.items())}"


def find(program: str) -> str | None:
    """A program of this Python environment, or else one on PATH."""
    places = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent))
    beside = next((found for place in places if (found := shutil.which(program, path=place))), None)
    return beside or shutil.which(program)
