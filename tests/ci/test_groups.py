"""Tests that must not run beside each other do not: what pytest and xdist make of a group."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GROUPED = """\
import pytest

@pytest.mark.xdist_group("engine")
@pytest.mark.parametrize("number", range(8))
def test_says_where_it_runs(number, worker_id, request):
    place = request.config.rootpath / "workers"
    place.mkdir(exist_ok=True)
    (place / worker_id).touch()
"""


def test_all_tests_of_a_group_run_on_one_worker(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", str(tmp_path)]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout
    assert len(list((tmp_path / "workers").iterdir())) == 1
