"""The firmware's filter, checksum and COBS beside the same in C, as `make bench-twin` measures them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shell import ROOT
from verify_user import User

TARGETS = ("thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "thumbv8m.main-none-eabihf")
FUNCTIONS = ("filter", "crc", "encode", "decode", "together")
BYTES, INSTRUCTIONS = 1.5, 1.0
pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine"), pytest.mark.slow]


@pytest.fixture
def twin(checkout: User) -> User:
    """A user whose checkout has both sides."""
    for part in ("bench/twin", "examples/sensor-node"):
        shutil.copytree(
            ROOT / part, checkout.cli.directory / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    return checkout


def compared(twin: User, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = twin.cli.directory / "bench" / "twin" / "compare.py"
    return subprocess.run(
        [sys.executable, script, *arguments],
        env=twin.cli.environment,
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
    )


def test_the_boards_cores_take_no_more_than_the_limits_beside_c(twin: User) -> None:
    finished = compared(twin, "--json")
    assert finished.returncode == 0, finished.stderr
    measured = json.loads(finished.stdout)
    assert [version.split()[0] for version in measured["versions"]] == ["arm-none-eabi-gcc", "rustc", "QEMU"]
    found = {(figure["target"], figure["row"]): figure for figure in measured["figures"]}
    assert set(found) == {(target, function) for target in TARGETS for function in FUNCTIONS}
    for target in TARGETS:
        size, taken = found[target, "together"]["bytes"], found[target, "together"]["instructions"]
        assert size["rust"] <= BYTES * size["c"], target
        assert taken["rust"] <= INSTRUCTIONS * taken["c"] or target == "thumbv6m-none-eabi", target


@pytest.mark.parametrize(
    ("file", "line", "wrong", "said"),
    [
        ("bench/twin/crc.c", "crc = 0xFFFF", "crc = 0", "c: differs from the vectors: the check value"),
        (
            "examples/sensor-node/app/src/filter.rs",
            "median.saturating_sub(",
            "median.wrapping_sub(",
            "rust: differs from the vectors: a filtered sample",
        ),
    ],
)
def test_a_side_that_computes_something_else_is_not_counted(
    twin: User, file: str, line: str, wrong: str, said: str
) -> None:
    changed: Path = twin.cli.directory / file
    text = changed.read_text()
    assert line in text
    changed.write_text(text.replace(line, wrong))
    finished = compared(twin)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert said in finished.stderr
