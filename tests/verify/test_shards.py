"""Shards: every row in exactly one, reports joined to what one run would have told, and what does not fit."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bedplate.errors import BadInput
from bedplate.verify.bases import Base
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.levels import Level
from bedplate.verify.report import Report, record, write
from bedplate.verify.report_reader import read
from bedplate.verify.rows import Row
from bedplate.verify.shards import Selection, Shard, merge
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from test_report import GREEN, PASSED, SKIPPED, red, report, result, row, validate
from test_report_schema import reused
from verify_user import User

IDS = tuple(result.id for result in GREEN.rows)


@given(items=st.lists(st.integers(), unique=True, max_size=60), of=st.integers(1, 70))
def test_every_row_is_in_exactly_one_shard_and_shards_are_even(items: list[int], of: int) -> None:
    parts = [Shard(number, of).part(items) for number in range(1, of + 1)]
    assert sorted(item for part in parts for item in part) == sorted(items)
    sizes = {len(part) for part in parts}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["1/1", "1/3", "3/3", "12/40"])
def test_reads_a_shard_as_it_is_written(text: str) -> None:
    assert str(Shard.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["0/3", "4/3", "a/b", "1", "1/", "/3", "-1/3", "1/0", "1/3/5", " 1/3", "1.0/3", ""]
)
def test_refuses_what_is_no_part_of_a_whole(text: str) -> None:
    with pytest.raises(BadInput, match=r"write it as I/N with I from 1 to N"):
        Shard.parse(text)


def shard(number: int, of: int = 2, whole: Report = GREEN, **changes: Any) -> Report:
    """The report of one shard of a run, as the verifier makes it."""
    part = Shard(number, of)
    selection = Selection("pairwise", tuple(result.id for result in whole.rows), part)
    return replace(
        whole, run=f"here.{number}", seconds=1.5, rows=part.part(whole.rows), selection=selection, **changes
    )


@pytest.mark.parametrize("name", ["green", "red", "empty", "reused"])
def test_a_report_that_was_written_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    log = tmp_path / "logs/http-api-0000/make-image.log"
    log.parent.mkdir(parents=True)
    log.write_text("all of it\n")
    reports = {
        "green": shard(1),
        "red": replace(red(log), selection=None, across=Findings((SKIPPED,), (), ("a note",))),
        "empty": report(),
        "reused": report(row("http-api", result(Level.RENDER, PASSED), reused(Level.STATIC))),
    }
    write(reports[name], tmp_path)
    assert read(tmp_path) == reports[name]


def test_merged_reports_tell_what_one_run_would_have(tmp_path: Path) -> None:
    other = Base("rust:1.96", "registry", "rust:1.96", "sha256:2")
    merged = merge({"a": shard(2, bases=(other,), engine_detail="Docker 27"), "b": shard(1)})
    assert merged.rows == GREEN.rows
    assert (merged.passed, merged.unproved) == (GREEN.passed, GREEN.unproved)
    assert merged.selection == Selection("pairwise", IDS)
    assert (merged.run, merged.seconds) == ("here.2, here.1", 3.0)
    assert merged.bases == (other, *GREEN.bases)
    assert merged.engine_detail == "Docker 27; Docker 26, amd64"
    validate(record(merged))


def test_what_failed_anywhere_failed(tmp_path: Path) -> None:
    whole = replace(GREEN, rows=(*GREEN.rows[:2], red(tmp_path / "log").rows[0]))
    assert not merge({"a": shard(1, whole=whole), "b": shard(2, whole=whole)}).passed
    unused = Findings((Check("no unused template file", Status.FAILED, "templates/x"),))
    assert merge({"a": shard(1), "b": shard(2, across=unused)}).across == unused
    assert merge({"a": shard(1), "b": shard(2, engine_stopped=True)}).engine_stopped


def without_a_row(whole: Report) -> Report:
    return replace(whole, rows=whole.rows[:-1])


UNFIT: dict[str, tuple[list[Report], list[str]]] = {
    "missing": ([shard(1, 3), shard(3, 3)], ["shard 2/3 is missing: its report belongs to the others"]),
    "several missing": ([shard(2, 3)], ["shard 1/3 is missing", "shard 3/3 is missing"]),
    "twice": ([shard(1), shard(2), shard(1)], ["r2: shard 1/2, as r0 is"]),
    "commit": ([shard(1), shard(2, commit="e" * 40)], [f"r1: commit {'e' * 40}, but {'f' * 40} in r0"]),
    "changes": (
        [shard(1), shard(2, modified=True)],
        [f"r1: commit {'f' * 40} with changes, but {'f' * 40} in r0"],
    ),
    "level": ([shard(1), shard(2, upto=Level.BUILD)], ["r1: level build, but run in r0"]),
    "engine": ([shard(1), shard(2, engine="host")], ["r1: engine host, but container in r0"]),
    "of": ([shard(1), shard(2, 3)], ["r1: number of shards 3, but 2 in r0"]),
    "no shard": ([shard(1), GREEN], ["r1: not the report of a shard: it was made without --shard"]),
    "interrupted": ([shard(1), shard(2, interrupted=True)], ["r1: was interrupted; run --shard 2/2 again"]),
    "kind": (
        [shard(1), replace(shard(2), selection=Selection("triples", IDS, Shard(2, 2)))],
        ["r1: rows triples, but pairwise in r0"],
    ),
    "other rows": (
        [shard(1), replace(shard(2), selection=Selection("pairwise", IDS[:2], Shard(2, 2)))],
        ["r1: about other rows than r0: another DOMAIN, --rows or --row"],
    ),
    "row lost": ([without_a_row(shard(1)), shard(2)], [f"r0: not all of shard 1/2, or more: {IDS[2]}"]),
    "row of another": (
        [replace(shard(1), rows=GREEN.rows), shard(2)],
        [f"r0: not all of shard 1/2, or more: {IDS[1]}"],
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_reports_that_do_not_make_a_whole_are_refused(name: str) -> None:
    reports, told = UNFIT[name]
    with pytest.raises(BadInput) as raised:
        merge({f"r{number}": report for number, report in enumerate(reports)})
    assert len(raised.value.messages) == len(told)
    for message, expected in zip(raised.value.messages, told, strict=True):
        assert message.startswith(expected)


Damage = Callable[[Path], object]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "no file": (Path.unlink, "report.json: No such file or directory"),
    "no JSON": (lambda file: file.write_text("{"), "report.json: not a report of `bedplate verify`"),
    "no report": (lambda file: file.write_text("[]"), "report.json: not a report of `bedplate verify`"),
    "another version": (
        lambda file: file.write_text(file.read_text().replace('"bedplate": "', '"bedplate": "9')),
        "report.json: written by bedplate 9",
    ),
    "no level": (
        lambda file: file.write_text(file.read_text().replace('"level": "build"', '"level": "deep"')),
        "report.json: not a report of `bedplate verify`",
    ),
    "a log elsewhere": (
        lambda file: file.write_text(file.read_text().replace('"log": null', '"log": "../secret"', 1)),
        "report.json: not a report of `bedplate verify`",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_no_report_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    write(shard(1), tmp_path)
    damage, told = DAMAGES[name]
    damage(tmp_path / "report.json")
    with pytest.raises(BadInput) as raised:
        read(tmp_path)
    (message,) = raised.value.messages
    assert told in message


def test_two_shards_give_the_report_of_one_run(user: User, tmp_path: Path) -> None:
    arguments = ("sensor-node", "--rows", "each", "--level", "render", "--engine", "host", "--jobs", "2")
    shares = []
    for part in ("1/2", "2/2"):
        directory = tmp_path / part.partition("/")[0]
        finished = user.verify(*arguments, "--shard", part, "--report", directory)
        assert finished.returncode == 0, finished.stderr
        shares += re.findall(rf"shard {part}: (\d+) of (\d+) rows", finished.stdout)
    (first, count), (second, same) = ((int(part), int(all_of_them)) for part, all_of_them in shares)
    assert count == same == first + second
    assert first - second in {0, 1}
    whole = tmp_path / "whole"
    merged = user.verify("--merge", tmp_path / "1", tmp_path / "2", "--report", whole)
    assert merged.returncode == 0, merged.stderr
    content = json.loads((whole / "report.json").read_text())
    validate(content)
    assert [row["id"] for row in content["rows"]] == content["selection"]["ids"]
    assert len(set(content["selection"]["ids"])) == count
    assert content["selection"]["rows"] == "each"
    suites = [suite.name for suite in JUnitXml.fromfile(str(whole / "junit.xml"))]
    assert suites == [*content["selection"]["ids"], "across rows"]
    assert content["rows"][0]["id"] in (whole / "report.html").read_text()
    missing = user.verify("--merge", tmp_path / "2", "--report", tmp_path / "none")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == "bedplate: shard 1/2 is missing: its report belongs to the others\n"
    assert not (tmp_path / "none").exists()


def test_a_merged_failure_keeps_its_log_and_exit_code(user: User, tmp_path: Path) -> None:
    for number in (1, 2):
        directory = (tmp_path / str(number)).absolute()
        log = directory / "logs/http-api-2148/make-image.log"
        log.parent.mkdir(parents=True)
        log.write_text("why it failed\n")
        broken = red(log).rows[0]
        whole = replace(GREEN, rows=(broken, *GREEN.rows[1:]))
        write(shard(number, whole=whole), directory)
    shutil.rmtree(tmp_path / "2/logs")
    finished = user.verify("--merge", tmp_path / "2", tmp_path / "1", "--report", tmp_path / "whole")
    assert finished.returncode == 1
    assert f"{broken.id}: level build: make image" in finished.stdout
    checks = json.loads((tmp_path / "whole/report.json").read_text())["rows"][0]["levels"][2]["checks"]
    (named,) = [check["log"] for check in checks if check["log"]]
    assert (tmp_path / "whole" / named).read_text() == "why it failed\n"


def test_a_level_that_no_shard_could_try_is_not_called_proved(user: User, tmp_path: Path) -> None:
    tried = [result(level, PASSED) for level in (Level.RENDER, Level.STATIC, Level.BUILD)]
    whole = report(row("http-api", *tried, result(Level.RUN, SKIPPED)))
    write(shard(1, 1, whole=whole), tmp_path / "one")
    finished = user.verify("--merge", tmp_path / "one")
    assert finished.returncode == 3
    assert f"{Row('http-api').id}: level run: {SKIPPED.detail}" in finished.stderr
