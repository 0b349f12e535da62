"""How a welcomed node delivers readings: a window, go-back-N, acknowledgements, a ring that overflows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.frames import Frame
from bedplate.verify.probe.greeting import EPOCH
from bedplate.verify.probe.node import Node
from bedplate.verify.probe.trial import Trials, Unmet, expect, expect_same

WINDOW: Final = 16
RING: Final = 64
RESEND_AFTER: Final = 1.0
PERIOD_MS: Final = 100
"""Long enough that the window is sent several times before the ring is full, short enough to fill it soon."""
SHORTEST_MS, LONGEST_MS = 10, 3_600_000
_EARLY: Final = 0.1
"""Seconds by which a wait may seem shorter over the link, when its begin was noticed late: half at most."""
_QUIET: Final = 0.3
IDLE: Final = 0


def try_delivery(trials: Trials, node: Node) -> None:
    """All that is promised of readings, on a node that was welcomed for `EPOCH` and holds its first two."""
    with trials.check("delivery: a period can be set, within its limits"):
        _expect_reply(node.command(frames.START, period_ms=PERIOD_MS), 0, PERIOD_MS)
        for wrong in (0, SHORTEST_MS - 1, LONGEST_MS + 1):
            _expect_reply(node.command(frames.START, period_ms=wrong), 1, PERIOD_MS)
    with trials.check(f"delivery: {WINDOW} readings are on the way at most, all sent again after 1 s"):
        _try_resend(node, 1)
    with trials.check("delivery: acknowledgements of another epoch or of what was never sent change nothing"):
        for epoch, sequence in ((EPOCH + 1, 8), (0, 8), (EPOCH, 1_000), (EPOCH, 2**32 - 1)):
            node.send(frames.ACK, epoch=epoch, sequence=sequence)
        expect_same("bases", {1}, {frame["base"] for frame in _window(node, 1)})
    with trials.check("delivery: an acknowledgement moves the window by what it frees"):
        node.send(frames.ACK, epoch=EPOCH, sequence=8)
        new = _until(node, 8 + WINDOW)
        told = [(frame.sequence, frame["base"]) for frame in new if frame["base"] == 9]  # noqa: PLR2004
        expect_same("sequence and base", [(sequence, 9) for sequence in range(WINDOW + 1, 9 + WINDOW)], told)
    with trials.check("delivery: only the first welcome counts"):
        node.send(frames.WELCOME, epoch=EPOCH + 1)
        expect_same("epochs", {EPOCH}, {frame.epoch for frame in _window(node, 9)})
    last = 0
    with trials.check("delivery: after stop, what is queued is still sent, then nothing"):
        _expect_reply(node.command(frames.STOP), 0, 0)
        held = node.status()["queued"]
        last = _empty(node)
        expect_same("the last number, by what was queued above 8", 8 + held, last)
        status = node.status()
        left = (status["mode"], status["queued"], status["dropped"])
        expect_same("mode, queued and dropped", (IDLE, 0, 0), left)
        late = [str(frame) for frame in node.during(_QUIET)]
        expect(not late, f"expected silence, got {late}")
    with trials.check(f"delivery: above {RING} readings the oldest make room, and are counted"):
        _try_overflow(node, last)


def _try_resend(node: Node, base: int) -> None:
    """Hold two times through the window against each other: order, content and the time between."""
    first = _window(node, base)
    again = [node.expect(frames.READING) for _ in range(WINDOW)]
    waited, due = again[0].at - first[0].at, RESEND_AFTER / node.haste
    expect(
        waited >= due - min(_EARLY, due / 2), f"expected {due:.2g} s before the next time, got {waited:.2f}"
    )
    changed = [f"{a} then {b}" for a, b in zip(first, again, strict=True) if a != b]
    expect(not changed, f"expected the same readings again, got {changed[:3]}")


def _window(node: Node, base: int) -> Sequence[Frame]:
    """One time through the window: its oldest reading and as many more as may be on the way."""
    heard = [node.expect(frames.READING, such=lambda frame: frame.sequence == base)]
    while len(heard) < WINDOW:
        heard.append(node.expect(frames.READING))
    expect_same("sequences", list(range(base, base + WINDOW)), [frame.sequence for frame in heard])
    return heard


def _until(node: Node, sequence: int) -> list[Frame]:
    """The readings up to the first one with this number."""
    heard = [node.expect(frames.READING)]
    while heard[-1].sequence != sequence:
        expect(heard[-1].sequence < sequence, f"expected none above {sequence}, got {heard[-1]}")
        heard.append(node.expect(frames.READING))
    return heard


def _empty(node: Node) -> int:
    """Acknowledge what comes until a node that is stopped holds nothing more; the last number that came."""
    last = 0
    deadline = time.monotonic() + node.patience
    while time.monotonic() < deadline:
        frame = node.next(_QUIET)
        if frame is None and not node.status()["queued"]:
            return last
        if frame and frame.kind == frames.READING:
            last = max(last, frame.sequence)
            node.send(frames.ACK, epoch=EPOCH, sequence=frame.sequence)
    raise Unmet(f"expected every reading to be delivered, after number {last} there is left: {node.status()}")


def _try_overflow(node: Node, last: int) -> None:
    _expect_reply(node.command(frames.START, period_ms=SHORTEST_MS), 0, SHORTEST_MS)
    heard = node.during((RING + WINDOW) * SHORTEST_MS / 1_000)
    deadline = time.monotonic() + node.patience
    while not node.status()["dropped"]:
        expect(time.monotonic() < deadline, f"expected the ring to overflow within {node.patience:g} s")
        heard += node.during(SHORTEST_MS / 1_000)
    readings = [frame for frame in heard if frame.kind == frames.READING]
    times = {frame.sequence: frame["elapsed_ms"] for frame in readings if frame.sequence > last}
    apart = {b - a for a, b in itertools.pairwise(times[number] for number in sorted(times)[:WINDOW])}
    expect_same("milliseconds between readings", {SHORTEST_MS}, apart)
    _expect_reply(node.command(frames.STOP), 0, 0)
    status = node.status()
    expect_same("readings that it holds", RING, status["queued"])
    oldest = node.expect(frames.READING, such=lambda frame: frame.sequence == frame["base"])
    lost = oldest.sequence - last - 1
    expect_same(f"dropped, as the oldest is {oldest}", lost, status["dropped"])
    expect_same("delivered, by the last number", last + lost + RING, _empty(node))


def _expect_reply(reply: Frame, result: int, value: int) -> None:
    expect_same("result and value", (result, value), (reply["result"], reply["value"]))
