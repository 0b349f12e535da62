"""What an ingest must not do: each defect breaks one promise of the contract, and the probe names it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from bedplate.verify.probe.pki import Pki
from bedplate.verify.probe.stream import faults, secure, wire
from bedplate.verify.probe.stream.api import Api, problem
from bedplate.verify.probe.stream.device import Manner
from bedplate.verify.probe.stream.faults import try_faults
from bedplate.verify.probe.stream.fleet import Fleet
from bedplate.verify.probe.stream.serving import Line
from bedplate.verify.probe.stream.wire import Vectors, try_acks, try_vectors, try_welcomes
from bedplate.verify.probe.trial import Trials, Unmet
from frail_images import told
from shell import ROOT
from simulated_ingest import SimulatedIngest

VECTORS = Vectors.load(ROOT / "contract" / "frames.json")
PATIENCE = 1.0
LONG_PATIENCE = 8.0
"""Seconds until what a defect keeps back is given up, for one line and for a fleet of devices.

The latter is more than the requests that a fault has to meet, when each waits for a Retry-After.
"""
WELCOMES = {"": "", "repeats epochs": "wire: epochs are of now and rise"}
BLOCKS = {
    "": "",
    "counts no bad frames": f"wire: each of {len(VECTORS.malformed)} malformed blocks",
    "takes any check": f"wire: each of {len(VECTORS.malformed)} malformed blocks",
    "counts empty blocks": "wire: 10000 bytes without a delimiter",
}
ACKS = {
    "": "",
    "acknowledges at once": "wire: one that is under way",
    "acknowledges over gaps": "wire: nothing is acknowledged before a gap",
    "ignores base": "wire: base says where to start",
    "forgets what is durable": "wire: one that is durable",
    "sends again what is under way": "wire: one that is under way",
    "acknowledges on the first connection": "wire: one that comes over two connections",
    "closes the earlier connection": "wire: a second connection",
    "mixes epochs up": "wire: devices and epochs",
    "writes values in other units": "wire: a reading arrives",
}
SECURE = {
    "": "",
    "asks for no certificate": "tls: without a certificate no device is heard",
    "takes any device": "tls: a frame of a device that the certificate does not name",
    "counts no end": "tls: a frame of a device that the certificate does not name",
}
FAULTS = {
    "": "",
    "takes any answer for success": "faults: an API that fails",
    "does not wait": "faults: after a 429",
    "does not halve": "faults: batches that are too large",
}


def greet(trials: Trials, ingest: SimulatedIngest, api: Api) -> None:
    try_welcomes(trials, ingest.http)


def decode(trials: Trials, ingest: SimulatedIngest, api: Api) -> None:
    try_vectors(trials, ingest.http, ingest.admin, VECTORS)


def acknowledge(trials: Trials, ingest: SimulatedIngest, api: Api) -> None:
    try_acks(trials, ingest.http, api)


def fail(trials: Trials, ingest: SimulatedIngest, api: Api) -> None:
    with trials.part("faults: it works"):
        try_faults(trials, ingest.http, api, LONG_PATIENCE).close()


@pytest.fixture(scope="module")
def pki() -> Iterator[Pki]:
    with Pki.make() as pki:
        yield pki


@pytest.mark.parametrize(("defect", "first"), SECURE.items())
def test_a_device_is_held_to_its_certificate(
    api: Api, pki: Pki, monkeypatch: pytest.MonkeyPatch, defect: str, first: str
) -> None:
    monkeypatch.setattr(secure, "PATIENCE", PATIENCE)
    context = pki.server(pki.authority, secure.HOST, asks=True)
    if defect == "asks for no certificate":
        context.verify_mode = ssl.CERT_OPTIONAL
    with SimulatedIngest(api.address, defect, context) as ingest:
        wrong = told(lambda trials: secure.try_devices(trials, ingest.http, ingest.admin, pki, api))
    assert any(name.startswith(first) for name in wrong) if first else wrong == {}, wrong


def test_an_ingest_is_told_that_trusts_any_api(api: Api, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secure, "PATIENCE", PATIENCE)
    context = pki.server(pki.authority, secure.HOST, asks=True)
    with SimulatedIngest(api.address, context=context) as ingest:
        wrong = told(lambda trials: secure.try_stranger(trials, ingest.http, ingest.admin, pki, api))
    assert list(wrong) == ["tls: an API that can't be trusted gets no reading, and it is counted"]


TABLES = ((greet, WELCOMES), (decode, BLOCKS), (acknowledge, ACKS), (fail, FAULTS))


@pytest.mark.parametrize(
    ("probe", "defect", "first"),
    [(probe, *entry) for probe, table in TABLES for entry in table.items()],
)
def test_a_defect_breaks_the_promise_that_it_is_about(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    probe: Callable[[Trials, SimulatedIngest, Api], None],
    defect: str,
    first: str,
) -> None:
    monkeypatch.setattr(wire, "Line", partial(Line, patience=PATIENCE))
    monkeypatch.setattr(wire, "QUIET", 0.1)
    monkeypatch.setattr(faults, "FAULTS", {"fails": problem(500)})
    with SimulatedIngest(api.address, defect) as ingest:
        wrong = told(lambda trials: probe(trials, ingest, api))
    names = list(wrong)
    assert any(name.startswith(first) for name in names) if first else names == [], wrong


def test_devices_notice_when_they_are_acknowledged_too_soon(api: Api) -> None:
    with (
        SimulatedIngest(api.address, "acknowledges at once") as ingest,
        Fleet(ingest.http, lambda r: api.stored.get(r.key) == r, 5, Manner(rate=50)) as fleet,
        pytest.raises(Unmet, match="acknowledged before it was durable"),
    ):
        fleet.await_more(100)


def test_devices_get_everything_through_over_lines_that_lose_split_and_merge(api: Api) -> None:
    with (
        SimulatedIngest(api.address) as ingest,
        Fleet(ingest.http, lambda r: api.stored.get(r.key) == r, 10, Manner(rate=40, loss=0.1)) as fleet,
    ):
        fleet.await_more(500)
        fleet.settle()
        fleet.expect_stored(api.stored)
        del api.stored[next(iter(api.stored))]
        with pytest.raises(Unmet, match="missing"):
            fleet.expect_stored(api.stored)
