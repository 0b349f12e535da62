"""Examples are what the templates give now; after a change of these, `make examples` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from shell import ROOT, Cli

DOMAINS = list(yaml.safe_load((ROOT / "questions/domains.yml").read_text())["domains"]["default"])
RECORD = ".copier-answers.yml"


def tree(directory: Path) -> dict[str, tuple[bytes, bool]]:
    """Each file with its content and whether it can be executed."""
    return {
        path.relative_to(directory).as_posix(): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in directory.rglob("*")
        if path.is_file() and path.name != RECORD
    }


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_example_is_what_its_domain_gives(cli: Cli, domain: str) -> None:
    made = cli.bedplate("new", domain, "--domain", domain, "--defaults")
    assert made.returncode == 0, made.stderr
    emitted, kept = tree(cli.directory / domain), tree(ROOT / "examples" / domain)
    assert sorted(emitted) == sorted(kept)
    assert [path for path in emitted if emitted[path] != kept[path]] == []


def test_there_is_an_example_of_each_domain_and_of_nothing_else() -> None:
    places = {path.name for path in (ROOT / "examples").iterdir() if path.is_dir()}
    assert places == set(DOMAINS)
    linked = (ROOT / "examples/README.md").read_text()
    assert all(f"]({domain}/)" in linked for domain in DOMAINS)
