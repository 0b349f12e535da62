"""What `update`, `preview` and `drift` refuse, saying why and leaving all as it was."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml
from shell import Cli
from upkept import Place, commit, placed, state


def test_answers_that_cannot_stand_are_told_together_and_nothing_is_done(place: Place) -> None:
    before = state(place.repository)
    finished = place.project.bedplate("update", "--set", "port=65536", "--set", "prot=1")
    assert finished.returncode == 2
    assert finished.stderr.splitlines() == [
        "bedplate: --set prot=1: no such question; did you mean port?",
        "bedplate: --set port=65536: at most 65535",
    ]
    assert state(place.repository) == before


def test_unfinished_work_is_not_updated(place: Place) -> None:
    for number in range(5):
        (place.project.directory / f"{number}.txt").write_text("mine\n")
    before = state(place.repository)
    finished = place.project.bedplate("update")
    assert finished.returncode == 4
    assert "not committed: 0.txt, 1.txt, 2.txt and 2 more; commit or stash first" in finished.stderr
    assert state(place.repository) == before


def test_a_template_without_its_history_is_told(place: Place, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    place.repository.git("clone", "--quiet", "--depth=1", f"file://{place.template.directory}", shallow)
    before = state(place.repository)
    for command in ("update", "preview", "drift"):
        finished = place.project.bedplate(command, "--source", shallow)
        assert finished.returncode == 2, finished.stdout
        assert f"{shallow}: has no 1.0.0, of which the project was made; fetch its history" in finished.stderr
    assert state(place.repository) == before


def test_a_sparse_checkout_without_a_part_of_the_project_is_refused(
    tmp_path: Path, template: Cli, user_environment: dict[str, str]
) -> None:
    place = placed(template, tmp_path / "all", user_environment, "services/one")
    place.repository.git("sparse-checkout", "set", "--no-cone", "/*", "!/services/one/poem.txt")
    for command in ("update", "preview", "drift"):
        finished = place.project.bedplate(command)
        assert finished.returncode == 4, finished.stdout
        assert (
            "a sparse checkout leaves out poem.txt; get it: git sparse-checkout add services/one/"
            in finished.stderr
        )
    place.repository.git("sparse-checkout", "set", "services/one")
    assert place.project.bedplate("preview").returncode == 0


def test_an_update_that_fails_half_way_leaves_the_project_as_it_was(place: Place, tmp_path: Path) -> None:
    place.write(".gitignore", "build\n")
    (place.project.directory / "build").write_text("of an hour\n")
    shutil.copytree(place.template.directory, tmp_path / "template")
    broken = Cli(tmp_path / "template", place.template.environment)
    (broken.directory / "template/zoo.txt.jinja").write_text("{{ port.what.is_this }}\n")
    commit(broken, "Three")
    broken.git("tag", "1.2.0")
    before = state(place.repository)
    finished = place.project.bedplate("update", "--source", broken.directory)
    assert finished.returncode == 2, finished.stdout
    assert "has no attribute 'what'" in finished.stderr
    assert state(place.repository) == before
    assert place.read("build") == "of an hour\n"


def test_an_older_release_is_refused(place: Place) -> None:
    assert place.project.bedplate("update").returncode == 0
    commit(place.repository, "Update")
    before = state(place.repository)
    finished = place.project.bedplate("update", "--ref", "1.0.0")
    assert finished.returncode == 2
    assert "downgrading from 1.1.0 to 1.0.0" in finished.stderr
    assert state(place.repository) == before


@pytest.mark.parametrize("command", ["update", "preview", "drift"])
def test_a_place_without_a_project_is_told(cli: Cli, command: str) -> None:
    finished = cli.bedplate(command)
    assert finished.returncode == 2
    assert "not an emitted project: .copier-answers.yml can't be read" in finished.stderr


@pytest.mark.parametrize("command", ["update", "preview"])
def test_a_project_without_a_repository_or_a_commit_is_refused(place: Place, command: str) -> None:
    shutil.rmtree(place.project.directory / ".git")
    finished = place.project.bedplate(command)
    assert (finished.returncode, "not in a git repository" in finished.stderr) == (4, True)
    place.project.git("init", "--quiet")
    finished = place.project.bedplate(command)
    assert (finished.returncode, "nothing is committed yet" in finished.stderr) == (4, True)


@pytest.mark.parametrize("command", ["update", "preview"])
def test_a_release_that_is_not_there_is_told(place: Place, command: str) -> None:
    before = state(place.repository)
    finished = place.project.bedplate(command, "--ref", "9.9.9")
    assert finished.returncode == 2
    assert "--ref 9.9.9: no such branch, tag or commit" in finished.stderr
    assert state(place.repository) == before


def test_a_template_that_moved_is_named_with_source(place: Place, tmp_path: Path) -> None:
    record = place.read(".copier-answers.yml")
    gone = record.replace(str(place.template.directory), str(tmp_path / "gone"))
    assert gone != record
    place.write(".copier-answers.yml", gone)
    finished = place.project.bedplate("update")
    assert finished.returncode == 2
    assert "the template is not there any more; say where it is with --source REPO" in finished.stderr
    finished = place.project.bedplate("update", "--source", place.template.directory)
    assert finished.returncode == 0, finished.stderr
    now = yaml.safe_load(place.read(".copier-answers.yml"))
    assert (now["_src_path"], now["_commit"]) == (str(place.template.directory), "1.1.0")


@pytest.mark.parametrize("command", ["update", "preview", "drift"])
def test_a_template_by_a_relative_path_is_told_from_one_that_is_gone(place: Place, command: str) -> None:
    record = place.read(".copier-answers.yml")
    relative = record.replace(str(place.template.directory), "../elsewhere")
    assert relative != record
    place.write(".copier-answers.yml", relative)
    finished = place.project.bedplate(command)
    assert finished.returncode == 2
    assert "names its template ../elsewhere, seen from wherever copier was run" in finished.stderr
    assert place.project.bedplate(command, "--source", place.template.directory).returncode == 0


@pytest.mark.parametrize("command", ["update", "preview", "drift"])
def test_a_record_that_is_damaged_is_told(place: Place, command: str) -> None:
    record = place.project.directory / ".copier-answers.yml"
    for damage, told in ((b"owner: caf\xe9\n", "can't be read: not UTF-8 text"), (b"port: [\n", "not YAML")):
        record.write_bytes(record.read_bytes() + damage)
        finished = place.project.bedplate(command)
        assert (finished.returncode, finished.stdout) == (2, "")
        assert f".copier-answers.yml: {told}" in finished.stderr
        place.repository.git("checkout", "--quiet", ".")


@pytest.mark.parametrize("command", ["update", "preview"])
def test_names_of_files_that_are_not_text_are_told(place: Place, command: str) -> None:
    place.write("café.txt", "This one is.\n")
    assert place.project.bedplate("preview").returncode == 0
    (place.project.directory / os.fsdecode(b"caf\xe9.txt")).write_text("This one is not.\n")
    commit(place.repository, "Write both")
    before = state(place.repository)
    finished = place.project.bedplate(command)
    assert (finished.returncode, finished.stdout) == (4, "")
    assert "names of files that are not UTF-8: caf\\xe9.txt; rename them first" in finished.stderr
    assert state(place.repository) == before
