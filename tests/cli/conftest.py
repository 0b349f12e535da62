"""A template with two releases, and a project of the first one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from shell import Cli
from upkept import FIRST, QUESTIONS, Place, commit, placed, started


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, user_environment: dict[str, str]) -> Cli:
    """A template with the releases 1.0.0 and 1.1.0, which changes one file, adds one and removes one."""
    repository = started(tmp_path_factory.mktemp("template") / "template", user_environment)
    files = repository.directory / "template"
    files.mkdir()
    (repository.directory / "copier.yml").write_text(QUESTIONS)
    for name, text in FIRST.items():
        (files / name).write_text(text)
    commit(repository, "One")
    repository.git("tag", "1.0.0")
    (files / "title.txt").write_text("The new title\n")
    (files / "poem.txt").write_text(FIRST["poem.txt"].replace("line 2\n", "line two\n"))
    (files / "notes.md").write_text("Write something here.\n")
    (files / "new.txt").write_text("new\n")
    (files / "old.txt").unlink()
    commit(repository, "Two")
    repository.git("tag", "1.1.0")
    return repository


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory, template: Cli, user_environment: dict[str, str]) -> Path:
    """A project of 1.0.0, to be copied."""
    place = tmp_path_factory.mktemp("start") / "project"
    placed(template, place, user_environment)
    return place


@pytest.fixture
def place(tmp_path: Path, start: Path, template: Cli, user_environment: dict[str, str]) -> Place:
    """A project of 1.0.0, committed, which the test may change."""
    shutil.copytree(start, tmp_path / "project")
    repository = Cli(tmp_path / "project", user_environment)
    return Place(template, repository, repository)
