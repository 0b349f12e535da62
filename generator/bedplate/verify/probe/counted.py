"""Readings as messages have them, and what a worker says that they came to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bedplate.verify.probe.metrics import scrape, total
from bedplate.verify.probe.platform import Instance
from bedplate.verify.probe.trial import expect, expect_same
from bedplate.verify.probe.wire import request

ACCEPTED: Final = 202
HELD: Final = 280.0
"""Seconds within which a window closes that its device has come past: two to four minutes, and some turns."""
_NOON: Final = datetime(2026, 11, 18, 12, tzinfo=UTC)
_PAGE: Final = 1_000

Reading = dict[str, Any]


def made(device: str, sequence: int, after: timedelta, value: float) -> Reading:
    """A reading, so long after noon of some day."""
    at = (_NOON + after).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"device": device, "epoch": 1, "sequence": sequence, "measured_at": at, "value": value}


def count(readings: Iterable[Reading]) -> dict[tuple[str, str], Mapping[str, float]]:
    """What they come to, by device and start of the window."""
    windows: dict[tuple[str, str], list[Reading]] = {}
    for reading in readings:
        minute = reading["measured_at"][:17] + "00.000Z"
        windows.setdefault((reading["device"], minute), []).append(reading)
    return {place: _summary(members) for place, members in windows.items()}


def _summary(members: Sequence[Reading]) -> Mapping[str, float]:
    values = [float(member["value"]) for member in members]
    last = max(members, key=lambda member: (member["measured_at"], member["sequence"]))
    mean = sum(values) / len(values)
    return {"count": len(values), "min": min(values), "max": max(values), "mean": mean, "last": last["value"]}


def expect_windows(
    wanted: Mapping[tuple[str, str], Mapping[str, float]], seen: Sequence[Mapping[str, Any]]
) -> None:
    """Raise `Unmet` unless these are the windows, with these sums."""
    found = {(window["device"], window["start"]): window for window in seen}
    expect_same("windows", sorted(wanted), sorted(found))
    for place, summary in wanted.items():
        window = found[place]
        wrong = {name: window[name] for name, value in summary.items() if abs(window[name] - value) > 1e-9}  # noqa: PLR2004
        expect(not wrong, f"{place}: expected {summary}, got {wrong}")


def encoded(batch: Sequence[Reading]) -> bytes:
    """The message that holds them."""
    return json.dumps({"readings": batch}).encode()


def post(instance: Instance, body: bytes) -> int:
    """Hand a message to the broker in memory; the status that it is answered with."""
    return request(instance.admin, "POST", "/v1/messages", body=body).status


def windows_of(instance: Instance, *devices: str) -> list[Any]:
    """Its first thousand windows, or all of some devices."""
    if not devices:
        return _page(instance, "")
    windows: list[Any] = []
    for device in devices:
        page = _page(instance, f"&device={device}")
        windows += page
        while len(page) == _PAGE:
            after = datetime.fromisoformat(page[-1]["start"]) + timedelta(minutes=1)
            page = _page(instance, f"&device={device}&from={after:%Y-%m-%dT%H:%M:%SZ}")
            windows += page
    return windows


def _page(instance: Instance, query: str) -> list[Any]:
    answer = request(instance.admin, "GET", f"/v1/aggregates?limit={_PAGE}{query}")
    expect_same("status of /v1/aggregates", 200, answer.status)
    return list(answer.json()["aggregates"])


def readings_of(instance: Instance, outcome: str) -> float:
    """How many it has counted with this outcome."""
    return total(scrape(instance.admin), "readings_total", outcome=outcome)


def settled_of(instance: Instance, outcome: str) -> float:
    """How many messages it has settled with this outcome."""
    return total(scrape(instance.admin), "messaging_process_duration_seconds_count", outcome=outcome)
