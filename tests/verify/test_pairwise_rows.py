"""All pairwise rows are rendered, and as many of them built as there is time for; the others are named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from bedplate.questionnaire import Questionnaire
from bedplate.verify.rows import select
from shell import ROOT
from test_default_rows import failures
from verify_user import User

SECONDS = float(os.environ.get("BEDPLATE_PAIRWISE_SECONDS", "2400"))
"""From the beginning of all tests until no further row is built; `make verify` builds and runs them all."""
EMITTING = 300
"""Seconds that emitting all rows may take: with less than that left, none could be built."""


def test_pairwise_rows_are_rendered(user: User, tmp_path: Path) -> None:
    content = verified(user, tmp_path / "report", "--level", "render", "--engine", "host")
    assert {row["id"]: failures(row) for row in content["rows"] if failures(row)} == {}
    assert {row["id"] for row in content["rows"] if row["status"] == "passed"} == pairwise_ids()
    assert [check["status"] for check in content["across_rows"]["checks"]] == ["passed"]


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
@pytest.mark.last
def test_pairwise_rows_are_built_as_far_as_time_allows(
    user: User, tmp_path: Path, elapsed: float, record_property: Callable[[str, object], None]
) -> None:
    left_over = SECONDS - elapsed
    rows: list[dict[str, Any]] = []
    if left_over > EMITTING:
        limits = ("--jobs", "2", "--time-limit", left_over)
        build = ("--level", "build", "--keep-going", "--engine", "container")
        rows = verified(user, tmp_path / "report", *build, *limits)["rows"]
    done = {row["id"] for row in rows if built(row)}
    left = pairwise_ids() - done
    record_property("summary", f"pairwise rows built: {len(done)} of {len(done | left)}")
    record_property("summary", f"no time for: {' '.join(sorted(left)) or 'none'}")
    assert {row["id"]: failures(row) for row in rows if failures(row)} == {}
    if not done:
        pytest.skip("no time left to build any of them")
    assert all("no time left" in reason for row in rows for reason in skips(row))
    assert taken_in_turn(rows, left)


def verified(user: User, report: Path, *arguments: object) -> dict[str, Any]:
    """The report on all pairwise rows."""
    finished = user.verify("--rows", "pairwise", *arguments, "--report", report)
    assert (report / "report.json").is_file(), finished.stderr
    content: dict[str, Any] = json.loads((report / "report.json").read_text())
    unproved = any(row["status"] == "skipped" for row in content["rows"])
    assert finished.returncode == (1 if content["status"] == "failed" else 3 if unproved else 0)
    return content


def pairwise_ids() -> set[str]:
    return {row.id for row in select(Questionnaire.load(ROOT), "pairwise")}


def built(row: dict[str, Any]) -> bool:
    return [level["status"] for level in row["levels"]] == ["passed"] * 3


def skips(row: dict[str, Any]) -> list[str]:
    """Why levels of a row were skipped."""
    return [
        check["detail"]
        for level in row["levels"]
        if level["status"] == "skipped"
        for check in level["checks"]
    ]


def taken_in_turn(rows: list[dict[str, Any]], left: set[str]) -> bool:
    """Whether the rows that were left out are the last ones, when domains take turns."""
    by_domain: dict[str, list[str]] = {}
    for row in rows:
        by_domain.setdefault(row["domain"], []).append(row["id"])
    turns = [id for ids in zip_longest(*by_domain.values()) for id in ids if id is not None]
    return set(turns[len(turns) - len(left) :]) == left
