"""What runs on a server is what runs on a desk; their style and safety is in tests/verify/test_linters.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from shell import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
VERBS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_steps_are_verbs_and_actions_are_those_of_projects(path: Path) -> None:
    text = path.read_text()
    used = set(re.findall(r"uses: (\S+@.*)", text))
    versions = yaml.safe_load((ROOT / "questions/versions.yml").read_text())["actions"]["default"]
    assert versions["checkout"] in used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", one) for one in used), used
    called = set(re.findall(r"\bmake (\S+)", text))
    assert called
    assert called <= VERBS


def test_the_shards_of_a_change_are_all_there_is() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    shards = jobs["rows"]["strategy"]["matrix"]["shard"]
    assert shards == [f"{number}/{len(shards)}" for number in range(1, len(shards) + 1)]
