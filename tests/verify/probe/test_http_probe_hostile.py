"""What hostile input must not do: each defect gives way to some of it, and the probe tells to which."""

from __future__ import annotations

import pytest
from bedplate.verify.probe.hostile import Limits, try_hostile
from bedplate.verify.probe.trial import Trials
from bedplate.verify.probe.wire import render
from frail_images import Workshop, told

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("probe")]

LIMITS = Limits(
    header_seconds=1,
    header_bytes=16 << 10,
    documented_5xx=frozenset({501, 505}),
    samples=(render("GET", "/some"), render("POST", "/some", body=b"0123456789")),
)
DEFECTS = {
    "": "",
    "no header timeout": "hostile: a client that stops in the middle of a header",
    "no header limit": "hostile: a head over the limit",
    "500 for other methods": "hostile: 200 random streams",
    "dies of other methods": "hostile: the service survives",
    "hoards memory": "hostile: memory",
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_probe_names_what_hostile_input_does(workshop: Workshop, defect: str) -> None:
    def probe(trials: Trials) -> None:
        with workshop.platform(defect) as platform:
            try_hostile(trials, platform, LIMITS)

    wrong = told(probe)
    claim = DEFECTS[defect]
    if not claim:
        assert wrong == {}
    else:
        assert [check for check in wrong if check.startswith(claim)], wrong
