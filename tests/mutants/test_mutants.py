"""Templates with one place broken: the level that is meant to notice has to turn red."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml
from bedplate.verify.engine import Subject
from bedplate.verify.engine_host import Host
from bedplate.verify.findings import Findings, Status
from bedplate.verify.levels import Level, RowResult
from bedplate.verify.linters import lint_here
from bedplate.verify.observer import Silence
from bedplate.verify.rows import Row
from bedplate.verify.run import Run
from bedplate.verify.settings import Settings
from bedplate.verify.verification import Verification
from shell import ROOT

MARKS: Mapping[str, tuple[pytest.MarkDecorator, ...]] = MappingProxyType(
    {
        "check": (),
        "test": (pytest.mark.engine, pytest.mark.xdist_group("engine")),
        "mutants": (pytest.mark.engine, pytest.mark.xdist_group("engine"), pytest.mark.slow),
    }
)
"""What keeps a mutant from the verbs before the one that it names."""


class Reader(Host):
    """An engine that runs no toolchain: what is left of a level is what reading the files tells."""

    def steps(self, level: Level) -> Sequence[Callable[[Subject], Findings]]:
        return (lint_here,) if level is Level.STATIC else ()


@dataclass(frozen=True)
class Mutant:
    """One entry of mutants.yml."""

    name: str
    domain: str
    file: str
    search: str
    replace: str
    level: str
    told: str
    verb: str
    answers: Mapping[str, object] = field(default_factory=dict)

    def apply(self, template: Path) -> None:
        """Break the place; a template that was changed since needs another mutant."""
        path = template / self.file
        text = path.read_text(encoding="utf-8")
        assert text.count(self.search) == 1, f"{self.file}: {self.search!r} is not in it exactly once"
        path.write_text(text.replace(self.search, self.replace), encoding="utf-8")

    @property
    def row(self) -> Row:
        """What is emitted from the broken template."""
        return Row(self.domain, self.answers)

    def verified(self, template: Path, logs: Path) -> RowResult:
        """What the verifier makes of the broken template; logs of failures are kept in `logs`."""
        settings = Settings(engine="container", source=template, logs=logs)
        if self.verb == "check":
            with Run.start(None, logs) as run:
                verification = Verification(run, Reader(run), settings, Silence())
                return verification.row(self.row, Level(self.level))
        with Verification.open(settings) as verification:
            return verification.row(self.row, Level(self.level))


MUTANTS = [Mutant(**entry) for entry in yaml.safe_load((Path(__file__).parent / "mutants.yml").read_bytes())]


def texts(result: RowResult) -> Iterator[str]:
    """What is said of each failure: its name, its detail and its whole log."""
    for check in (check for level in result.levels for check in level.findings.checks):
        if check.status is Status.FAILED:
            log = check.log.read_text(encoding="utf-8", errors="replace") if check.log else ""
            yield f"{check.name}\n{check.detail}\n{log}"


def parameters(mutants: Iterable[Mutant]) -> list[object]:
    return [pytest.param(mutant, id=mutant.name, marks=MARKS[mutant.verb]) for mutant in mutants]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_mutant_finds_its_place_and_changes_it(tmp_path: Path, mutant: Mutant) -> None:
    copy = tmp_path / mutant.file
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / mutant.file, copy)
    mutant.apply(tmp_path)
    assert copy.read_bytes() != (ROOT / mutant.file).read_bytes()


@pytest.mark.mutant
@pytest.mark.parametrize("mutant", parameters(MUTANTS))
def test_a_mutant_is_noticed_at_its_level(tmp_path: Path, template_tree: Path, mutant: Mutant) -> None:
    template = tmp_path / "template"
    shutil.copytree(template_tree, template)
    mutant.apply(template)
    result = mutant.verified(template, tmp_path / "logs")
    told = list(texts(result))
    assert result.failed is Level(mutant.level), told
    assert any(mutant.told in text for text in told), told
