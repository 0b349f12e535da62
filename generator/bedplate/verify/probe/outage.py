"""A service and its database: what comes before the first start, and an outage under load.

Devices send readings one by one and resend each until it is acknowledged, while the database is killed and
started again. What they were told must then be what the database holds.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from bedplate.verify.probe.database import NAME, Database
from bedplate.verify.probe.metrics import scrape, total
from bedplate.verify.probe.platform import Instance, Platform, readiness
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until
from bedplate.verify.probe.wire import JSON, Answer, Caller

DEVICES: Final = 8
STEADY: Final = 20
"""Readings of each device that are acknowledged before the outage, and again after it."""
_WITHIN: Final = 30.0
_PAUSE: Final = 0.02
_GIVES_UP_AFTER: Final = 30.0
_GIVES_UP_WITHIN: Final = 45.0
"""Seconds for which a service waits for its database when it starts, and for the check of that."""
_AT_ONCE: Final = 10.0
_URL: Final = "DATABASE_URL"


def try_database(trials: Trials, platform: Platform, database: Database) -> None:
    """Start without what has to be there, then migrate. Every later container is given the database."""
    nowhere = {_URL: f"postgres://{NAME}:{NAME}@127.0.0.1:1/{NAME}"}
    with trials.part("database: it starts"), platform.start(environment=nowhere) as waiting:
        for name, url, code, said in (
            ("a URL that is none", NAME, 78, "database-url"),
            ("a wrong password", database.url_with("wrong"), 1, "password authentication failed"),
            ("a database that is not there", database.url_with(NAME, "nothing"), 1, "does not exist"),
            ("no schema", database.url, 1, "migrate up"),
        ):
            with trials.check(f"database: {name} ends it with {code}, and the log says why"):
                _expect_end(platform, url, code, said)
        with trials.check("database: migrate up, twice, and status end with 0"):
            migrate(platform, database, "up", "up", "status")
        with trials.check(f"database: one that never answers is given up after {_GIVES_UP_AFTER:g} s"):
            expect_same("exit code", 1, waiting.exit_code(_GIVES_UP_WITHIN))
            took = time.time() - waiting.started
            expect(took >= _GIVES_UP_AFTER, f"it was given up after {took:.1f} s")
            expect(
                "for the database" in waiting.last_words(),
                f"the log does not say so:\n{waiting.last_words()}",
            )


def migrate(platform: Platform, database: Database, *actions: str) -> None:
    """Run actions of `migrate`, which must succeed, on the database that every later container is given."""
    platform.environment[_URL] = database.url
    for action in actions:
        with platform.start(["migrate", action]) as job:
            ended = job.exit_code(_WITHIN)
            expect(ended == 0, f"migrate {action} ended with {ended}; log:\n{job.last_words()}")


def _expect_end(platform: Platform, url: str, code: int, said: str) -> None:
    with platform.start(environment={_URL: url}) as instance:
        ended = instance.exit_code(_AT_ONCE)
        log = "\n".join(instance.log())
        expect(ended == code and said in log, f"expected {code} and {said!r}, got {ended}; log:\n{log}")
        expect(":wrong@" not in log, f"expected no password in the log:\n{log}")


@dataclass(frozen=True)
class Keeping:
    """How readings are given to a service, as JSON, and how it refuses them while it can't store any."""

    target: str
    refused: Callable[[Answer], None]
    """Raises `Unmet` when an answer other than 200 is not what is documented for that."""


