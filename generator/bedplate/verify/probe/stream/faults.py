"""An API that fails in every way: nothing is acknowledged too soon, and in the end all of it is stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from bedplate.verify.probe.stream.api import Api, Behaviour, Key, Reading, answer, problem
from bedplate.verify.probe.stream.device import Manner
from bedplate.verify.probe.stream.fleet import PATIENCE, Fleet
from bedplate.verify.probe.stream.serving import POLL
from bedplate.verify.probe.trial import Trials, expect, wait_until
from bedplate.verify.probe.wire import Address

DEVICES: Final = 20
MANNER: Final = Manner(rate=50)
STEADY: Final = 100
"""Readings that are acknowledged before a fault, and again after it."""
ASKED: Final = 5
"""Requests that a fault meets."""
LATER: Final = 1
"""Seconds of a Retry-After."""
_EARLY: Final = 0.05
_AWAY: Final = 0.5
"""Seconds without an API."""
_ENDLESS: Final = 4 << 20

FAULTS: Final[Mapping[str, bytes]] = {
    "fails": problem(500),
    "is overloaded": problem(503, Retry_After="0"),
    "does not like the requests": problem(400),
    "asks for credentials": problem(401),
    "is another service": answer(404),
    "does not take JSON": problem(415),
    "redirects": answer(302, Location="http://127.0.0.1:1/"),
    "answers garbage": b"nonsense\r\n\r\n",
    "hangs up": b"",
    "cuts its answer off": answer(200, {"accepted": 1, "duplicates": 0}, Connection="close")[:10],
    "answers more than anybody asked for": answer(500, "x" * _ENDLESS),
}
"""What is answered to every request, by what an API does then."""


def try_faults(trials: Trials, address: Address, api: Api, patience: float = PATIENCE) -> Api:
    """All of it, under load; the API that is there at the end, which has what the first one had."""
    with Fleet(
        address, lambda reading: api.stored.get(reading.key) == reading, DEVICES, MANNER, patience=patience
    ) as fleet:
        fleet.await_more(STEADY)
        for name, told in FAULTS.items():
            with trials.check(f"faults: an API that {name} costs no reading"):
                _outlast(fleet, api, _always(told))
        with trials.check("faults: an API that answers nothing costs no reading"), _silence() as silent:
            _outlast(fleet, api, silent)
        with trials.check(f"faults: after a 429 its Retry-After of {LATER} s is waited for"):
            throttle = Throttle(api)
            _outlast(fleet, api, throttle)
            expect(not throttle.early, f"expected {LATER} s between two tries, got {throttle.early[:5]}")
        with (
            trials.check("faults: batches that are too large are halved, down to single readings"),
            api.behaving(single := Single(api)),
        ):
            _get_through(fleet, single)
        api = _restart(trials, fleet, api)
        with trials.check("faults: every reading is stored, once and as it was measured"):
            fleet.settle()
            fleet.expect_stored(api.stored)
        trials.figure("readings through faults of the API", len(fleet.seen.sent), "readings")
        with trials.check("faults: every request was as the contract has it"):
            wrong = [*api.malformed, *api.wrong]
            expect(not wrong, f"expected nothing wrong, got {wrong[:3]}")
    return api


def _outlast(fleet: Fleet, api: Api, behaviour: Behaviour) -> None:
    """Have some requests meet a fault, and everything go on after it."""
    before = api.batches
    with api.behaving(behaviour):
        wait_until("requests", lambda: api.batches >= before + ASKED, fleet.patience, POLL)
        fleet.expect_nothing_wrong()
    fleet.await_more(STEADY)


def _always(told: bytes) -> Behaviour:
    return lambda _: told


@dataclass
class Single:
    """Takes nothing but single readings, and notes what it refused."""

    api: Api
    refused: list[Key] = field(default_factory=list)

    def __call__(self, readings: Sequence[Reading]) -> bytes:
        """Answer a batch."""
        if len(readings) == 1:
            return self.api.store(readings)
        self.refused += [reading.key for reading in readings]
        return problem(413)

    def took(self, count: int) -> bool:
        """Whether the first readings that it refused, so many, came singly after that."""
        return self.api.stored.keys() >= set(self.refused[:count])


def _get_through(fleet: Fleet, single: Single) -> None:
    """Have what comes in batches stored by an API that takes none: acknowledgements may be of before it."""
    wait_until("refused readings", lambda: len(single.refused) >= STEADY, fleet.patience, POLL)
    wait_until("the same readings, singly", lambda: single.took(STEADY), fleet.patience, POLL)
    fleet.expect_nothing_wrong()


@contextmanager
def _silence() -> Iterator[Behaviour]:
    """No answer until the end of the with block, and then an end of the connection."""
    over = threading.Event()

    def wait(_: Sequence[Reading]) -> bytes:
        over.wait()
        return b""

    try:
        yield wait
    finally:
        over.set()


@dataclass
class Throttle:
    """Refuses a few batches with a Retry-After, and notes which readings come again before that is over."""

    api: Api
    early: list[float] = field(default_factory=list)
    _until: dict[Key, float] = field(default_factory=dict)
    _refused: int = 0

    def __call__(self, readings: Sequence[Reading]) -> bytes:
        """Answer a batch."""
        now = time.monotonic()
        left = [self._until[reading.key] - now for reading in readings if reading.key in self._until]
        self.early += [seconds for seconds in left if seconds > _EARLY]
        self._refused += 1
        if self._refused > ASKED:
            return self.api.store(readings)
        self._until |= {reading.key: now + LATER for reading in readings}
        return problem(429, Retry_After=str(LATER))


def _restart(trials: Trials, fleet: Fleet, api: Api) -> Api:
    with trials.check("faults: an API that is gone and comes back costs no reading"):
        host, port = api.address
        api.close()
        threading.Event().wait(_AWAY)
        fleet.expect_nothing_wrong()
        # What was stored is so for good, as in a database.
        again = Api(host, port, api.stored)
        try:
            fleet.await_more(STEADY)
        except BaseException:
            again.close()
            raise
        return again
    return api
