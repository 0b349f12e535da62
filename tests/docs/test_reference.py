"""What docs/reference says of emitted files is so: every place that it names is emitted with some answers."""

from __future__ import annotations

import re
from functools import cache

import pytest
from bedplate.questionnaire import Questionnaire
from bedplate.verify.rows import rows_of, settled
from shell import ROOT

# Of each template the number of concerns, and the name that the projects of its reference have.
REFERENCES = {
    "go-service": (106, "telemetry"),
    "rust-service": (105, "gateway"),
    "rust-embedded": (67, "sensor-node"),
}
MARKS = ("✔", "◇", "no", "not yet")
RECORD = {"answers_file": ".copier-answers.yml"}
# Code spans of the last column that name a file: with a directory, a suffix, or a name that is known without.
FILE = re.compile(r"`((?:[\w.-]+/)*(?:[\w-]*\.[\w.-]+|Makefile|Dockerfile|CODEOWNERS))`")


def table(template: str) -> list[list[str]]:
    """The rows of all tables of a reference: number, concern, mark, place."""
    text = (ROOT / f"docs/reference/{template}.md").read_text(encoding="utf-8")
    return [line.strip("|").split("|") for line in text.splitlines() if re.match(r"\| \d", line)]


ROWS = [(template, row) for template in REFERENCES for row in table(template)]


@cache
def emitted(template: str) -> set[str]:
    """The paths of all files of a template, by its rows with one answer changed at a time."""
    questionnaire = Questionnaire.load(ROOT)
    root = ROOT / "templates" / template
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    templates = [questionnaire.template(name.removesuffix(".jinja")) for name in names]
    domains = questionnaire.evaluate({}).values["domains"]
    ours = [name for name, entry in domains.items() if entry["template"] == template]
    named = {"project_name": REFERENCES[template][1], "_copier_conf": RECORD}
    values = [
        {**settled(questionnaire, row), **named}
        for domain in ours
        for row in rows_of(questionnaire, "each", domain)
    ]
    paths = {path.render(given) for path in templates for given in values}
    return {path for path in paths if all(path.split("/"))}


@pytest.mark.parametrize("template", REFERENCES)
def test_every_concern_has_its_row_once(template: str) -> None:
    numbers = [int(number) for number, *_ in table(template)]
    assert sorted(numbers) == list(range(1, REFERENCES[template][0] + 1))


@pytest.mark.parametrize("template", REFERENCES)
def test_every_row_is_marked(template: str) -> None:
    assert [mark for _, _, mark, _ in table(template) if not mark.strip().startswith(MARKS)] == []


@pytest.mark.parametrize(
    ("template", "row"), ROWS, ids=lambda part: part if isinstance(part, str) else part[0]
)
def test_the_files_of_a_row_are_emitted(template: str, row: list[str]) -> None:
    named = set(FILE.findall(row[3]))
    assert named <= emitted(template)
    assert named or not row[2].strip().startswith(("✔", "◇")) or "not emitted" in row[3]
