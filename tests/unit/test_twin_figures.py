"""What `make bench-twin` takes for exceeded: of all functions together, and on a core that has the limit."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
from shell import ROOT

TARGETS = ("thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "thumbv8m.main-none-eabihf")
ROWS = ("filter", "crc", "encode", "decode", "together")


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench" / "twin"))
    return importlib.import_module("figures")


def exceeded(twin: ModuleType, more: tuple[str, str, str], times: float) -> list[tuple[str, str]]:
    """Where a limit is exceeded when both sides take the same, but for one number of Rust's."""
    counted = []
    for target in TARGETS:
        for side in ("rust", "c"):
            factor = {more: times} if side == "rust" else {}
            for row in ROWS:
                size = 1_000 * factor.get((target, row, "bytes"), 1)
                ticks = 0x10_0000 * factor.get((target, row, "ticks"), 1)
                counted.append(f"{target} {side} {row} bytes {round(size)}")
                counted.append(f"{target} {side} {row} ticks {round(ticks):x}")
            counted.append(f"{target} {side} known ticks 1000")
    vectors = twin.Vectors.load(ROOT / "contract" / "frames.json")
    found = twin.figures("\n".join(counted), vectors)
    return [(figure.target, figure.row) for figure in found if not figure.within]


@pytest.mark.parametrize("target", TARGETS)
def test_each_core_has_the_limit_of_bytes(twin: ModuleType, target: str) -> None:
    assert exceeded(twin, (target, "together", "bytes"), 1.5) == []
    assert exceeded(twin, (target, "together", "bytes"), 1.51) == [(target, "together")]
    assert exceeded(twin, (target, "encode", "bytes"), 2) == []


@pytest.mark.parametrize("target", TARGETS)
def test_each_core_but_v6_m_has_the_limit_of_instructions(twin: ModuleType, target: str) -> None:
    limited = target != "thumbv6m-none-eabi"
    assert exceeded(twin, (target, "filter", "ticks"), 1) == []
    assert exceeded(twin, (target, "filter", "ticks"), 1.1) == [(target, "together")] * limited
