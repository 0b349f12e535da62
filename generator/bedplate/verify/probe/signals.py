"""How a process ends when it is asked to: from a terminal, twice, or with work that does not end."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any, Final

from bedplate.verify.probe.drain import AT_ONCE, SlowRequest, Times
from bedplate.verify.probe.platform import Instance, Platform, readiness
from bedplate.verify.probe.trial import Trials, Unmet, expect
from bedplate.verify.probe.wire import Line

_POLL: Final = 0.01
_TERMINAL: Final = 3.0
"""Seconds that a person waits for a program without work to end."""


def try_signals(
    trials: Trials,
    platform: Platform,
    times: Times,
    slow: SlowRequest,
    hurried: Mapping[str, Any],
    **start: Any,
) -> None:
    """Send signals without load. With `hurried` given to `Platform.start`, a drain takes a second."""
    for name in ("SIGTERM", "SIGINT"):
        code = 128 + signal.Signals[name]
        with (
            trials.check(f"stop: a second {name} ends the process at once with exit code {code}"),
            platform.start(**start) as instance,
        ):
            _end_twice(instance, name, code, times, slow)
    with (
        trials.check("stop: SIGINT from a terminal drains without delay, exit code 0"),
        platform.start(terminal=True, **start) as instance,
    ):
        instance.wait_until_ready()
        begin = time.monotonic()
        instance.signal("SIGINT")
        seen = instance.exit_code(times.grace)
        took = time.monotonic() - begin
        expect(seen == 0, f"expected exit code 0, got {seen}; log:\n{instance.last_words()}")
        expect(took < _TERMINAL, f"expected the end within {_TERMINAL:g} s, it took {took:.1f} s")
    with (
        trials.check("stop: work that has to be aborted makes the exit code 1"),
        platform.start(**hurried) as instance,
    ):
        instance.wait_until_ready()
        with Line(instance.http) as line:
            line.send(slow.first)
            instance.signal("SIGTERM")
            seen = instance.exit_code(times.grace)
            expect(seen == 1, f"expected exit code 1, got {seen}; log:\n{instance.last_words()}")


def _end_twice(instance: Instance, name: str, code: int, times: Times, slow: SlowRequest) -> None:
    instance.wait_until_ready()
    with Line(instance.http) as line:
        line.send(slow.first)
        instance.signal(name)
        _wait_until_unready(instance)
        begin = time.monotonic()
        instance.signal(name)
        seen = instance.exit_code(times.grace)
        took = time.monotonic() - begin
    expect(seen == code, f"expected exit code {code}, got {seen}; log:\n{instance.last_words()}")
    expect(took < AT_ONCE, f"expected the end within {AT_ONCE:g} s, it took {took:.1f} s")


def _wait_until_unready(instance: Instance) -> None:
    deadline = time.monotonic() + AT_ONCE
    while readiness(instance.admin) == 200:  # noqa: PLR2004
        if time.monotonic() > deadline:
            raise Unmet("still ready a second after the first signal")
        time.sleep(_POLL)
