"""The default rows, emitted, built, run and booted once: what the report of that has to show."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from domains import DOMAINS
from junitparser import JUnitXml
from shell import Cli
from test_report import validate
from verify_user import Engine, User

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]

LEVELS = ["render", "static", "build", "run"]
BUDGETS = [
    ("http-api", "image size", 26, "MB"),
    ("http-api", "start to ready", 50, "ms"),
    ("http-api", "drain failures", 0, "requests"),
    ("rpc-api", "image size", 26, "MB"),
    ("rpc-api", "start to ready", 50, "ms"),
    ("rpc-api", "drain failures", 0, "requests"),
    ("event-worker", "image size", 18, "MB"),
    ("event-worker", "start to ready", 50, "ms"),
    ("event-worker", "drain failures", 0, "messages"),
    ("metrics-exporter", "image size", 26, "MB"),
    ("metrics-exporter", "start to ready", 50, "ms"),
    ("metrics-exporter", "drain failures", 0, "requests"),
    ("metrics-exporter", "CPU of a scrape of 10000 devices", 250, "ms"),
    ("metrics-exporter", "memory at scrapes of 10000 devices", 60, "MiB"),
    ("http-gateway", "image size", 30, "MB"),
    ("http-gateway", "drain failures", 0, "requests"),
    ("tcp-proxy", "image size", 30, "MB"),
    ("tcp-proxy", "drain failures", 0, "connections"),
    ("stream-ingest", "image size", 30, "MB"),
    ("stream-ingest", "drain failures", 0, "readings"),
    ("stream-ingest", "memory of an idle connection", 12, "KiB"),
    ("stream-ingest", "memory while the API stands still", 64, "MiB"),
    ("sensor-node", "flash", 3584, "B"),
]

PRINTED = {"image size", "start to ready", "drain failures", "flash"}


@dataclass(frozen=True)
class Evidence:
    """What the command printed, and the report that it wrote."""

    code: int
    printed: str
    directory: Path
    content: dict[str, Any]
    left: set[str]

    def row(self, domain: str) -> dict[str, Any]:
        """What the report says of the default row of a domain."""
        return next(row for row in self.content["rows"] if row["domain"] == domain)

    def lines(self, domain: str) -> list[str]:
        """The lines of the tables about that row."""
        tables = self.printed.partition("\nrow ")[2]
        return [line for line in tables.splitlines() if line.startswith(f"{self.row(domain)['id']} ")]


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory, user_environment: dict[str, str]) -> Evidence:
    """One run of all rows through all levels."""
    place = tmp_path_factory.mktemp("default-rows")
    for name in ("work", "temporary"):
        (place / name).mkdir()
    user = User(Cli(place / "work", user_environment), place / "temporary")
    report = place / "report"
    finished = user.verify(
        "--level", "run", "--jobs", "2", "--keep-going", "--engine", "container", "--report", report
    )
    assert (report / "report.json").is_file(), finished.stderr
    content = json.loads((report / "report.json").read_text())
    return Evidence(finished.returncode, finished.stdout, report, content, user.directories())


def failures(row: dict[str, Any]) -> list[str]:
    return [
        f"{level['level']}: {check['name']}: {check['detail']}"
        for level in row["levels"]
        for check in level["checks"]
        if check["status"] == "failed"
    ]


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_default_row_is_green_on_every_level(evidence: Evidence, domain: str) -> None:
    row = evidence.row(domain)
    assert failures(row) == []
    assert [(level["level"], level["status"]) for level in row["levels"]] == [(n, "passed") for n in LEVELS]


@pytest.mark.parametrize(("domain", "name", "budget", "unit"), BUDGETS)
def test_a_figure_keeps_to_its_budget_and_is_printed(
    evidence: Evidence, domain: str, name: str, budget: float, unit: str
) -> None:
    figures = [figure for level in evidence.row(domain)["levels"] for figure in level["figures"]]
    figure = next(figure for figure in figures if figure["name"] == name)
    assert figure["unit"] == unit
    assert figure["value"] <= budget
    assert figure["budget"] is not None
    assert figure["budget"] <= budget


@pytest.mark.parametrize(
    ("domain", "name"), [(domain, name) for domain, name, *_ in BUDGETS if name in PRINTED]
)
def test_a_figure_that_everybody_asks_for_is_printed(evidence: Evidence, domain: str, name: str) -> None:
    figures = [figure for level in evidence.row(domain)["levels"] for figure in level["figures"]]
    value = next(figure["value"] for figure in figures if figure["name"] == name)
    assert name in evidence.printed
    assert f"{value:g}" in evidence.lines(domain)[1]


def test_no_figure_is_over_its_budget(evidence: Evidence) -> None:
    over = [
        (row["id"], figure)
        for row in evidence.content["rows"]
        for level in row["levels"]
        for figure in level["figures"]
        if not figure["within"]
    ]
    assert over == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_table_shows_each_level_with_its_seconds(evidence: Evidence, domain: str) -> None:
    row = evidence.row(domain)
    shown = evidence.lines(domain)[0]
    seconds = [float(number) for number in re.findall(r"ok ([0-9.]+) s", shown)]
    # The report has three digits after the point, the table one: each rounds by itself.
    assert seconds == pytest.approx([level["seconds"] for level in row["levels"]], abs=0.0506)


def test_the_command_says_that_all_is_proved(evidence: Evidence) -> None:
    assert evidence.code == 0
    assert evidence.content["status"] == "passed"
    assert [check["status"] for check in evidence.content["across_rows"]["checks"]] == ["passed"]


def test_nothing_was_skipped_but_for_a_tool_that_is_missing(evidence: Evidence) -> None:
    skips = [
        check["detail"]
        for row in evidence.content["rows"]
        for level in row["levels"]
        for check in level["checks"]
        if check["status"] == "skipped"
    ]
    assert [reason for reason in skips if "not installed" not in reason] == []


def test_the_report_names_every_base_image_and_where_it_came_from(evidence: Evidence) -> None:
    bases = {base["image"].rsplit("/", 1)[-1].partition(":")[0]: base for base in evidence.content["bases"]}
    assert set(bases) == {"golang", "rust", "static-debian12", "cc-debian12"}
    assert all(base["origin"] in {"registry", "stand-in"} and base["id"] for base in bases.values())


def test_the_report_keeps_to_its_schema(evidence: Evidence) -> None:
    validate(evidence.content)


def test_junit_agrees_with_the_report(evidence: Evidence) -> None:
    suites = list(JUnitXml.fromfile(str(evidence.directory / "junit.xml")))
    assert [suite.name for suite in suites] == [
        *(row["id"] for row in evidence.content["rows"]),
        "across rows",
    ]
    assert [suite.failures for suite in suites] == [0] * len(suites)
    assert all(suite.tests > 0 for suite in suites)


def test_nothing_of_it_is_left(evidence: Evidence, engine: Engine) -> None:
    assert engine.labelled(evidence.content["run"]) == {}
    assert evidence.left == set()
