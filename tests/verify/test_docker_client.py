"""Which docker client is used, and what becomes of what it started."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from bedplate.errors import MissingTool
from bedplate.verify.client import Client, execute

WITH_BUILDX = "#!/bin/sh\nexit 0\n"
WITHOUT_BUILDX = "#!/bin/sh\necho \"docker: 'buildx' is not a docker command\" >&2\nexit 1\n"


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_passes_over_a_client_without_buildx(tmp_path: Path) -> None:
    first = program(tmp_path / "a" / "docker", WITHOUT_BUILDX)
    second = program(tmp_path / "b" / "docker", WITH_BUILDX)
    path = os.pathsep.join(str(directory) for directory in (tmp_path, first.parent, second.parent))
    assert Client.find({"PATH": path}).path == str(second)


def test_the_client_that_is_named_goes_first(tmp_path: Path) -> None:
    on_path = program(tmp_path / "a" / "docker", WITH_BUILDX)
    named = program(tmp_path / "b" / "my-docker", WITH_BUILDX)
    assert Client.find({"PATH": str(on_path.parent), "DOCKER": str(named)}).path == str(named)


def test_a_named_client_is_not_replaced_by_another(tmp_path: Path) -> None:
    on_path = program(tmp_path / "a" / "docker", WITH_BUILDX)
    named = program(tmp_path / "b" / "docker", WITHOUT_BUILDX)
    with pytest.raises(MissingTool, match=f"{named}: no buildx"):
        Client.find({"PATH": str(on_path.parent), "DOCKER": str(named)})


def test_names_each_client_without_buildx_once(tmp_path: Path) -> None:
    client = program(tmp_path / "a" / "docker", WITHOUT_BUILDX)
    (tmp_path / "b").symlink_to(client.parent)
    with pytest.raises(MissingTool) as refused:
        Client.find({"PATH": f"{tmp_path}/a{os.pathsep}{tmp_path}/b"})
    assert str(refused.value).startswith(f"{client}: no buildx")


def test_no_client_at_all(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match="no docker client on PATH"):
        Client.find({"PATH": str(tmp_path)})


def test_an_engine_that_does_not_answer_is_told_with_its_reason(tmp_path: Path) -> None:
    client = program(tmp_path / "docker", "#!/bin/sh\necho 'Cannot connect to it' >&2\nexit 1\n")
    with pytest.raises(MissingTool, match="no container engine answers: Cannot connect to it"):
        Client(str(client)).server()


def test_the_engine_says_version_and_architecture(tmp_path: Path) -> None:
    server = Client(str(program(tmp_path / "docker", "#!/bin/sh\necho 26.1.5 arm64\n"))).server()
    assert (server.version, server.architecture) == ("26.1.5", "arm64")


def test_ends_the_children_of_a_program_that_takes_too_long(tmp_path: Path) -> None:
    record = tmp_path / "pid"
    with pytest.raises(subprocess.TimeoutExpired):
        execute(("sh", "-c", f"sleep 60 & echo $! >{record}; wait"), timeout=1)
    child = Path("/proc") / record.read_text().strip() / "stat"
    deadline = time.monotonic() + 10
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running(child)


def running(stat: Path) -> bool:
    """Whether a process is there and not a zombie that waits for its parent."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
