"""A service with a PostgreSQL, through all levels: what the report of that has to show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bedplate.verify.rows import Row
from test_default_rows import failures
from verify_user import User

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]

TRIED = {
    "make integration",
    "database: migrate up, twice, and status end with 0",
    "outage: db_up turns to 0, and readiness stays",
    "outage: nothing that was acknowledged is lost, and nothing is stored twice",
}


def test_a_service_outlives_its_database_and_loses_nothing(user: User, tmp_path: Path) -> None:
    row = Row("http-api", {"database": "postgres"})
    report = tmp_path / "report"
    finished = user.verify(
        *("http-api", "--rows", "each", "--row", row.id, "--level", "run"),
        *("--engine", "container", "--report", report),
    )
    assert (report / "report.json").is_file(), finished.stderr
    content = json.loads((report / "report.json").read_text())
    (told,) = content["rows"]
    assert failures(told) == []
    assert finished.returncode == 0
    checks = {check["name"]: check["status"] for level in told["levels"] for check in level["checks"]}
    assert {checks.get(name) for name in TRIED} == {"passed"}
    images = {base["image"].partition(":")[0] for base in content["bases"]}
    assert "postgres" in images
