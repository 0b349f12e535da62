"""report.html, read by another parser: it says what report.json says, and needs nothing outside itself."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bedplate.verify.findings import Check, Figure, Findings, Status
from bedplate.verify.levels import Level, LevelResult, Proof
from bedplate.verify.report import Report, write
from bedplate.verify.report_page import LOG_BYTES, page
from bedplate.verify.rows import Row
from html_reader import Element, read
from test_report import GREEN, PASSED, red, report, result, row

HOSTILE = """</td></details><script>alert(1)</script><img src=x onerror=alert(1)> " ' & {{ 7 * 7 }}"""


@dataclass(frozen=True)
class Written:
    """A report that was written: its page, and the content of its report.json."""

    page: Element
    content: dict[str, Any]

    def section(self, head: str) -> Element:
        """The section under a heading."""
        sections = self.page.all("section")
        return next(each for each in sections if each.all("h2") and each.all("h2")[0].text == head)


def written(case: Report, directory: Path) -> Written:
    write(case, directory)
    content = json.loads((directory / "report.json").read_text())
    return Written(read((directory / "report.html").read_text(encoding="utf-8")), content)


def failing(directory: Path, log: str = "first line\n\x1b[31mlast\x1b[0m line\n") -> Report:
    file = directory / "logs/http-api-2148/make-image.log"
    file.parent.mkdir(parents=True)
    file.write_text(log)
    noted = replace(
        row("sensor-node", LevelResult(Level.RENDER, Findings((PASSED,), notes=("so so",)), 123.4)),
        row=Row("sensor-node", {"licence": "MIT"}),
    )
    across = Findings((Check("no unused template file", Status.FAILED, "templates/x"),))
    return replace(report(*red(file).rows, *GREEN.rows[1:], noted), across=across)


@pytest.fixture
def failed(tmp_path: Path) -> Written:
    return written(failing(tmp_path), tmp_path)


def test_the_matrix_has_each_row_with_the_outcome_and_time_of_each_level(failed: Written) -> None:
    lines = failed.section("Rows by level").lines()
    named = [cells[0].replace("\u200b", "") for cells in lines]
    assert named == [row["id"] for row in failed.content["rows"]]
    for cells, told in zip(lines, failed.content["rows"], strict=True):
        words = [level["status"] for level in told["levels"]]
        shown = [word if word == "skipped" else f"{word} 2 min 3 s" for word in words]
        assert cells[1:] == shown
    cells = failed.section("Rows by level").all("td")
    assert all(cell.text.split()[0] in cell.attributes["class"].split() for cell in cells)


def test_what_was_reused_looks_different_from_what_ran(tmp_path: Path) -> None:
    proof = Proof("here.4567cdef", datetime(2026, 11, 23, 9, tzinfo=UTC))
    levels = (result(Level.RENDER, PASSED), replace(result(Level.STATIC, PASSED), seconds=0.0, proof=proof))
    case = written(report(row("http-api", *levels)), tmp_path)
    ran, reused = case.section("Rows by level").all("td")
    assert (ran.attributes["class"], reused.attributes["class"]) == ("passed", "reused")
    assert reused.text == "passed reused from 2026-11-23 09:00:00+00:00"
    assert "here.4567cdef" in case.section("Each row").text


def test_each_figure_stands_beside_its_budget(failed: Written) -> None:
    shown = failed.section("Figures").text
    tables = {head.text: table for head, table in paired(failed.section("Figures"))}
    told = [(row["id"], f) for row in failed.content["rows"] for lv in row["levels"] for f in lv["figures"]]
    assert len(told) == sum(len(table.lines()) for table in tables.values()) > 4
    for name, figure in told:
        measured = [
            name,
            f"{figure['value']:g} {figure['unit']}",
            f"{figure['budget']:g} {figure['unit']}" + (" failed" if not figure["within"] else ""),
        ]
        assert measured in tables[figure["name"]].lines()
    assert shown.count("failed") == 1


def paired(section: Element) -> list[tuple[Element, Element]]:
    return list(zip(section.all("h3"), section.all("table"), strict=True))


def test_a_figure_of_a_million_is_written_out(tmp_path: Path) -> None:
    level = result(Level.RUN, PASSED, figures=(Figure("requests", 1234567, "requests"),))
    shown = written(report(row("http-api", level)), tmp_path).section("Figures").lines()
    assert shown[0][1:] == ["1234567 requests", "none"]


def test_each_failure_is_told_with_its_log_and_the_commands_to_see_it_again(failed: Written) -> None:
    across, api = failed.section("Failures").all("article")
    assert [head.text for head in api.all("h4")] == ["build: make image", "build: image size"]
    assert [block.text for block in api.all("pre")] == [
        "exit code 2\n<error> &  more",
        "first line\nlast line\n",
        "19.25 MB, budget 18 MB",
    ]
    assert "logs/http-api-2148/make-image.log" in api.all("summary")[0].text
    told = failed.content["rows"][0]
    assert [code.text for code in api.all("code")] == [told["reproduce"], told["emit"]]
    assert "no unused template file" in across.text
    assert "templates/x" in across.text


def test_nothing_is_told_of_failures_where_there_are_none(tmp_path: Path) -> None:
    heads = {head.text for head in written(GREEN, tmp_path).page.all("h2")}
    assert {"Failures", "Skipped", "Notes"} & heads == set()


