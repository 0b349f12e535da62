"""Where the temporary files of tests are: in memory, if there is room, and nowhere afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import ROOT

IN_MEMORY = ROOT / "ci" / "in-memory"
NEEDED = 12 << 30
"""Bytes that have to be free for it, of memory and where the files go."""


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    available = int(Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]) << 10
    if min(available, shutil.disk_usage(tmp_path).free) <= NEEDED * 1.1:
        pytest.skip("there is no room for it here")
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def start(memory: Path, *command: str) -> subprocess.Popen[str]:
    environment = os.environ | {"BEDPLATE_MEMORY": str(memory), "TMPDIR": "/as/it/was"}
    return subprocess.Popen([IN_MEMORY, *command], stdout=subprocess.PIPE, text=True, env=environment)


def test_files_are_there_while_the_command_runs_and_its_status_is_passed_on(memory: Path) -> None:
    process = start(memory, "sh", "-c", 'touch "$TMPDIR/file"; echo "$TMPDIR"/f*; exit 7')
    said, _ = process.communicate(timeout=10)
    assert Path(said.strip()).name == "file"
    assert Path(said.strip()).parent.parent == memory
    assert process.returncode == 7


def test_nothing_is_left_when_it_is_asked_to_end(memory: Path) -> None:
    process = start(memory, "sh", "-c", 'echo "$TMPDIR"; exec sleep 1')
    assert process.stdout
    assert Path(process.stdout.readline().strip()).parent == memory
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143


def test_without_memory_for_files_they_stay_where_they_were(tmp_path: Path) -> None:
    process = start(tmp_path / "none", "sh", "-c", 'echo "$TMPDIR"')
    said, _ = process.communicate(timeout=10)
    assert said == "/as/it/was\n"
    assert process.returncode == 0
