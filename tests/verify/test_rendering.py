"""Level render over several rows: what it asks of each, and of whom it asks more."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from bedplate.questionnaire import Questionnaire
from bedplate.verify import batch
from bedplate.verify.rendering import batches
from bedplate.verify.rows import Row, rows_of
from shell import ROOT, Cli
from verify_user import User

UPDATE = "an update to the same template is empty"
SAME = "same answers, same bytes"


@pytest.fixture(scope="module")
def rows() -> tuple[Row, ...]:
    return rows_of(Questionnaire.load(ROOT), "each", "http-gateway")[:3]


def test_every_row_is_emitted_twice_and_one_of_each_domain_is_updated(
    user: User, tmp_path: Path, rows: tuple[Row, ...]
) -> None:
    chosen = [option for row in rows for option in ("--row", row.id)]
    arguments = ("--rows", "each", *chosen, "--level", "render", "--report", tmp_path)
    finished = user.verify(*arguments, "--engine", "host")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    reported = json.loads((tmp_path / "report.json").read_text())["rows"]
    assert [row["id"] for row in reported] == [row.id for row in rows]
    checks = [[check["name"] for check in row["levels"][0]["checks"]] for row in reported]
    assert [names.count(SAME) for names in checks] == [1, 1, 1]
    assert [names.count(UPDATE) for names in checks] == [1, 0, 0]
    assert f"--row {rows[1].id} --level render --engine host --rows each" in reported[1]["reproduce"]


def test_a_row_that_differs_from_one_time_to_the_next_is_red(checkout: User) -> None:
    (checkout.cli.directory / "templates/go-service/notes.md.jinja").write_text(
        "{{ range(99999) | random }}\n"
    )
    finished = checkout.verify("http-api", "--level", "render", "--engine", "host")
    assert finished.returncode == 1, finished.stdout
    assert f"level render: {SAME}\n  | notes.md" in finished.stdout


def test_the_others_of_a_batch_are_emitted_where_one_can_not_be(
    tmp_path: Path, cli: Cli, template_tree: Path
) -> None:
    orders = []
    for name, answers in (
        ("one", "domain: http-api"),
        ("two", "domain: none"),
        ("three", "domain: sensor-node"),
    ):
        (tmp_path / f"{name}.yml").write_text(answers)
        orders.append(batch.Order(str(tmp_path / f"{name}.yml"), str(tmp_path / name), str(template_tree)))
    batch.write_orders(orders, tmp_path / "orders.json")
    finished = cli.run(
        sys.executable, "-m", "bedplate.verify.batch", tmp_path / "orders.json", tmp_path / "outcomes"
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    outcomes = batch.read_outcomes(tmp_path / "outcomes")
    assert [outcome.made for outcome in outcomes] == [True, False, True]
    assert "not one of http-api" in outcomes[1].told[0]
    assert [(tmp_path / name / "README.md").exists() for name in ("one", "two", "three")] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("jobs", [1, 2, 5, 100])
def test_batches_have_every_row_once_and_in_order(jobs: int) -> None:
    rows = [Row("http-api", {"owner": str(number)}) for number in range(37)]
    made = list(batches(rows, jobs))
    assert [row for batch in made for row in batch] == rows
    assert len(made) >= min(jobs, 8)
    assert list(batches([], jobs)) == []
