"""Rows: ids that stay, answers that are settled, and a command that emits the row anywhere."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

import pytest
import yaml
from bedplate.errors import BadInput
from bedplate.questionnaire import Questionnaire
from bedplate.verify.rows import Row, default_rows, select, settled
from shell import ROOT, Cli


@pytest.fixture(scope="module")
def questionnaire() -> Questionnaire:
    return Questionnaire.load(ROOT)


def test_each_domain_has_a_default_row(questionnaire: Questionnaire) -> None:
    catalogue = yaml.safe_load((ROOT / "questions/domains.yml").read_text())["domains"]["default"]
    assert [row.domain for row in default_rows(questionnaire)] == list(catalogue)
    assert all(not row.given for row in default_rows(questionnaire))


def test_an_id_is_the_domain_and_a_digest_of_what_is_given() -> None:
    digest = hashlib.sha256(b'{"domain":"http-api"}').hexdigest()
    assert Row("http-api").id == f"http-api:{digest[:4]}"


def test_an_id_depends_on_the_answers_and_not_on_their_order() -> None:
    first = Row("http-api", {"licence": "MIT", "owner": "Ada"})
    assert first.id == Row("http-api", {"owner": "Ada", "licence": "MIT"}).id
    assert first.id != Row("http-api", {"licence": "MIT"}).id != Row("http-api").id


def test_a_row_is_settled_with_computed_answers(questionnaire: Questionnaire) -> None:
    values = settled(questionnaire, Row("sensor-node", {"project_name": "pump-7"}))
    assert values["template"] == "rust-embedded"
    assert values["crate_name"] == "pump_7"


def test_answers_that_can_not_stand_are_told_with_the_row(questionnaire: Questionnaire) -> None:
    row = Row("http-api", {"project_name": "Not a name", "boards": "none"})
    with pytest.raises(BadInput) as raised:
        settled(questionnaire, row)
    assert all(message.startswith(f"{row.id}: ") for message in raised.value.messages)
    assert {message.split(": ")[1] for message in raised.value.messages} == {"project_name", "boards"}


def test_the_emit_command_of_a_row_emits_it(tmp_path: Path, template_repository: Cli) -> None:
    row = Row("http-api", {"description": "It's small & quick", "licence": "MIT"})
    command = row.copier_command(str(template_repository.directory))
    assert command.startswith("copier copy ")
    words = [str(tmp_path / "out") if word == "DEST" else word for word in shlex.split(command)]
    finished = template_repository.copier(*words[1:])
    assert finished.returncode == 0, finished.stderr
    recorded = yaml.safe_load((tmp_path / "out/.copier-answers.yml").read_text())
    assert {name: recorded[name] for name in row.data} == row.data


def test_selects_by_domain_and_by_id(questionnaire: Questionnaire) -> None:
    gateway = Row("http-gateway")
    assert select(questionnaire, "default", ["http-gateway"]) == (gateway,)
    assert select(questionnaire, "default", (), [gateway.id]) == (gateway,)
    assert select(questionnaire, "default", ["http-gateway", "http-api"], [gateway.id]) == (gateway,)
    assert select(questionnaire, "default") == default_rows(questionnaire)


def test_domains_that_are_not_meant_are_not_counted(questionnaire: Questionnaire) -> None:
    """One domain has more rows than a set may have; that is no reason to refuse all of another's."""
    rows = select(questionnaire, "all", ["http-gateway"])
    assert {row.domain for row in rows} == {"http-gateway"}
    assert all(row in rows for row in select(questionnaire, "each", ["http-gateway"]))
    last = rows[-1]
    assert select(questionnaire, "all", (), [last.id]) == (last,)


@pytest.mark.parametrize(
    ("kind", "domains", "ids", "message"),
    [
        ("default", ["http-apy"], [], "http-apy: no such domain; did you mean http-api?"),
        (
            "default",
            [],
            ["http-api:0000"],
            "--row http-api:0000: no such row in --rows default of http-api; there is: http-api:",
        ),
        (
            "default",
            ["http-api"],
            [Row("sensor-node").id],
            "in --rows default of http-api; there is: http-api:",
        ),
        ("all", ["http-gateway"], ["three"], "in --rows all of http-gateway; there is: http-gateway:"),
        ("all", [], [], "--rows all: http-api has more than 10000 rows; take --rows triples or pairwise"),
        ("most", [], [], "--rows most: no such set of rows; there is: default, each, pairwise, triples, all"),
    ],
)
def test_refuses_what_does_not_exist_and_says_what_does(
    questionnaire: Questionnaire, kind: str, domains: list[str], ids: list[str], message: str
) -> None:
    with pytest.raises(BadInput) as raised:
        select(questionnaire, kind, domains, ids)
    assert message in str(raised.value)


def test_names_every_mistake_at_once(questionnaire: Questionnaire) -> None:
    with pytest.raises(BadInput) as raised:
        select(questionnaire, "default", ["one", "two"], ["three"])
    assert len(raised.value.messages) == 3
