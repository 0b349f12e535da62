"""A template that is broken: its row is red at level render, and says in which file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bedplate.questionnaire import Questionnaire
from bedplate.verify.rows import Row, select, settled
from bedplate.verify.snapshot import Snapshot
from verify_user import User

SERVICE = "templates/go-service"


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("Makefile.jinja", "{{ nonsense }}\n", "Makefile.jinja:{line}: 'nonsense' is undefined"),
        ("Makefile.jinja", "{% if %}\n", "Makefile.jinja:{line}: Expected an expression"),
        (
            "Makefile.jinja",
            "{% include 'contract/none.json' %}\n",
            "Makefile.jinja:{line}: 'contract/none.json'",
        ),
    ],
)
def test_a_file_that_does_not_render_is_named_with_the_line(
    checkout: User, file: str, text: str, told: str
) -> None:
    broken = checkout.cli.directory / SERVICE / file
    append(broken, text)
    finished = checkout.verify("http-api", "--level", "static")
    assert finished.returncode == 1, finished.stderr
    assert told.format(line=len(broken.read_text().splitlines())) in finished.stdout
    assert "Traceback" not in finished.stdout + finished.stderr
    assert f"{Row('http-api').id}  static  skipped" in finished.stdout


def test_a_path_that_does_not_render_and_a_template_that_is_gone_are_told(checkout: User) -> None:
    (checkout.cli.directory / SERVICE / "{{ nonsense }}.txt").write_text("a\n")
    shutil.rmtree(checkout.cli.directory / "templates/rust-embedded")
    finished = checkout.verify("--level", "render", "--keep-going")
    assert finished.returncode == 1, finished.stderr
    assert "{{ nonsense }}.txt: 'nonsense' is undefined" in finished.stdout
    assert "templates/rust-embedded" in finished.stdout
    assert "Traceback" not in finished.stdout + finished.stderr


def test_a_questionnaire_that_is_no_yaml_is_told_with_its_path(checkout: User) -> None:
    append(checkout.cli.directory / "questions/project.yml", "x: [\n")
    finished = checkout.verify("--level", "render")
    assert finished.returncode == 2
    assert f"{checkout.cli.directory / 'copier.yml'}: not a questionnaire" in finished.stderr


def test_what_differs_each_time_and_what_breaks_an_invariant_are_red(checkout: User) -> None:
    append(checkout.cli.directory / SERVICE / "SECURITY.md.jinja", "{{ range(99999) | random }}  \n")
    finished = checkout.verify("http-api", "--level", "render")
    assert finished.returncode == 1, finished.stderr
    told = finished.stdout
    for invariant in ("spacing", "same answers, same bytes", "an update to the same template is empty"):
        assert f"level render: {invariant}" in told
    assert "no template residue" not in told


def test_a_template_file_that_no_row_emits_is_told(tmp_path: Path, template_tree: Path) -> None:
    origin = tmp_path / "origin"
    shutil.copytree(template_tree, origin)
    (origin / SERVICE / "{% if domain == 'none' %}extra.txt{% endif %}").write_text("a\n")
    snapshot = Snapshot.take(origin, tmp_path)
    questionnaire = Questionnaire.load(origin)
    rows = [settled(questionnaire, row) for row in select(questionnaire, "pairwise")]
    assert list(snapshot.unused(rows)) == [f"{SERVICE}/{{% if domain == 'none' %}}extra.txt{{% endif %}}"]