def test_skips_notes_and_base_images_are_told(failed: Written) -> None:
    skipped = failed.section("Skipped").text
    for told in failed.content["rows"]:
        for level in told["levels"]:
            for check in level["checks"]:
                if check["status"] == "skipped":
                    assert f"{check['name']}: {check['detail']}" in skipped
                    assert f"{told['id']} {level['level']}" in skipped
    assert "so so" in failed.section("Notes").text
    base = failed.content["bases"][0]
    assert failed.section("Base images").lines() == [
        [base["image"], base["origin"], f"{base['reference']}{base['id']}"]
    ]


def test_each_row_has_its_checks_answers_and_commands(failed: Written) -> None:
    rows = failed.section("Each row").all("details")
    for shown, told in zip(rows, failed.content["rows"], strict=True):
        assert [code.text for code in shown.all("code")][-2:] == [told["reproduce"], told["emit"]]
        assert f"domain={told['domain']}" in shown.text
        for table, level in zip(shown.all("table"), told["levels"], strict=True):
            outcomes = [cells[1] for cells in table.lines()]
            assert outcomes == [check["status"] for check in level["checks"]]
            names = [cells[0] for cells in table.lines()]
            assert all(n.startswith(c["name"]) for n, c in zip(names, level["checks"], strict=True))


def test_the_head_says_what_ran_on_what(failed: Written) -> None:
    head, content = failed.page.all("header")[0].text, failed.content
    for fact in (content["run"], content["engine"]["detail"], content["template"]["commit"], "5 min 21 s"):
        assert fact in head
    assert "failed" in failed.page.all("h1")[0].text


def hostile(value: Any, key: str = "") -> Any:
    """The same content with hostile text wherever text is free."""
    if isinstance(value, dict):
        return {name: hostile(inside, name) for name, inside in value.items()}
    if isinstance(value, list):
        return [hostile(inside, key) for inside in value]
    fixed = {"status", "level", "log", "origin"}
    return f"{value}{HOSTILE}" if isinstance(value, str) and key not in fixed else value


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    log = f"{HOSTILE}\x00\x07\x9b\n"
    case = written(failing(tmp_path, log), tmp_path)
    calm = [element.name for element in case.page.all()]
    shown = read(page(hostile(case.content), tmp_path))
    assert [element.name for element in shown.all()] == calm
    assert not [name for each in shown.all() for name in each.attributes if name.startswith("on")]
    assert f"{HOSTILE}\n" in [block.text for block in shown.all("pre")]
    assert shown.text.count(HOSTILE) > 50
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown.text)


def test_the_page_refers_to_nothing_outside_itself(failed: Written) -> None:
    elements = failed.page.all()
    ids = [each.attributes["id"] for each in elements if "id" in each.attributes]
    assert len(set(ids)) == len(ids)
    links = [each.attributes["href"] for each in elements if "href" in each.attributes]
    assert links
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    names = {each.name for each in elements}
    assert names & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "svg"} == set()
    assert not [each for each in elements if {"src", "srcset", "action", "background"} & set(each.attributes)]
    style = "".join(each.text for each in failed.page.all("style"))
    assert not re.search(r"url\(|@import|image-set\(|src:", style)
    policies = [each.attributes.get("http-equiv") for each in failed.page.all("meta")]
    assert "Content-Security-Policy" in policies


def test_the_end_of_a_long_log_is_shown_with_what_was_left_out(tmp_path: Path) -> None:
    case = written(failing(tmp_path, "x" * LOG_BYTES + "the end\n"), tmp_path)
    details = case.section("Failures").all("details")[0]
    assert details.all("pre")[0].text == "x" * (LOG_BYTES - 8) + "the end\n"
    assert "8 bytes" in details.all("p")[0].text


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "logs/gone.log", "."])
def test_a_log_that_is_not_in_the_report_is_left_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("not told\n")
    directory = tmp_path / "report"
    content = written(failing(directory), directory).content
    content["rows"][0]["levels"][2]["checks"][1]["log"] = name
    failures = Written(read(page(content, directory)), content).section("Failures")
    assert not failures.all("details")
    assert "exit code 2" in failures.text


def test_assistive_technology_finds_heads_and_headings(failed: Written) -> None:
    assert failed.page.all("html")[0].attributes["lang"] == "en"
    assert failed.page.all("title")[0].text
    assert all(cell.attributes.get("scope") in {"row", "col"} for cell in failed.page.all("th"))
    ranks = [int(head.name[1]) for head in failed.page.all("h1", "h2", "h3", "h4")]
    assert ranks.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(ranks))


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2, of `#rrggbb`."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_in_the_light_and_in_the_dark(failed: Written) -> None:
    """WCAG 2.2, success criterion 1.4.3: at least 4.5 to 1."""
    style = failed.page.all("style")[0].text
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", part))
        for part in re.findall(r":root \{(.*?)\}", style, re.S)
    )
    assert set(light) == set(dark)
    for colours in (light, dark):
        pairs = [(colours[name[3:]], colours[name]) for name in colours if name.startswith("on-")]
        pairs += [(colours[name], colours["page"]) for name in ("text", "quiet", "link")]
        pairs += [(colours["text"], colours["raised"])]
        for pair in pairs:
            darker, lighter = sorted(map(luminance, pair))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, pair
