"""What `bedplate doctor` tells, with an engine and without."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from shell import Cli

NO_ENGINE = "unix:///no/such/engine.sock"


def levels(reported: subprocess.CompletedProcess[str]) -> dict[str, bool]:
    return {level["name"]: level["possible"] for level in json.loads(reported.stdout)["levels"]}


def test_without_an_engine_it_says_so_and_exits_3(cli: Cli) -> None:
    reported = cli.bedplate("doctor", DOCKER_HOST=NO_ENGINE)
    assert reported.returncode == 3
    assert "no container engine answers" in reported.stdout or "no client with buildx" in reported.stdout
    assert "not possible: no engine" in reported.stdout
    assert reported.stderr == ""


def test_without_an_engine_projects_can_still_be_rendered(cli: Cli) -> None:
    reported = cli.bedplate("doctor", "--json", DOCKER_HOST=NO_ENGINE)
    assert levels(reported) == {"render": True, **dict.fromkeys(("static", "build", "run", "update"), False)}


def test_what_is_missing_comes_with_a_way_to_get_it(cli: Cli, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    items = json.loads(cli.bedplate("doctor", "--json", PATH=str(empty)).stdout)["items"]
    missing = {item["name"]: item["remedy"] for item in items if not item["present"]}
    assert {"git", "engine", "buildx", "go", "rust", "qemu"} <= missing.keys()
    assert all(missing.values())


def test_a_toolchain_that_is_too_old_does_not_count(cli: Cli, tmp_path: Path) -> None:
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go1.21.3\n")
    old.chmod(0o755)
    items = json.loads(cli.bedplate("doctor", "--json", PATH=f"{tmp_path}:/usr/bin:/bin").stdout)["items"]
    go = next(item for item in items if item["name"] == "go")
    assert not go["present"]
    assert go["detail"].startswith("1.21.3, needs 1.2")


def test_programs_that_hang_do_not_hold_it_up(cli: Cli, tmp_path: Path) -> None:
    for name in ("go", "rustc", "cargo", "qemu-system-arm"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\nexec sleep infinity\n")
        program.chmod(0o755)
    reported = cli.bedplate("doctor", DOCKER_HOST=NO_ENGINE, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert reported.returncode == 3


@pytest.mark.engine
def test_with_an_engine_every_level_is_possible(cli: Cli) -> None:
    reported = cli.bedplate("doctor", "--json")
    assert reported.returncode == 0, reported.stdout
    assert levels(reported) == dict.fromkeys(("render", "static", "build", "run", "update"), True)
