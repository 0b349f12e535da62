"""A bound on what one client may ask for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.wire import Address, Answer, request

BURST: Final = 5
"""What is let through at once; one more a second after that."""
SETTINGS: Final = b"rate_limit = { per_second = 1, burst = %d }\n" % BURST
"""Have a service of the template rust-service do so."""
_PATIENCE: Final = 20.0
"""Seconds in which a client that waits as it is told must be served again."""


def try_rate(trials: Trials, platform: Platform, bounded: Mapping[str, Any]) -> None:
    """Ask faster than one may, then wait. `bounded` starts a service with a burst of `BURST` and 1/s."""
    with trials.part("rate limit: it serves"), platform.start(**bounded) as instance:
        instance.wait_until_ready()
        with trials.check("rate limit: above it a client gets 429 and hears when to come back"):
            passed, refused = _until_refused(instance.http)
            expect(passed >= BURST, f"expected at least {BURST} requests to pass, {passed} did")
            expect_same("status", HTTPStatus.TOO_MANY_REQUESTS, refused.status)
            expect_same("retry-after", "1", refused.header("retry-after"))
        with trials.check("rate limit: who waits is served again"):
            deadline = time.monotonic() + _PATIENCE
            while (answer := request(instance.http, "GET", "/")).status != HTTPStatus.OK:
                expect(time.monotonic() < deadline, f"expected 200 within {_PATIENCE:.0f} s, got {answer}")
                time.sleep(float(answer.header("retry-after") or 1))


def _until_refused(address: Address) -> tuple[int, Answer]:
    """How many requests came through before one that did not, and the answer to that."""
    deadline, passed = time.monotonic() + _PATIENCE, 0
    while (answer := request(address, "GET", "/")).status == HTTPStatus.OK and time.monotonic() < deadline:
        passed += 1
    return passed, answer
