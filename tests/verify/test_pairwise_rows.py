"""All pairwise rows are rendered, and as many of them built as there is time for; the others are named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from test_default_rows import failures
from verify_user import User

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine"), pytest.mark.last]

SECONDS = float(os.environ.get("BEDPLATE_PAIRWISE_SECONDS", "2400"))
"""From the beginning of all tests until no further row is built; `make verify` builds and runs them all."""


def test_pairwise_rows_are_rendered_and_built_as_far_as_time_allows(
    user: User, tmp_path: Path, elapsed: float, record_property: Callable[[str, object], None]
) -> None:
    report = tmp_path / "report"
    left_over = max(0, SECONDS - elapsed)
    finished = user.verify(
        *("--rows", "pairwise", "--level", "build", "--keep-going", "--engine", "container"),
        *("--jobs", "2", "--time-limit", left_over, "--report", report),
    )
    assert (report / "report.json").is_file(), finished.stderr
    rows = json.loads((report / "report.json").read_text())["rows"]
    left = [row["id"] for row in rows if not built(row)]
    record_property("summary", f"pairwise rows built: {len(rows) - len(left)} of {len(rows)}")
    record_property("summary", f"no time for: {' '.join(left) or 'none'}")
    assert {row["id"]: failures(row) for row in rows if failures(row)} == {}
    assert {row["levels"][0]["status"] for row in rows} == {"passed"}
    assert all("no time left" in reason for row in rows for reason in skips(row))
    assert finished.returncode == (3 if left else 0)
    assert taken_in_turn(rows, set(left))


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
