"""Where the temporary files of tests are: in memory, if there is room, and nowhere afterwards."""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from shell import ROOT

IN_MEMORY = ROOT / "ci" / "in_memory.py"
NEEDED = 12 << 30
"""Bytes that have to be free for it, of memory and where the files go."""
TELLS = """\
import os, signal
os.setpgid(0, 0)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
print("waits", flush=True)
print(signal.Signals(signal.sigwait({signal.SIGINT, signal.SIGTERM})).name)
"""
"""A program that has left the group which a terminal sends signals to, and tells which is handed on first."""


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        pytest.skip("this system does not tell there what memory it has")
    available = runpy.run_path(str(IN_MEMORY))["available"](meminfo, Path("/sys/fs/cgroup"))
    if min(available, shutil.disk_usage(tmp_path).free) <= NEEDED * 1.1:
        pytest.skip("there is no room for it here")
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def environment(memory: Path) -> dict[str, str]:
    return os.environ | {"BEDPLATE_MEMORY": str(memory), "TMPDIR": "/as/it/was"}


def start(memory: Path, *command: str) -> subprocess.Popen[str]:
    whole = [sys.executable, IN_MEMORY, *command]
    pipe = subprocess.PIPE
    return subprocess.Popen(whole, stdin=pipe, stdout=pipe, text=True, env=environment(memory))


def test_files_are_there_while_the_command_runs_and_its_status_is_passed_on(memory: Path) -> None:
    process = start(memory, "sh", "-c", 'touch "$TMPDIR/file"; echo "$TMPDIR"/*; read -r code; exit "$code"')
    said, _ = process.communicate("7\n", timeout=10)
    assert Path(said.strip()).name == "file"
    assert Path(said.strip()).parent.parent == memory
    assert process.returncode == 7


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_when_it_is_asked_to_end(memory: Path, signum: signal.Signals) -> None:
    process = start(memory, "sh", "-c", 'echo "$TMPDIR"; echo $$; exec sleep 60')
    assert process.stdout
    assert Path(process.stdout.readline().strip()).parent == memory
    child = int(process.stdout.readline())
    process.send_signal(signum)
    assert process.wait(timeout=10) == 128 + signum
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_what_a_terminal_sends_to_the_command_as_well_is_not_handed_on(memory: Path) -> None:
    command = [str(IN_MEMORY), sys.executable, "-c", TELLS]
    with pexpect.spawn(sys.executable, command, env=environment(memory), timeout=10) as terminal:
        terminal.expect_exact("waits")
        terminal.sendintr()
        terminal.expect_exact("^C")
        terminal.kill(signal.SIGTERM)
        assert terminal.expect_exact(["SIGTERM", "SIGINT"]) == 0
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 0


def test_without_memory_for_files_they_stay_where_they_were(tmp_path: Path) -> None:
    process = start(tmp_path / "none", "sh", "-c", 'echo "$TMPDIR"')
    said, _ = process.communicate(timeout=10)
    assert said == "/as/it/was\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("limit", "expected"), [("max", 8 << 30), (str(9 << 30), 6 << 30), (str(100 << 30), 8 << 30)]
)
def test_memory_is_what_the_limit_of_a_container_leaves(tmp_path: Path, limit: str, expected: int) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 99999999 kB\nMemAvailable:    {8 << 20} kB\n")
    available = runpy.run_path(str(IN_MEMORY))["available"]
    assert available(meminfo, tmp_path) == 8 << 30
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{3 << 30}\n")
    assert available(meminfo, tmp_path) == expected
