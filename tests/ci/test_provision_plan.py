"""What `ci/provision` decides, on a machine that is nothing but a search path."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from shell import ROOT

PROVISION = ROOT / "ci" / "provision"
TOOLS = ("cat", "dirname", "grep", "id", "sed", "sh", "sleep", "timeout")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A search path with a shell's usual tools and an apt-get that only records that it was called."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(
            next(p / tool for p in (Path("/usr/bin"), Path("/bin")) if (p / tool).exists())
        )
    add(programs, "apt-get", f"echo called >>{tmp_path}/apt-get.called")
    add(programs, "git", "true")
    add(programs, "python3", "true")
    return programs


def add(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\n{script}\n")
    (programs / name).chmod(0o755)


def provision(machine: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    finished = subprocess.run(
        [PROVISION, *arguments],
        env={"PATH": str(machine), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not (machine.parent / "apt-get.called").exists()
    return finished


def test_touches_nothing_where_an_engine_answers(machine: Path) -> None:
    add(machine, "docker", "true")
    finished = provision(machine)
    assert (finished.returncode, finished.stdout) == (0, "provision: nothing is missing\n")


def test_finds_the_engine_through_a_later_client_on_the_path(machine: Path, tmp_path: Path) -> None:
    broken = tmp_path / "first"
    broken.mkdir()
    add(broken, "docker", "exit 1")
    add(machine, "docker", "true")
    finished = provision(machine, "engine", PATH=f"{broken}:{machine}")
    assert finished.stdout == "provision: nothing is missing\n"


def test_asks_for_buildx_where_the_client_has_none(machine: Path) -> None:
    add(machine, "docker", 'test "$1" != buildx')
    finished = provision(machine)
    assert finished.returncode == 3
    assert "no buildx: install docker-buildx" in finished.stderr


def test_starts_no_engine_in_the_place_of_a_remote_one(machine: Path) -> None:
    add(machine, "docker", "exit 1")
    finished = provision(machine, DOCKER_HOST="ssh://builder")
    assert finished.returncode == 3
    assert "DOCKER_HOST=ssh://builder does not answer" in finished.stderr


def test_the_plan_names_what_is_missing(machine: Path) -> None:
    (machine / "git").unlink()
    add(machine, "python3", "exit 1")
    finished = provision(machine, "--plan")
    assert finished.returncode == 0
    assert "python3-venv git mmdebstrap" in finished.stdout
    assert "docker.io docker-cli docker-buildx iptables" in finished.stdout
    assert "start dockerd" in finished.stdout


def test_the_python_part_needs_no_engine(machine: Path) -> None:
    assert provision(machine, "python").stdout == "provision: nothing is missing\n"


def test_an_engine_that_is_installed_is_only_started(machine: Path) -> None:
    add(machine, "docker", 'test "$1" = buildx')
    for name in ("dockerd", "mmdebstrap"):
        add(machine, name, "true")
    planned = provision(machine, "--plan").stdout.splitlines()
    assert planned == ["provision: start dockerd, which writes to /var/log/bedplate-dockerd.log"]


def test_an_unknown_part_shows_the_usage(machine: Path) -> None:
    finished = provision(machine, "everything")
    assert finished.returncode == 2
    assert "ci/provision [--plan] [--yes] [python] [engine]" in finished.stderr
