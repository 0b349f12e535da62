"""What a worker promises: each reading counts once, poison blocks nobody, and a drain loses nothing."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from bedplate.render import checkout
from bedplate.verify.probe.broker import try_broker
from bedplate.verify.probe.counted import (
    ACCEPTED,
    HELD,
    Reading,
    count,
    encoded,
    expect_windows,
    made,
    post,
    readings_of,
    settled_of,
    windows_of,
)
from bedplate.verify.probe.drain import AT_ONCE, Times
from bedplate.verify.probe.lifecycle import try_bad_configuration, try_start
from bedplate.verify.probe.metrics import scrape, total
from bedplate.verify.probe.platform import Instance, Platform, readiness
from bedplate.verify.probe.queue import Broker
from bedplate.verify.probe.stored import try_stored
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until
from bedplate.verify.probe.vectors import Case, load, payload
from bedplate.verify.probe.wire import request

READY_MS: Final = 50
_PATIENCE: Final = 15.0
_SEED: Final = 20261118
_DEVICES: Final = ("0000002a", "a", "a-1", "b")
_POISON: Final = b'{"readings":[{"device":"A"}]}'
_CLIENTS: Final = 8
_BACKLOG: Final = 3_000
"""Messages of a hundred readings, as fast as they are taken: three times what a store in memory holds."""
_MEMORY: Final = 128.0
"""MB that a worker in memory may hold under a backlog, which is half of what it is given."""
_FULL: Final = 503


def try_worker(
    trials: Trials, platform: Platform, times: Times, broker: Broker | None, database: str | None
) -> None:
    """All that is promised: with broker and store in memory, then with those of images, if there are any."""
    image = platform.client.images.get(platform.image)
    if not try_start(trials, platform, image.labels, READY_MS):
        trials.skip("everything else", "the worker never became ready")
        return
    wrong = {"ADMIN_ADDR": "nowhere", "CONCURRENCY": "none"}
    try_bad_configuration(trials, platform, ("ADMIN_ADDR", "CONCURRENCY"), environment=wrong)
    with trials.part("windows: it works"), platform.start() as counting:
        counting.wait_until_ready()
        _try_counting(trials, counting)
        # Meanwhile windows are held.
        with trials.part("messages: it works"), platform.start() as instance:
            instance.wait_until_ready()
            _try_messages(trials, instance)
        with trials.part("backlog: it works"), platform.start() as instance:
            instance.wait_until_ready()
            _try_backlog(trials, instance)
        _try_drain(trials, platform, times)
        _try_signals(trials, platform, times)
        _try_closing(trials, counting)
    if broker and platform.direct:
        with trials.part("broker: it answers"), broker(platform) as queue:
            try_broker(trials, platform, queue)
    elif broker:
        trials.skip("broker: everything", "the engine runs elsewhere and can't reach a broker of ours")
    if database and (platform.direct or not broker):
        try_stored(trials, platform, database, broker)
    elif database:
        trials.skip("store: everything", "the engine runs elsewhere and can't reach a broker of ours")


def _try_counting(trials: Trials, instance: Instance) -> None:
    chance = random.Random(_SEED)  # noqa: S311
    batches = _batches(chance)
    with trials.check("windows: each reading counts once, as another program counts"):
        for batch in batches:
            _send(instance, batch)
            if chance.random() < 0.3:  # noqa: PLR2004
                _send(instance, chance.choice(batches[max(0, batches.index(batch) - 1) :][:2]))
        wanted = count(reading for batch in batches for reading in batch)
        wait_until(
            "all readings", lambda: readings_of(instance, "added") == sum(map(len, batches)), _PATIENCE, 0.02
        )
        expect_windows(wanted, windows_of(instance))
        expect_same("late readings", 0.0, readings_of(instance, "late"))


def _try_closing(trials: Trials, instance: Instance) -> None:
    with trials.check("windows: they close when their device has come past them"):

        def closed_devices() -> set[str]:
            return {window["device"] for window in windows_of(instance) if window["closed"]}

        wait_until("closed windows of each device", lambda: closed_devices() == set(_DEVICES), HELD, 0.5)
    with trials.check("windows: a reading that comes too late changes nothing, and is counted"):
        before = windows_of(instance)
        late = readings_of(instance, "late")
        _send(instance, [made("a", 1_000_000, timedelta(0), 99.0)])
        wait_until("a late reading", lambda: readings_of(instance, "late") == late + 1, _PATIENCE, 0.02)
        expect_same("windows", before, windows_of(instance))
    with trials.check("windows: closed ones are published, once each"):
        closed = [window for window in windows_of(instance) if window["closed"]]

        def published() -> list[Any]:
            return _messages(instance, "telemetry.aggregates")

        wait_until(
            "as many messages as windows have closed", lambda: len(published()) >= len(closed), _PATIENCE, 0.1
        )
        by_place = sorted(published(), key=lambda window: (window["device"], window["start"]))
        expect(by_place == closed, f"expected {closed[:3]} and so on, got {by_place[:3]}")


def _batches(chance: random.Random) -> list[list[Reading]]:
    """Two hours of each device, in order but for what ten minutes allow."""
    readings = []
    for device in _DEVICES:
        for number in range(1, 240):
            after = timedelta(
                seconds=30 * number - chance.randrange(300), milliseconds=chance.randrange(1000)
            )
            readings.append((number, made(device, number, after, chance.randrange(-800, 800) / 8)))
    readings.sort(key=lambda numbered: numbered[0])
    ordered = [reading for _, reading in readings]
    return [ordered[i : i + 20] for i in range(0, len(ordered), 20)]


def _try_messages(trials: Trials, instance: Instance) -> None:
    template = checkout()
    poison = [_POISON, b"", b"\xff"]
    if template is None:
        trials.skip("messages: vectors", "they come with a checkout of the template, which is not here")
    else:
        poison += _refused(load(template / "contract" / "http.json"))
    with trials.check(
        f"messages: {len(poison)} that break rules become dead letters, and nobody waits for them"
    ):
        for body in poison:
            post(instance, body)
        _send(instance, [made("a", 1, timedelta(0), 1.0)])
        wait_until("the reading that came last", lambda: readings_of(instance, "added") == 1, AT_ONCE, 0.01)
        expect(settled_of(instance, "dead_letter") == 0, "expected no dead letter at once, there are some")
        wait_until(
            "all dead letters", lambda: settled_of(instance, "dead_letter") == len(poison), _PATIENCE, 0.05
        )
        expect_same("dead letters", len(poison), len(_messages(instance, "telemetry.readings.dlq")))
        expect_same(
            "tries beside the first",
            4.0 * len(poison),
            total(scrape(instance.admin), "messaging_retries_total"),
        )
    with trials.check("messages: one that is too large is refused"):
        answer = request(instance.admin, "POST", "/v1/messages", body=b" " * ((1 << 20) + 1))
        expect_same("status", 413, answer.status)
    with trials.check("messages: questions that make no sense are refused"):
        for query in ("limit=0", "device=A", "colour=red", "from=noon"):
            expect_same(query, 422, request(instance.admin, "GET", f"/v1/aggregates?{query}").status)


def _refused(cases: Iterable[Case]) -> list[bytes]:
    """Bodies that a service which stores readings refuses for what they say."""
    return [
        payload(case.request) or b""
        for case in cases
        if case.request["method"] == "POST"
        and case.request["path"] == "/v1/readings"
        and case.expect["status"] in (400, 422)
    ]


def _try_backlog(trials: Trials, instance: Instance) -> None:
    with trials.check(f"backlog: {_BACKLOG} messages stay within bounds of memory"):
        highest, sent = 0, 0
        while sent < _BACKLOG:
            batch = [made("a", 100 * sent + i, timedelta(seconds=sent), 1.0) for i in range(1, 101)]
            sent += post(instance, encoded(batch)) == ACCEPTED
            if sent % 500 == 0:
                highest = max(highest, instance.memory())
        wait_until("an end", lambda: settled_of(instance, "done") == sent, _PATIENCE, 0.05)
        expect_same("readings", 100.0 * sent, readings_of(instance, "added"))
        trials.figure("memory under a backlog", round(highest / 1e6, 1), "MB", _MEMORY)


@dataclass
class _Crowd:
    """Clients that send messages until nobody takes them."""

    admin: tuple[str, int]
    accepted: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, client: int) -> None:
        """Send until the connection is refused."""
        number = 0
        while True:
            number += 1
            body = encoded([made(f"c{client}", number, timedelta(milliseconds=number), 1.0)])
            try:
                status = request(self.admin, "POST", "/v1/messages", body=body).status
            except Exception:  # It is refused, or the answer is cut off, which promises nothing.
                return
            with self._lock:
                self.accepted += status == ACCEPTED


def _try_drain(trials: Trials, platform: Platform, times: Times) -> None:
    with trials.part("drain: it works"), platform.start() as instance:
        instance.wait_until_ready()
        crowd = _Crowd(instance.admin)
        clients = [threading.Thread(target=crowd.send, args=(i,), daemon=True) for i in range(_CLIENTS)]
        for client in clients:
            client.start()
        wait_until("messages", lambda: crowd.accepted > 100, _PATIENCE, 0.01)  # noqa: PLR2004
        begin = time.monotonic()
        instance.signal("SIGTERM")
        with trials.check("drain: readiness turns at once"):
            wait_until("503 of /readyz", lambda: readiness(instance.admin) == _FULL, AT_ONCE, 0.01)
        with trials.check("drain: exit code 0 within 10 s"):
            expect_same("exit code", 0, instance.exit_code(times.grace))
            took = time.monotonic() - begin
            trials.figure("drain duration", took, "s", 10)
            expect(took >= times.delay, f"expected it to work on for {times.delay:g} s, it took {took:.1f} s")
        for client in clients:
            client.join(_PATIENCE)
        with trials.check("drain: every message that was accepted is settled"):
            lines = [json.loads(line) for line in instance.log()]
            settled = next(line for line in lines if line["msg"] == "settled")
            lost = crowd.accepted - settled["done"]
            trials.figure("drain messages", crowd.accepted, "messages")
            trials.figure("drain failures", max(0, lost), "messages", 0)
            expect(lost <= 0 and settled["aborted"] == 0, f"accepted {crowd.accepted}, got {settled}")


def _try_signals(trials: Trials, platform: Platform, times: Times) -> None:
    for name in ("SIGTERM", "SIGINT"):
        code = 128 + signal.Signals[name]
        with trials.check(f"stop: a second {name} ends the process at once with exit code {code}"):
            _end_twice(platform, name, code)
    with trials.check("stop: SIGINT drains without delay, exit code 0"), platform.start() as instance:
        instance.wait_until_ready()
        begin = time.monotonic()
        instance.signal("SIGINT")
        expect_same("exit code", 0, instance.exit_code(times.grace))
        expect(time.monotonic() - begin < times.delay, "expected an end before the delay of a drain")
    hurried = {"DRAIN_DELAY": "0s", "DRAIN_TIMEOUT": "1ms"}
    with (
        trials.check("stop: messages that have to be handed back make the exit code 1"),
        platform.start(environment=hurried) as instance,
    ):
        instance.wait_until_ready()
        post(instance, _POISON)
        instance.signal("SIGTERM")
        expect_same("exit code", 1, instance.exit_code(times.grace))


def _end_twice(platform: Platform, name: str, code: int) -> None:
    with platform.start(environment={"DRAIN_DELAY": "1h"}) as instance:
        instance.wait_until_ready()
        post(instance, _POISON)  # which takes seconds, so that there is something to wait for
        instance.signal(name)
        wait_until("503 of /readyz", lambda: readiness(instance.admin) == _FULL, AT_ONCE, 0.01)
        begin = time.monotonic()
        instance.signal(name)
        expect_same("exit code", code, instance.exit_code(_PATIENCE))
        took = time.monotonic() - begin
        expect(took < AT_ONCE, f"expected the end within {AT_ONCE:g} s, it took {took:.1f} s")


def _send(instance: Instance, batch: Sequence[Reading]) -> None:
    expect_same("status of a message", ACCEPTED, post(instance, encoded(batch)))


def _messages(instance: Instance, subject: str) -> list[Any]:
    return list(request(instance.admin, "GET", f"/v1/messages/{subject}").json()["messages"])
