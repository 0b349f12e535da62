"""The schema of report.json: real reports keep to it, and reports that could not be true do not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bedplate.verify.findings import Check, Status
from bedplate.verify.levels import Level, LevelResult, Proof
from bedplate.verify.report import SCHEMA, record
from shell import ROOT
from test_report import GREEN, PASSED, red, report, result, row, validate
from verify_user import User

Content = dict[str, Any]


def reused(level: Level) -> LevelResult:
    return replace(
        result(level, PASSED), seconds=0.0, proof=Proof("here.4567", datetime(2026, 11, 23, tzinfo=UTC))
    )


def failed() -> Content:
    return record(red(Path("/report/logs/x.log")), Path("/report"))


def passed() -> Content:
    return record(report(row("http-api", result(Level.RENDER, PASSED), reused(Level.STATIC)), *GREEN.rows))


def unfinished() -> Content:
    waits = Check("run", Status.SKIPPED, "no time left")
    return record(report(row("http-api", result(Level.RENDER, PASSED), result(Level.RUN, waits))))


def level(content: Content, name: str) -> Content:
    return next(level for level in content["rows"][0]["levels"] if level["level"] == name)


def test_reports_of_runs_that_passed_and_failed_keep_to_it() -> None:
    validate(passed())
    validate(failed())
    validate(record(report()))
    assert unfinished()["rows"][0]["status"] == "skipped"
    validate(unfinished())


def test_the_report_of_a_real_run_keeps_to_it(user: User, tmp_path: Path) -> None:
    finished = user.verify(
        "http-api", "--level", "render", "--engine", "host", "--report", tmp_path / "report"
    )
    assert finished.returncode == 0, finished.stderr
    content = json.loads((tmp_path / "report/report.json").read_text())
    validate(content)
    assert level(content, "render")["status"] == "passed"


Change = Callable[[Content], object]
UNTRUE: dict[str, tuple[Callable[[], Content], Change]] = {
    "a green run with a red row": (failed, lambda c: c.update(status="passed")),
    "a red run in which nothing failed": (passed, lambda c: c.update(status="failed")),
    "a green row with a red level": (failed, lambda c: c["rows"][0].update(status="passed")),
    "a red row in which nothing failed": (passed, lambda c: c["rows"][0].update(status="failed")),
    "a green row with a level that was not tried": (
        unfinished,
        lambda c: c["rows"][0].update(status="passed"),
    ),
    "a skipped row in which all was tried": (passed, lambda c: c["rows"][0].update(status="skipped")),
    "a skipped row with a red level": (failed, lambda c: c["rows"][0].update(status="skipped")),
    "a green level with a red check": (failed, lambda c: level(c, "build").update(status="passed")),
    "a green level on which nothing was tried": (failed, lambda c: level(c, "run").update(status="passed")),
    "a green level over its budget": (
        failed,
        lambda c: (level(c, "build").update(status="passed"), level(c, "build")["checks"].pop()),
    ),
    "a red level in which nothing failed": (passed, lambda c: level(c, "static").update(status="failed")),
    "a skipped level with a check that passed": (
        passed,
        lambda c: level(c, "static").update(status="skipped"),
    ),
    "a reused level that failed": (
        failed,
        lambda c: level(c, "build").update(reused={"run": "x", "at": c["started"]}),
    ),
    "a reused level with a skip": (
        failed,
        lambda c: level(c, "static").update(reused={"run": "x", "at": c["started"]}),
    ),
    "a reused rendering": (passed, lambda c: level(c, "render").update(reused=level(c, "static")["reused"])),
    "reused from nowhere": (passed, lambda c: level(c, "static")["reused"].pop("run")),
    "red without a reason": (failed, lambda c: level(c, "build")["checks"][1].update(detail="")),
    "skipped without a reason": (failed, lambda c: level(c, "run")["checks"][0].update(detail="")),
    "red across rows in a green run": (
        passed,
        lambda c: c["across_rows"]["checks"].append(
            {"name": "x", "status": "failed", "seconds": 0, "detail": "x", "log": None}
        ),
    ),
    "an outcome of another name": (passed, lambda c: c["rows"][0].update(status="green")),
    "a level of another name": (passed, lambda c: c.update(level="deep")),
    "an engine of another name": (passed, lambda c: c["engine"].update(name="cloud")),
    "time that runs backwards": (passed, lambda c: c.update(seconds=-1)),
    "a moment in words": (passed, lambda c: c.update(started="yesterday")),
    "a log outside the report": (failed, lambda c: level(c, "build")["checks"][1].update(log="logs/../../x")),
    "a log of the machine": (failed, lambda c: level(c, "build")["checks"][1].update(log="/etc/passwd")),
    "a figure in words": (failed, lambda c: level(c, "build")["figures"][0].update(value="big")),
    "an image from elsewhere": (passed, lambda c: c["bases"][0].update(origin="mirror")),
    "a row without answers": (passed, lambda c: c["rows"][0].pop("answers")),
    "an id without digits": (passed, lambda c: c["rows"][0].update(id="http-api")),
    "a row without levels": (passed, lambda c: c["rows"][0].update(levels=[])),
    "a member that nobody knows": (passed, lambda c: level(c, "static").update(extra=1)),
    "another format": (passed, lambda c: c.update(format=2)),
}


@pytest.mark.parametrize("name", UNTRUE)
def test_a_report_that_could_not_be_true_is_refused(name: str) -> None:
    made, change = UNTRUE[name]
    content = made()
    before = deepcopy(content)
    change(content)
    assert content != before
    with pytest.raises(jsonschema.ValidationError):
        validate(content)


def members(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {name for part in schema for name in members(part)}
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})) | {name for part in schema.values() for name in members(part)}


def test_each_member_is_documented() -> None:
    schema = json.loads(SCHEMA.read_text())
    document = (ROOT / "docs/verification.md").read_text(encoding="utf-8")
    assert schema["$id"] in document
    assert members(schema) - set(re.findall(r"`(\w+)`", document)) == set()
