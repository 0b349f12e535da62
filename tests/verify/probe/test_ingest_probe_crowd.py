"""What a crowd must not do to an ingest: each defect breaks one bound, and the probe names it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest
from bedplate.verify.probe.platform import Instance
from bedplate.verify.probe.stream import crowd
from bedplate.verify.probe.stream.api import Api
from bedplate.verify.probe.stream.fleet import Fleet
from bedplate.verify.probe.stream.serving import Line
from bedplate.verify.probe.trial import Trials
from frail_images import told
from simulated_crowd import LINES, RATE, CrowdedIngest

SMALLER = {
    "PATIENCE": 10.0,
    "_IDLE": 200,
    "_SPARE": 100,
    "_BATCH": 50,
    "_STEADY": 20,
    "_GOOD_DEVICES": 2,
    "_CONNECTIONS": LINES,
    "_RATE": RATE,
    "_PIECE": 100,
    "_CLOSED_WITHIN": 15.0,
    "_FLOODS": 2,
    "_BUFFER": 4_096,
    "_STALL": 0.5,
    "_FLOOD_SECONDS": 0.5,
    "_AHEAD": 500,
    "MEMORY_SLACK": 10 << 20,
}
"""What the probe asks of an image, for one thread that does all of it in Python."""
UNLIMITED = 1_000_000

Probe = Callable[[Trials, Instance, Api], None]


def limits(trials: Trials, instance: Instance, api: Api) -> None:
    crowd.try_limits(trials, instance, api)


def idle(trials: Trials, instance: Instance, api: Api) -> None:
    crowd.try_idle(trials, instance, api)


def stall(trials: Trials, instance: Instance, api: Api) -> None:
    crowd.try_stall(trials, instance, api)


def noise(trials: Trials, instance: Instance, api: Api) -> None:
    crowd.try_noise(trials, instance)


def deaf(trials: Trials, instance: Instance, api: Api) -> None:
    crowd.try_deaf(trials, instance)


def hellos(trials: Trials, instance: Instance, api: Api) -> None:
    crowd.try_hellos(trials, instance)


PROMISES: tuple[tuple[Probe, dict[str, str]], ...] = (
    (
        noise,
        {
            "": "",
            "panics": "hostile: 200 random streams",
            "is started again": "hostile: 200 random streams",
            "keeps noise": "hostile: 200 random streams",
        },
    ),
    (
        deaf,
        {
            "": "",
            "waits for the deaf": "hostile: a device that never reads is closed",
            "keeps what the deaf are owed": "hostile: a device that never reads is closed",
        },
    ),
    (
        limits,
        {
            "": "",
            "serves any number of connections": f"hostile: of one device {LINES} connections",
            "takes readings at any rate": f"hostile: of one device {RATE} readings a second",
        },
    ),
    (hellos, {"": "", "lets epochs run ahead": "hostile: a flood of hellos"}),
    (idle, {"": "", "serves few at once": "crowd: up to 200 connections say nothing"}),
    (
        stall,
        {
            "": "",
            "reads on": "stall: while the API stands still sockets are not read",
        },
    ),
)


@pytest.fixture(autouse=True)
def _smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALLER.items():
        monkeypatch.setattr(crowd, name, value)
    monkeypatch.setattr(crowd, "Line", partial(Line, patience=2.0))
    monkeypatch.setattr(crowd, "Fleet", partial(Fleet, patience=4.0))


@pytest.mark.parametrize(
    ("probe", "defect", "first"),
    [(probe, *entry) for probe, table in PROMISES for entry in table.items()],
)
def test_a_crowd_shows_the_bound_that_is_missing(api: Api, probe: Probe, defect: str, first: str) -> None:
    rate = RATE if probe is not stall else UNLIMITED
    with CrowdedIngest(api.address, defect, rate) as ingest:
        wrong = told(lambda trials: probe(trials, instance(ingest), api))
    names = list(wrong)
    assert any(name.startswith(first) for name in names) if first else names == [], wrong


def test_what_a_connection_that_says_nothing_takes_is_measured(api: Api) -> None:
    for defect, within in (("", True), ("takes much for each connection", False)):
        trials = Trials()
        with CrowdedIngest(api.address, defect) as ingest:
            crowd.try_idle(trials, instance(ingest), api)
        figures = {figure.name: figure for figure in trials.findings().figures}
        taken = figures["memory of an idle connection"]
        assert taken.budget is not None
        assert (taken.value <= taken.budget) is within, taken


def instance(ingest: Any) -> Instance:
    """Where a container would be asked, the simulation answers."""
    return cast(Instance, ingest)