@dataclass
class Device:
    """Sends its readings in order, each until it is acknowledged. The lists are only added to."""

    name: str
    caller: Caller
    target: str
    acknowledged: int = 0
    answers: list[Answer] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Why requests got no answer."""

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set."""
        while not stop.is_set():
            if self._send(self.acknowledged + 1):
                self.acknowledged += 1
            time.sleep(_PAUSE)

    def batch(self, first: int, last: int) -> bytes:
        """The body of a request that stores the readings from the first to the last."""
        readings = [
            {
                "device": self.name,
                "epoch": 1,
                "sequence": sequence,
                "measured_at": "2026-11-18T11:06:41.250Z",
                "value": sequence,
            }
            for sequence in range(first, last + 1)
        ]
        return json.dumps({"readings": readings}).encode()

    def _send(self, sequence: int) -> bool:
        try:
            answer = self.caller.request("POST", self.target, [JSON], self.batch(sequence, sequence))
        except Exception as error:  # Whatever becomes of a request is what is looked at.
            self.lost.append(f"{type(error).__name__}: {error}")
            return False
        self.answers.append(answer)
        return answer.status == 200  # noqa: PLR2004


def try_outage(trials: Trials, platform: Platform, database: Database, keeping: Keeping) -> None:
    """Kill the database under load and start it again; judge what was answered and what is stored."""
    database.empty()
    with trials.part("outage: it serves"), platform.start(environment={"REQUEST_TIMEOUT": "4s"}) as instance:
        instance.wait_until_ready()
        devices = [Device(f"outage-{number}", instance.caller, keeping.target) for number in range(DEVICES)]
        with sending(devices):
            steady(devices)
            with trials.check("outage: db_up turns to 0, and readiness stays"):
                database.kill()
                _wait("db_up 0", lambda: _up(instance) == 0)
                _wait("a refusal for every device", lambda: all(_refused(device) for device in devices))
                expect_same("status of /readyz", 200, readiness(instance.admin))
            database.restart()
            with trials.check("outage: it goes on by itself when the database is back"):
                steady(devices)
                _wait("db_up 1", lambda: _up(instance) == 1)
                expect(instance.is_running(), "expected the same process, it was started again")
        _judge(trials, devices, database, keeping)


@contextmanager
def sending(devices: Sequence[Device]) -> Iterator[None]:
    """Have all devices send, each on its own, until the end of the with block."""
    stop = threading.Event()
    threads = [threading.Thread(target=device.run, args=(stop,)) for device in devices]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def steady(devices: Sequence[Device]) -> None:
    """Wait until `STEADY` more readings of each device are acknowledged; raises `Unmet` when they are not."""
    goal = {device.name: device.acknowledged + STEADY for device in devices}
    _wait(
        f"{STEADY} more readings of each device",
        lambda: all(device.acknowledged >= goal[device.name] for device in devices),
    )


def _wait(what: str, holds: Callable[[], bool]) -> None:
    wait_until(what, holds, _WITHIN, _PAUSE)


def _up(instance: Instance) -> float:
    return total(scrape(instance.admin), "db_up")


def _refused(device: Device) -> bool:
    return any(answer.status != 200 for answer in device.answers)  # noqa: PLR2004


def _judge(trials: Trials, devices: Sequence[Device], database: Database, keeping: Keeping) -> None:
    answers = [answer for device in devices for answer in device.answers]
    statuses = Counter(answer.status for answer in answers)
    with trials.check("outage: every request is answered, with 200 or a refusal that is documented"):
        lost = [reason for device in devices for reason in device.lost]
        expect(not lost, f"expected an answer to each, {len(lost)} got none: {lost[:3]}")
        for answer in answers:
            if answer.status != 200:  # noqa: PLR2004
                keeping.refused(answer)
    with trials.check("outage: nothing that was acknowledged is lost, and nothing is stored twice"):
        rows = database.ask(
            "SELECT device, count(*), max(sequence), d.readings"
            " FROM readings r JOIN devices d USING (device) GROUP BY device, d.readings"
        )
        # The last one may be stored although nobody was there to hear of it.
        stored = {
            device: set(map(int, counts)) for device, *counts in (row.split("|") for row in rows.split())
        }
        for device in devices:
            expected = ({device.acknowledged}, {device.acknowledged + 1})
            seen = stored.get(device.name, set())
            expect(seen in expected, f"{device.name}: {device.acknowledged} acknowledged, stored {seen}")
    trials.figure("outage requests", len(answers), "requests")
    trials.note(f"outage: statuses were {dict(statuses)}")
