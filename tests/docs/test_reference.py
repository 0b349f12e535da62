"""What docs/reference says of emitted files is so: every place that it names is emitted with some answers."""

from __future__ import annotations

import re

import pytest
from bedplate.questionnaire import Questionnaire
from bedplate.verify.rows import rows_of, settled
from shell import ROOT

TEXT = (ROOT / "docs/reference/go-service.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in TEXT.splitlines() if re.match(r"\| \d", line)]
MARKS = ("✔", "◇", "no", "not yet")
TEMPLATE = "go-service"
RECORD = {"answers_file": ".copier-answers.yml"}
# Code spans of the last column that name a file: with a directory, a suffix, or a name that is known without.
FILE = re.compile(r"`((?:[\w.-]+/)*(?:[\w-]*\.[\w.-]+|Makefile|Dockerfile|CODEOWNERS))`")


@pytest.fixture(scope="module")
def emitted() -> set[str]:
    """The paths of all files of the template, by its rows with one answer changed at a time."""
    questionnaire = Questionnaire.load(ROOT)
    root = ROOT / "templates" / TEMPLATE
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    templates = [questionnaire.template(name.removesuffix(".jinja")) for name in names]
    domains = questionnaire.evaluate({}).values["domains"]
    ours = [name for name, entry in domains.items() if entry["template"] == TEMPLATE]
    values = [
        {**settled(questionnaire, row), "project_name": "telemetry", "_copier_conf": RECORD}
        for domain in ours
        for row in rows_of(questionnaire, "each", domain)
    ]
    paths = {template.render(given) for template in templates for given in values}
    return {path for path in paths if all(path.split("/"))}


def test_every_concern_has_its_row_once() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 107))


def test_every_row_is_marked() -> None:
    assert [mark for _, _, mark, _ in ROWS if not mark.strip().startswith(MARKS)] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_the_files_of_a_row_are_emitted(emitted: set[str], row: list[str]) -> None:
    named = set(FILE.findall(row[3]))
    assert named <= emitted
    assert named or not row[2].strip().startswith(("✔", "◇")) or "not emitted" in row[3]
