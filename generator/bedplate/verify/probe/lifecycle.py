"""Starting: how soon it is ready, what it logs from its first line on, and what it says it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.trial import Trials, Unmet, expect, expect_same, wait_until
from bedplate.verify.probe.wire import request

STARTS: Final = 5
CONFIGURATION: Final = 78
"""EX_CONFIG of sysexits.h."""
_LOG_WITHIN: Final = 5.0
_LOG_MEMBERS: Final = frozenset({"level"})


def try_start(trials: Trials, platform: Platform, labels: Mapping[str, str], budget_ms: float | None) -> bool:
    """Start the image several times, then look at what one instance says of itself; false if none is ready.

    Start to ready is counted from the moment at which the engine had the process running
    (`State.StartedAt`; creating namespaces, network and mounts comes before and is not the image's
    doing) to the first 200 of /readyz, asked without pause. The shortest is reported and held to the budget:
    a machine that does something else adds to a start, and takes nothing away.
    """
    seconds: list[float] = []
    with trials.check(f"start: ready every time of {STARTS}"):
        for _ in range(STARTS):
            with platform.start() as instance:
                seconds.append(instance.wait_until_ready())
        figures = sorted(1000 * second for second in seconds)
        trials.figure("start to ready", round(figures[0], 1), "ms", budget_ms)
        trials.note("start to ready, all starts: " + ", ".join(f"{figure:.1f} ms" for figure in figures))
    if not seconds:
        return False
    with trials.part("start: and stays"), platform.start() as instance:
        instance.wait_until_ready()
        _try_running(trials, instance, labels)
        trials.figure("memory idle", round(instance.memory() / 1e6, 1), "MB")
        instance.signal("SIGINT")
        with trials.check("log: one JSON object a line, from the first to the last"):
            instance.exit_code(30)
            _expect_json(instance.log())
    return True


def try_bad_configuration(trials: Trials, platform: Platform, problems: Sequence[str], **start: Any) -> None:
    """Start with a configuration in which `problems` are wrong: exit 78, and all of them are named."""
    with (
        trials.check("start: a bad configuration ends it with exit code 78 and every problem listed"),
        platform.start(**start) as instance,
    ):
        code = instance.exit_code(10)
        with suppress(Unmet):  # A busy engine has the last lines of a process a while after its end.
            wait_until("a log", lambda: bool(instance.log()), _LOG_WITHIN, 0.1)
        log = "\n".join(instance.log())
        expect(code == CONFIGURATION, f"expected exit code {CONFIGURATION}, got {code}; log:\n{log}")
        unsaid = [problem for problem in problems if problem not in log]
        expect(not unsaid, f"expected {list(problems)} in the log, missing are {unsaid}; log:\n{log}")


def _try_running(trials: Trials, instance: Instance, labels: Mapping[str, str]) -> None:
    with trials.check("start: alive and ready on the admin port"):
        for path in ("/livez", "/readyz"):
            answer = request(instance.admin, "GET", path)
            expect_same(f"status of {path}", 200, answer.status)
    with trials.check("version: /version reports the version and revision of the image's labels"):
        told = request(instance.admin, "GET", "/version").json()
        for member in ("version", "revision"):
            label = labels.get(f"org.opencontainers.image.{member}")
            expect_same(f"{member}, by the label", label, told.get(member))
    with trials.check("log level: can be read and changed while it runs"):
        before = request(instance.admin, "GET", "/log-level")
        changed = request(instance.admin, "PUT", "/log-level", body=b"debug")
        after = request(instance.admin, "GET", "/log-level")
        statuses = [answer.status for answer in (before, changed, after)]
        expect_same("statuses of GET, PUT and GET /log-level", [200, 200, 200], statuses)
        expect(b"debug" in after.body.lower(), f"expected debug after PUT debug, got {after}")


def _expect_json(lines: Sequence[str]) -> None:
    expect(bool(lines), "expected a log, got nothing")
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        expect(isinstance(entry, dict), f"expected a JSON object, line {number} is {line[:200]!r}")
        names = {name.lower() for name in entry}
        expect(names >= _LOG_MEMBERS, f"expected a level, line {number} is {line[:200]!r}")
