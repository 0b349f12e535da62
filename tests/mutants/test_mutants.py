"""Templates with one line broken: the level that is meant to notice has to turn red."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from bedplate.verify.levels import Level
from bedplate.verify.report import failures
from bedplate.verify.rows import Row
from bedplate.verify.verification import Settings, Verification
from shell import ROOT


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

    def apply(self, templates: Path) -> None:
        """Break the line; a template that was changed since needs another mutant."""
        path = templates / self.file
        text = path.read_text(encoding="utf-8")
        assert text.count(self.search) == 1, f"{self.file}: {self.search!r} is not in it exactly once"
        path.write_text(text.replace(self.search, self.replace), encoding="utf-8")


MUTANTS = [Mutant(**entry) for entry in yaml.safe_load((Path(__file__).parent / "mutants.yml").read_bytes())]
each = pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])


@each
def test_a_mutant_finds_its_line_and_changes_it(tmp_path: Path, mutant: Mutant) -> None:
    copy = tmp_path / mutant.file
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / "templates" / mutant.file, copy)
    mutant.apply(tmp_path)
    assert copy.read_bytes() != (ROOT / "templates" / mutant.file).read_bytes()


@each
@pytest.mark.engine
@pytest.mark.mutant
@pytest.mark.xdist_group("engine")
def test_a_mutant_is_noticed_at_its_level(tmp_path: Path, template_tree: Path, mutant: Mutant) -> None:
    source = tmp_path / "template"
    shutil.copytree(template_tree, source)
    mutant.apply(source / "templates")
    level = Level(mutant.level)
    with Verification.open(Settings(engine="container", source=source)) as verification:
        result = verification.row(Row(mutant.domain), level)
    found = [failure for one in result.levels for failure in failures(one.findings)]
    assert result.failed is level, found
    assert any(mutant.told in name or mutant.told in detail for name, detail in found), found
