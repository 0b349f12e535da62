"""What `bedplate verify` refuses or can't do, as its user sees it: exit code, one line, nothing started."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bedplate.verify.rows import Row
from tiny_project import TinyProject
from verify_user import User

NO_ENGINE = {"DOCKER_HOST": "tcp://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["http-apy"], "http-apy: no such domain; did you mean http-api?"),
        (
            ["--row", "http-api:0000"],
            "--row http-api:0000: no such row in --rows default of http-api; there is: http-api:",
        ),
        (["http-gateway", "--row", Row("http-api").id], "no such row in --rows default of http-gateway"),
        (["--project", "nowhere"], "nowhere: not an emitted project"),
        (["--project", ".", "--level", "update"], "--level update: starts from the template's own history"),
        (["http-api", "--project", "."], "--project PATH: a project that exists has its answers"),
        (["--shard", "4/3"], "--shard 4/3: write it as I/N with I from 1 to N, such as 1/3, 2/3 and 3/3"),
        (["--shard", "1/2", "--project", "."], "--project PATH: a project that exists has its answers"),
        (["--merge"], "--merge: name the directories with the reports of all shards"),
        (["--merge", "nowhere"], "nowhere/report.json: No such file or directory"),
        (["--merge", "one", "--shard", "1/2"], "--merge: takes the directories of reports"),
        (["--merge", "one", "--report", "one"], "--report one: has one of the reports that are merged"),
        (["--report", "/dev/null/report"], "--report /dev/null/report: Not a directory"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(user: User, arguments: list[str], told: str) -> None:
    finished = user.verify(*arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith("bedplate: ")
    assert told in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert user.directories() == set()


@pytest.mark.parametrize("arguments", [["--level", "deep"], ["--engine", "podman"], ["--jobs", "0"]])
def test_a_value_that_is_no_choice_is_told_with_its_option(user: User, arguments: list[str]) -> None:
    finished = user.verify(*arguments)
    assert finished.returncode == 2
    assert arguments[0] in finished.stderr


def test_without_an_engine_the_container_engine_is_missing_and_the_user_is_told_how_to_get_one(
    user: User,
) -> None:
    finished = user.verify("http-api", "--engine", "container", **NO_ENGINE)
    assert (finished.returncode, finished.stdout) == (3, "")
    assert "no container engine answers" in finished.stderr or "no docker client" in finished.stderr
    for advice in ("make verify", "--engine host", "bedplate doctor"):
        assert advice in finished.stderr


def test_a_level_that_can_not_be_tried_here_is_not_called_proved(user: User, tmp_path: Path) -> None:
    """Exit code 3: nothing failed, and the level that was asked for needs an engine."""
    project = TinyProject().write(tmp_path / "tiny")
    finished = user.verify("--project", project, "--level", "run", **NO_ENGINE, PATH=path_with_go(tmp_path))
    assert finished.returncode == 3, finished.stdout + finished.stderr
    assert "level run: needs a container engine" in finished.stderr
    assert "make verify" in finished.stderr
    assert "skipped: make smoke" in finished.stdout


def test_the_host_engine_runs_the_verbs_with_the_tools_on_path(user: User, tmp_path: Path) -> None:
    project = TinyProject(lint="echo linted", check="echo checked").write(tmp_path / "tiny")
    arguments = ("--project", project, "--engine", "host", "--level", "build")
    finished = user.verify(*arguments, PATH=path_with_go(tmp_path))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "host engine: go 1.99.0" in finished.stdout
    failing = TinyProject(check="echo out of order; exit 7").write(tmp_path / "failing")
    finished = user.verify(
        "--project", failing, "--engine", "host", "--level", "build", PATH=path_with_go(tmp_path)
    )
    assert finished.returncode == 1
    assert "level build: make check" in finished.stdout
    assert "out of order" in finished.stdout


def test_the_host_engine_skips_what_it_has_no_tools_for(user: User, tmp_path: Path) -> None:
    project = TinyProject().write(tmp_path / "tiny")
    bare = tmp_path / "bare"
    bare.mkdir()
    for program in ("git", "make", "sh"):
        (bare / program).symlink_to(str(shutil.which(program)))
    finished = user.verify("--project", project, "--engine", "host", "--level", "build", PATH=str(bare))
    assert finished.returncode == 3
    assert "level build: go: not on PATH" in finished.stderr


def path_with_go(directory: Path) -> str:
    """A search path on which a toolchain for Go is found, whatever this machine has."""
    programs = directory / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "go").write_text("#!/bin/sh\necho go1.99.0\n")
    (programs / "go").chmod(0o755)
    return f"{programs}:/usr/local/bin:/usr/bin:/bin"
