"""Copier in the oldest version that is promised and in the newest one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from copier_user import FLOOR, User
from shell import ROOT, Cli


@pytest.fixture(scope="session")
def floor_of_copier() -> Path:
    """A directory with the oldest copier that is promised, for PYTHONPATH; fetched once per checkout."""
    place = ROOT / ".cache" / f"copier-{FLOOR}"
    if place.is_dir():
        return place
    place.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=place.parent) as directory:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", directory]
        fetched = subprocess.run(
            [*command, f"copier=={FLOOR}"], capture_output=True, text=True, timeout=300, check=False
        )
        if fetched.returncode != 0:
            pytest.skip(f"copier {FLOOR} can't be installed: {fetched.stderr.strip().splitlines()[-1]}")
        Path(directory).chmod(0o755)
        try:
            Path(directory).rename(place)
        except OSError:  # another worker was faster
            assert place.is_dir()
        else:
            Path(directory).mkdir()
    return place


@pytest.fixture(params=["floor", "newest"])
def user(request: pytest.FixtureRequest, cli: Cli) -> User:
    """A user in an empty directory with the oldest or the newest copier."""
    if request.param == "newest":
        return User(cli.directory, cli.environment | {"PYTHONPATH": ""})
    floor = request.getfixturevalue("floor_of_copier")
    return User(cli.directory, cli.environment | {"PYTHONPATH": str(floor)})
