"""A worker whose results are in a database: each reading counts once there, whoever is killed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bedplate.verify.probe.broker import (
    DEVICES,
    GRACE,
    WITHIN,
    Publisher,
    await_more,
    numbered,
    place_of,
    publishing,
)
from bedplate.verify.probe.counted import (
    ACCEPTED,
    count,
    encoded,
    expect_windows,
    post,
    readings_of,
    settled_of,
    windows_of,
)
from bedplate.verify.probe.database import Database
from bedplate.verify.probe.metrics import scrape, total
from bedplate.verify.probe.outage import try_database
from bedplate.verify.probe.platform import Instance, Platform, readiness
from bedplate.verify.probe.queue import Broker, Queue
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until

_POLL: Final = 0.1
_AGAIN: Final = 100
"""Last messages that come once more after all, as those do whose acknowledgement is lost."""
_ENOUGH: Final = 1_000
"""Messages whose readings reach over so many minutes that windows close."""
_CLOSED: Final = 60.0
"""Seconds until a chore closes windows."""


def try_stored(trials: Trials, platform: Platform, image: str, broker: Broker | None) -> None:
    """All that is promised of a worker with a PostgreSQL, and a broker if there is one."""
    with ExitStack() as beside:
        database = beside.enter_context(Database(platform, image))
        try_database(trials, platform, database)
        if broker:
            queue = beside.enter_context(broker(platform))
            platform.environment[queue.setting] = queue.url
            with trials.part("store: it works"):
                _try_workers(trials, platform, database, queue)
        else:
            with trials.part("store: it works"), platform.start() as instance:
                instance.wait_until_ready()
                _try_worker(trials, instance, database)


def _try_worker(trials: Trials, instance: Instance, database: Database) -> None:
    """What a worker holds in its memory ends with it, so that only the database is killed."""
    with publishing(lambda: _over_http(instance)) as publisher:
        await_more(publisher)
        _kill_database(trials, instance, database, publisher)
        publisher.over.set()
        with trials.check("store: every reading that was accepted counts once in the database"):
            messages = publisher.published + _publish_again(publisher)
            wait_until("all messages", lambda: settled_of(instance, "done") >= messages, WITHIN, _POLL)
            _expect_stored(instance, database, publisher)


def _try_workers(trials: Trials, platform: Platform, database: Database, queue: Queue) -> None:
    """Two workers share the messages. One of them is killed, and another takes its place."""
    with (
        platform.start() as first,
        platform.start() as second,
        publishing(queue.publishing) as publisher,
    ):
        first.wait_until_ready()
        second.wait_until_ready()
        await_more(publisher)
        _kill_database(trials, second, database, publisher)
        with trials.check("store: a worker is killed under load, and others go on"):
            expect(settled_of(first, "done") > 0, "expected that both had a part, one had none")
            first.signal("SIGKILL")
            await_more(publisher)
        with platform.start() as third, platform.start() as fourth:
            third.wait_until_ready()
            fourth.wait_until_ready()
            await_more(publisher)
            wait_until("messages", lambda: publisher.published > _ENOUGH, WITHIN, _POLL)
            publisher.over.set()
            with trials.check("store: every reading that was published counts once in the database"):
                wait_until("an end of the messages", lambda: not queue.left(), WITHIN, _POLL)
                _publish_again(publisher)
                wait_until("an end of the messages", lambda: not queue.left(), WITHIN, _POLL)
                for instance in (second, third, fourth):
                    expect_same("late readings", 0.0, readings_of(instance, "late"))
                _expect_stored(third, database, publisher)
            with trials.check("store: a worker is killed with windows in the outbox, others publish them"):
                _kill_with_outbox(second, third, database, queue)
            with trials.check("store: both workers drain with exit code 0"):
                for instance in (third, fourth):
                    instance.signal("SIGTERM")
                    expect_same("exit code", 0, instance.exit_code(GRACE))


def _kill_database(trials: Trials, instance: Instance, database: Database, publisher: Publisher) -> None:
    with trials.check("store: while the database is away nothing is settled, and readiness stays"):
        database.kill()
        wait_until("db_up 0", lambda: total(scrape(instance.admin), "db_up") == 0, WITHIN, _POLL)
        before = settled_of(instance, "done")
        await_more(publisher)
        expect_same("settled messages", before, settled_of(instance, "done"))
        expect_same("status of /readyz", 200, readiness(instance.admin))
    with trials.check("store: it goes on by itself when the database is back"):
        database.restart()
        await_more(publisher)
        wait_until("more", lambda: settled_of(instance, "done") > before, WITHIN, _POLL)
        expect(instance.is_running(), "expected the same process, it was started again")


def _publish_again(publisher: Publisher) -> int:
    """Publish the last messages anew; how many those were."""
    again = range(max(1, publisher.published - _AGAIN + 1), publisher.published + 1)
    with publisher.connect() as publish:
        for number in again:
            publish(encoded([numbered(number)]))
    return len(again)


def _stored(database: Database) -> int:
    return int(database.ask("SELECT coalesce(sum(readings), 0) FROM windows"))


def _expect_stored(instance: Instance, database: Database, publisher: Publisher) -> None:
    stored = _stored(database)
    # One more may be held than it was told of.
    expect(
        publisher.published <= stored <= publisher.published + 1,
        f"{publisher.published} were published, {stored} counted",
    )
    expect_windows(count(map(numbered, range(1, stored + 1))), windows_of(instance, *DEVICES))


def _kill_with_outbox(victim: Instance, other: Instance, database: Database, queue: Queue) -> None:
    def waiting() -> int:
        return int(database.ask("SELECT count(*) FROM outbox"))

    def due() -> int:
        return int(database.ask("SELECT count(*) FROM devices WHERE reached >= open + interval '11 minutes'"))

    queue.kill()
    # As if what devices have reached had stood for long enough.
    database.ask("UPDATE devices SET mark = reached, marked = now() - interval '1 hour'")
    wait_until("windows in the outbox", lambda: waiting() > 0 and not due(), _CLOSED, _POLL)
    victim.signal("SIGKILL")
    queue.restart()
    wait_until("an empty outbox", lambda: not waiting(), WITHIN, _POLL)
    closed = [window for window in windows_of(other, *DEVICES) if window["closed"]]
    # One that was published when the worker was killed may come again.
    published = {place_of(window): window for window in queue.published()}
    expect_same("windows", closed, [published[place] for place in sorted(published)])
    wait_until("outbox_windows 0", lambda: total(scrape(other.admin), "outbox_windows") == 0, WITHIN, _POLL)


@contextmanager
def _over_http(instance: Instance) -> Iterator[Callable[[bytes], None]]:
    yield lambda body: expect_same("status", ACCEPTED, post(instance, body))
