"""What a service must not do when it is stopped: each defect breaks one promise, and the probe names it."""

from __future__ import annotations

import pytest
from bedplate.verify.probe.drain import SlowRequest, try_drain
from bedplate.verify.probe.signals import try_signals
from bedplate.verify.probe.trial import Trials
from bedplate.verify.probe.wire import render
from frail_images import TIMES, Workshop, told

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("probe")]

STORE = render("POST", "/some", body=bytes(100))
SLOW = SlowRequest(STORE[:-20], STORE[-20:])
DRAINS = {
    "": "",
    "ready while draining": "drain: readiness turns at once",
    "no delay": "drain: serves on",
    "drops connections": "drain: no failed request",
    "shuts down as net/http does": "drain: no failed request",
    "keeps connections": "drain: every answer meanwhile ends its connection",
    "admin closes first": "drain: the admin listener closes last",
    "exit code 3": "drain: exit code 0",
}
SIGNALS = {
    "": "",
    "ignores a second signal": "stop: a second SIGTERM",
    "exit code 2 for a second signal": "stop: a second SIGINT",
    "delays for SIGINT": "stop: SIGINT from a terminal",
    "exit code 0 for aborted work": "stop: work that has to be aborted",
    "ignores SIGTERM": "stop: a second SIGTERM",
}


@pytest.mark.parametrize("defect", DRAINS)
def test_probe_names_what_is_wrong_with_a_drain(workshop: Workshop, defect: str) -> None:
    def probe(trials: Trials) -> None:
        with workshop.platform(defect) as platform:
            try_drain(trials, platform, TIMES, (render("GET", "/some"), STORE), SLOW)

    wrong = told(probe)
    claim = DRAINS[defect]
    if not claim:
        assert wrong == {}
    else:
        assert [check for check in wrong if check.startswith(claim)], wrong


@pytest.mark.parametrize("defect", SIGNALS)
def test_probe_names_what_is_wrong_with_a_stop(workshop: Workshop, defect: str) -> None:
    def probe(trials: Trials) -> None:
        hurried = {"environment": {"DRAIN_DELAY": "0s", "DRAIN_TIMEOUT": "500ms"}}
        with workshop.platform(defect) as platform:
            try_signals(trials, platform, TIMES, SLOW, hurried)

    wrong = told(probe)
    claim = SIGNALS[defect]
    if not claim:
        assert wrong == {}
    else:
        assert [check for check in wrong if check.startswith(claim)], wrong
