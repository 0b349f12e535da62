"""What the repository's documents point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shell import ROOT

# Links of docs/, which also lead to pages that are made of data, are followed in the site that is built.
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("ci/**/*.md"), *ROOT.glob("contract/*.md")])
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
# Code spans that name a place: with a slash or a suffix, and nothing that only a shell or a reader fills in.
PLACE = re.compile(r"`([a-z][\w.-]*(?:/[\w.-]+)*/?)`")
SUFFIXES = (".py", ".yml", ".json", ".toml", ".sh")
# What verification and copier write elsewhere.
WRITTEN = {"report.json", "go.sum"}


def roots(document: Path) -> tuple[Path, ...]:
    return (
        document.parent,
        ROOT,
        ROOT / "generator/bedplate",
        ROOT / "generator/bedplate/verify",
        ROOT / "tests",
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_places_that_are_named_exist(document: str) -> None:
    path = ROOT / document
    named = {
        place
        for place in PLACE.findall(path.read_text(encoding="utf-8"))
        if ("/" in place or place.endswith(SUFFIXES)) and place not in WRITTEN
    }
    assert named
    gone = {place for place in named if not any((root / place).exists() for root in roots(path))}
    assert gone == set()
