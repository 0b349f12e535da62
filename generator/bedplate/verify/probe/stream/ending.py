"""The process killed or stopped while devices send: what was acknowledged is stored, the rest comes again."""

from __future__ import annotations

import signal
import time
from typing import Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.drain import AT_ONCE, Times
from bedplate.verify.probe.platform import Instance, Platform, readiness
from bedplate.verify.probe.stream.api import Api
from bedplate.verify.probe.stream.device import Manner
from bedplate.verify.probe.stream.fleet import Fleet
from bedplate.verify.probe.stream.serving import PATIENCE, Line, configuration
from bedplate.verify.probe.trial import Trials, Unmet, expect, expect_same, wait_until

DEVICES: Final = 50
_MANNER: Final = Manner(rate=50, loss=0.02)
_STEADY: Final = 1_000
_TERMINAL: Final = 3.0
"""Seconds that a person waits for a program to end."""
_POLL: Final = 0.01
_UNREADY: Final = 503
_HELD: Final = 5
"""Readings that nobody takes."""


def try_ending(trials: Trials, platform: Platform, config: str, project: str, api: Api, times: Times) -> None:
    """Kill one under load, then drain the next one, then have a third one take the rest."""
    files = {config: configuration(project, [api.address])}
    with (
        trials.part("drain: it works"),
        platform.start(files=files) as first,
        Fleet(first.http, lambda r: api.stored.get(r.key) == r, DEVICES, _MANNER) as fleet,
    ):
        fleet.await_more(_STEADY)
        with trials.check("drain: killed and started again under load, it costs no reading"):
            first.signal("SIGKILL")
            with platform.start(files=files) as second, platform.start(files=files) as third:
                second.wait_until_ready()
                fleet.address = second.http
                fleet.await_more(_STEADY)
                third.wait_until_ready()
                _drain(trials, fleet, second, times)
                fleet.address = third.http
                fleet.await_more(_STEADY)
                fleet.settle()
        with trials.check("drain: every reading is stored, once and as it was measured"):
            fleet.expect_stored(api.stored)
        trials.figure("drain readings", len(fleet.seen.sent), "readings")
        lost = fleet.seen.acknowledged - api.stored.keys()
        trials.figure("drain failures", len(lost), "readings", 0)


def _drain(trials: Trials, fleet: Fleet, instance: Instance, times: Times) -> None:
    begin = time.monotonic()
    instance.signal("SIGTERM")
    with trials.check("drain: readiness turns at once, and devices are served on"):
        wait_until("503 of /readyz", lambda: readiness(instance.admin) == _UNREADY, AT_ONCE, _POLL)
        fleet.await_more(_STEADY)
    with trials.check("drain: exit code 0 within the grace period, nothing acknowledged that is not stored"):
        code = instance.exit_code(times.grace)
        took = time.monotonic() - begin
        expect(code == 0, f"expected exit code 0, got {code}; log:\n{instance.last_words()}")
        expect(
            took >= times.delay - 0.2,
            f"expected it to serve for {times.delay:g} s, it ended after {took:.1f} s",
        )
        trials.figure("drain duration", took, "s", times.grace)
        fleet.expect_nothing_wrong()


def try_signals(trials: Trials, platform: Platform, config: str, project: str, api: Api) -> None:
    """Ends that are asked for twice, from a terminal, or while readings can't be stored."""
    files = {config: configuration(project, [api.address])}
    for name in ("SIGTERM", "SIGINT"):
        code = 128 + signal.Signals[name]
        with (
            trials.check(f"stop: a second {name} ends the process at once with exit code {code}"),
            api.behaving(lambda _: b""),
            platform.start(files=files) as instance,
        ):
            _end_twice(instance, name, code)
    with (
        trials.check("stop: SIGINT from a terminal drains without delay, exit code 0"),
        platform.start(files=files, terminal=True) as instance,
    ):
        instance.wait_until_ready()
        with Line(instance.http, 0x72) as line:
            line.hello()
            _expect_end(instance, "SIGINT", 0, _TERMINAL)
    hurried = configuration(project, [api.address], 'drain = { delay = "0s", timeout = "1s" }')
    with (
        trials.check("stop: readings that can't be stored in time are not acknowledged, exit code 1"),
        api.behaving(lambda _: b""),
        platform.start(files={config: hurried}) as instance,
    ):
        instance.wait_until_ready()
        with Line(instance.http, 0x73) as line:
            _hold(line)
            _expect_end(instance, "SIGTERM", 1, PATIENCE)
            expect_same("acknowledgements", [], _until_end(line))


def _end_twice(instance: Instance, name: str, code: int) -> None:
    instance.wait_until_ready()
    with Line(instance.http, 0x71) as line:
        _hold(line)
        instance.signal(name)
        wait_until("503 of /readyz", lambda: readiness(instance.admin) == _UNREADY, AT_ONCE, _POLL)
        _expect_end(instance, name, code, AT_ONCE)


def _expect_end(instance: Instance, name: str, code: int, within: float) -> None:
    """Send a signal, which has to end the process with that code within so many seconds."""
    begin = time.monotonic()
    instance.signal(name)
    seen = instance.exit_code(PATIENCE)
    took = time.monotonic() - begin
    expect(seen == code, f"expected exit code {code}, got {seen}; log:\n{instance.last_words()}")
    expect(took < within, f"expected the end within {within:g} s, it took {took:.1f} s")


def _hold(line: Line) -> None:
    """Send readings; a welcome that comes behind them says that they were read."""
    epoch = line.hello()
    for number in range(1, _HELD + 1):
        line.read(epoch, number)
    line.hello()


def _until_end(line: Line) -> list[int]:
    """The numbers of all acknowledgements that come before the connection ends."""
    acks: list[int] = []
    try:
        while (frame := line.next(PATIENCE)) is not None:
            acks += [frame.sequence] if frame.kind == frames.ACK else []
    except (Unmet, ConnectionError):
        pass
    return acks
