"""Projects that speak a half of the contract carry its vectors, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from bedplate.render import render
from shell import ROOT

# Gateway and proxy pass on what others say, an exporter asks for the least of it: they speak neither half.
HALVES = {
    "http-api": ["http.json"],
    "rpc-api": ["http.json"],
    "event-worker": ["http.json"],
    "metrics-exporter": [],
    "http-gateway": [],
    "tcp-proxy": [],
    "stream-ingest": ["frames.json"],
    "sensor-node": ["frames.json"],
}


@pytest.mark.parametrize("domain", HALVES)
def test_a_project_carries_its_half_of_the_contract(domain: str, tmp_path: Path) -> None:
    render({"domain": domain}, tmp_path / "project")
    carried = sorted((tmp_path / "project/testdata/contract").glob("*"))
    assert [path.name for path in carried] == HALVES[domain]
    for path in carried:
        assert path.read_bytes() == (ROOT / "contract" / path.name).read_bytes()
