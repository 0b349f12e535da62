"""A node, an ingest, an API and its database, from emitted projects, with each of them killed in turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from bedplate.verify.chain_probe import Parts
from bedplate.verify.engine import Subject
from bedplate.verify.rows import Row
from test_default_rows import failures
from verify_user import User

NODE = {"archetype": "sensor-node"}
INGEST = {"archetype": "stream-ingest"}
API = {"archetype": "http-api", "database": "postgres", "auth": "none", "rate_limit": False}
CHECKS = [
    "readings of an emulated node are acknowledged",
    "the ingest is killed and started again, and the node goes on",
    "the API is killed and started again, and the node goes on",
    "the database is killed and started again, and the node goes on",
    "every acknowledged reading is in the table exactly once, as it was measured",
    "no reading of the node is missing",
    "one boot of the node has one epoch",
]


def subjects(*answers: Mapping[str, object]) -> list[Subject]:
    return [Subject(Path(str(number)), str(number), given) for number, given in enumerate(answers)]


def test_projects_belong_together_when_each_kind_is_there_and_needs_nothing_else() -> None:
    secured = {**API, "auth": "jwt"}
    parts = Parts.of(subjects({"archetype": "tcp-proxy"}, secured, INGEST, API, NODE, API))
    assert parts is not None
    assert [part.slug for part in (parts.node, parts.ingest, parts.api)] == ["4", "2", "3"]


@pytest.mark.parametrize("missing", [NODE, INGEST, API])
def test_projects_are_left_alone_when_one_is_missing(missing: Mapping[str, object]) -> None:
    in_memory = {**API, "database": "memory"}
    assert (
        Parts.of(subjects(*(kind for kind in (NODE, INGEST, API) if kind is not missing), in_memory)) is None
    )


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
@pytest.mark.slow
def test_no_reading_is_lost_between_a_node_and_a_database(user: User, tmp_path: Path) -> None:
    rows = [Row("http-api", {"database": "postgres"}), Row("stream-ingest"), Row("sensor-node")]
    named = [option for row in rows for option in ("--row", row.id)]
    report = tmp_path / "report"
    finished = user.verify(*("--rows", "each", *named, "--level", "run", "--report", report))
    assert (report / "report.json").is_file(), finished.stderr
    content = json.loads((report / "report.json").read_text())
    assert {row["id"]: failures(row) for row in content["rows"] if failures(row)} == {}
    across = content["across_rows"]
    told = {check["name"]: check["status"] for check in across["checks"]}
    assert {name: told.get(f"chain: {name}") for name in CHECKS} == dict.fromkeys(CHECKS, "passed")
    figures = {figure["name"]: figure["value"] for figure in across["figures"]}
    assert figures["chain: acknowledged readings"] >= 60
    assert figures["chain: missing readings"] == 0
