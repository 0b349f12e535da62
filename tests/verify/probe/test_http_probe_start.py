"""What a service must not do when it starts: each defect breaks one promise, and the probe names that one."""

from __future__ import annotations

import pytest
from bedplate.verify.probe import lifecycle, platform
from bedplate.verify.probe.lifecycle import try_bad_configuration, try_start
from bedplate.verify.probe.trial import Trials
from frail_images import Workshop, told

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("probe")]

LABELS = {"org.opencontainers.image.version": "1.2.3", "org.opencontainers.image.revision": "abcdef"}
DEFECTS = {
    "": "",
    "never ready": "start: ready every time",
    "writes to disk": "start: ready every time",
    "plain first line": "log: one JSON object",
    "plain last line": "log: one JSON object",
    "tells another version": "version: ",
    "fixed log level": "log level: ",
    "ignores bad settings": "start: a bad configuration",
    "exit code 1 for bad settings": "start: a bad configuration",
    "names one problem only": "start: a bad configuration",
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_probe_names_what_is_wrong_with_a_start(
    workshop: Workshop, defect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "READY_WITHIN", 2.0)
    monkeypatch.setattr(lifecycle, "STARTS", 1)

    def probe(trials: Trials) -> None:
        wrong = {"environment": {"HTTP_ADDR": "nowhere", "DRAIN_DELAY": "soon"}}
        with workshop.platform(defect) as started:
            try_start(trials, started, LABELS, 1_000)
            try_bad_configuration(trials, started, ("HTTP_ADDR", "DRAIN_DELAY"), **wrong)

    wrong = told(probe)
    claim = DEFECTS[defect]
    if not claim:
        assert wrong == {}
    else:
        assert [check for check in wrong if check.startswith(claim)], wrong
