"""The template's own files: each rule here was once a trap in which a generator fell silently."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from shell import ROOT

TEMPLATES = sorted(path for path in (ROOT / "templates").iterdir() if not path.name.startswith("_"))
CARRIED = [ROOT / "questions", ROOT / "templates", ROOT / "locks", ROOT / "contract"]
FILES = sorted(
    path
    for directory in CARRIED
    for path in directory.rglob("*")
    if (path.is_file() or path.is_symlink()) and "__pycache__" not in path.parts
)
DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10)
}
LONGEST_PATH = 150


class Spine(yaml.SafeLoader):
    """Reads copier.yml with its includes left as the names of files."""


Spine.add_constructor("!include", lambda loader, node: ["!include", loader.construct_scalar(node)])


@pytest.fixture(scope="module")
def spine() -> list[Any]:
    return list(yaml.load_all((ROOT / "copier.yml").read_text(), Loader=Spine))


@pytest.fixture(scope="module")
def settings(spine: list[Any]) -> dict[str, Any]:
    return spine[0]


@pytest.fixture(scope="module")
def questions(spine: list[Any]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    for document in spine[1:]:
        asked |= yaml.safe_load((ROOT / document[1]).read_text()) or {}
    return asked


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_nothing_in_the_template_needs_trust(spine: list[Any], questions: dict[str, Any]) -> None:
    keys = {key for document in spine if isinstance(document, dict) for key in document} | set(questions)
    assert keys.isdisjoint({"_tasks", "_jinja_extensions", "_migrations"})


def test_the_spine_includes_each_question_file_by_name(spine: list[Any]) -> None:
    included = [document[1] for document in spine[1:]]
    assert all(document[0] == "!include" for document in spine[1:])
    # What advice goes by is no question, and nothing that a template could use.
    files = {*(ROOT / "questions").glob("*.yml"), ROOT / "locks/index.yml"} - {ROOT / "questions/advice.yml"}
    assert sorted(included) == sorted(shown(path) for path in files)
    assert not any(set(name) & set("*?[") for name in included)


def test_the_domain_comes_first_and_has_no_default(questions: dict[str, Any]) -> None:
    asked = [name for name, entry in questions.items() if entry.get("when") is not False]
    assert asked[0] == "domain"
    assert "default" not in questions["domain"]


def test_template_and_archetype_are_computed(settings: dict[str, Any], questions: dict[str, Any]) -> None:
    assert questions["template"]["when"] is False
    assert questions["archetype"]["when"] is False
    assert settings["_subdirectory"] == "templates/{{ template }}"


def test_every_domain_has_its_template(questions: dict[str, Any]) -> None:
    used = {entry["template"] for entry in questions["domains"]["default"].values()}
    assert used == {path.name for path in TEMPLATES}


def test_undefined_names_are_errors_and_newlines_stay(settings: dict[str, Any]) -> None:
    assert settings["_envops"] == {"undefined": "jinja2.StrictUndefined", "keep_trailing_newline": True}


def test_what_is_left_out_is_named(settings: dict[str, Any]) -> None:
    assert {"copier.yml", "__pycache__", "*.pyc", ".DS_Store", ".git"} <= set(settings["_exclude"])


def test_the_floor_of_copier_is_the_same_everywhere(settings: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert settings["_min_copier_version"] == "9.19.1"
    assert "copier>=9.19.1,<10" in project["dependencies"]


def test_no_template_file_at_the_root_of_the_repository() -> None:
    """Copier 9.19 takes `X.jinja` at the root for the twin of every `templates/*/X`, and drops those."""
    assert list(ROOT.glob("*.jinja")) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_each_template_records_its_answers_through_the_shared_fragment(template: Path) -> None:
    content = (template / "{{ _copier_conf.answers_file }}.jinja").read_text()
    assert content == "{% include 'templates/_partials/answers.yml' %}"


def test_nothing_is_a_symbolic_link() -> None:
    assert [shown(path) for path in FILES if path.is_symlink()] == []


@pytest.mark.parametrize("path", [path for path in FILES if "{" in shown(path)], ids=shown)
def test_a_path_carries_at_most_one_condition(path: Path) -> None:
    text = shown(path)
    assert len(re.findall(r"{%-?\s*(?:if|for|yield)\b", text)) <= 1
    assert '"' not in text


def test_every_path_is_one_that_windows_accepts() -> None:
    refused = []
    for path in FILES:
        for part in PurePosixPath(shown(path)).parts:
            forbidden = set(part) & set('<>:"|?*\\') or part.endswith((" ", "."))
            if forbidden or part.split(".")[0].lower() in DEVICES:
                refused.append(shown(path))
    assert refused == []


def test_no_path_is_too_long() -> None:
    assert [shown(path) for path in FILES if len(shown(path)) > LONGEST_PATH] == []


def test_no_two_paths_differ_only_in_case() -> None:
    folded = [shown(path).casefold() for path in FILES]
    assert len(folded) == len(set(folded))


def test_only_files_with_jinja_in_them_are_templates() -> None:
    plain = [
        shown(path)
        for path in FILES
        if path.suffix == ".jinja" and not re.search(r"{[{%#]", path.read_text(encoding="utf-8"))
    ]
    assert plain == []


def test_versions_stand_in_one_place(questions: dict[str, Any]) -> None:
    """An image tag or toolchain that a template names is there only as a variable."""

    def leaves(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [leaf for item in value.values() for leaf in leaves(item)]
        return [str(value)]

    images = [leaf for leaf in leaves(questions["versions"]["default"]) if ":" in leaf]
    assert images
    named = [
        (shown(path), image)
        for path in FILES
        if path.is_relative_to(ROOT / "templates") and path.stat().st_size
        for image in images
        if image in path.read_text(encoding="utf-8")
    ]
    assert named == []
