"""A worker and its broker: what is published counts once, whatever happens between the two."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from bedplate.verify.probe.counted import (
    HELD,
    count,
    encoded,
    expect_windows,
    made,
    readings_of,
    settled_of,
    windows_of,
)
from bedplate.verify.probe.lifecycle import try_bad_configuration
from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.queue import Queue
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until

DEVICES: Final = ("d0", "d1", "d2", "d3", "d4")
STEP: Final = 5
"""Seconds between the readings of a publisher, by their own clocks."""
STEADY: Final = 200
"""Messages that are published before a fault, and again after it."""
CUT: Final = 20.0
"""Seconds without a network."""
_PAUSE: Final = 0.002
_POISON: Final = b"{"
WITHIN: Final = 90.0
"""Seconds for what was under way to come again, which takes 30."""
GRACE: Final = 40.0


@dataclass
class Publisher:
    """Publishes numbered readings until it is told to end, and again what nobody said was held."""

    connect: Callable[[], AbstractContextManager[Callable[[bytes], None]]]
    """Gives, for the time of a with block, what publishes a message; that raises when nobody holds it."""
    over: threading.Event = field(default_factory=threading.Event)
    published: int = 0

    def run(self) -> None:
        """Publish one after the other, over a new connection after each failure."""
        while not self.over.is_set():
            try:
                with self.connect() as publish:
                    while not self.over.is_set():
                        publish(encoded([numbered(self.published + 1)]))
                        self.published += 1
                        self.over.wait(_PAUSE)
            except Exception:  # Whatever fails is tried again: the reading counts once all the same.
                self.over.wait(0.1)


def numbered(number: int) -> dict[str, Any]:
    """The reading of a publisher that has this number, from 1. A thousand later it is over an hour later."""
    return made(DEVICES[number % 5], number, timedelta(seconds=STEP * number), number % 17 / 4)


def try_broker(trials: Trials, platform: Platform, queue: Queue) -> None:
    """All that is promised of a worker with a broker of its own."""
    platform.environment[queue.setting] = queue.url
    try_bad_configuration(trials, platform, (queue.setting,), environment={queue.setting: queue.wrong})
    with (
        trials.part("broker: it works"),
        platform.start() as instance,
        publishing(queue.publishing) as publisher,
    ):
        instance.wait_until_ready()
        await_more(publisher)
        with trials.check("broker: killed and started again under load, it costs no reading"):
            queue.kill()
            queue.restart()
            await_more(publisher)
        with trials.check(f"broker: out of reach for {CUT:g} s, it costs no reading"):
            with platform.cut_off(queue.container):
                threading.Event().wait(CUT)
            queue.wait_until_ready()
            await_more(publisher)
        publisher.over.set()
        with trials.check("broker: every reading that was published counts once"):
            _expect_all(instance, publisher)
        with trials.check("broker: poison becomes a dead letter, and windows are published that have closed"):
            _expect_published(instance, queue)
        with trials.check("broker: a drain acknowledges all that it has taken"):
            instance.signal("SIGTERM")
            expect_same("exit code", 0, instance.exit_code(GRACE))
            expect_same("messages that are not acknowledged", 0, queue.left())


@contextmanager
def publishing(connect: Callable[[], AbstractContextManager[Callable[[bytes], None]]]) -> Iterator[Publisher]:
    """Publish for the time of a with block."""
    publisher = Publisher(connect)
    thread = threading.Thread(target=publisher.run, daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        publisher.over.set()
        thread.join()


def await_more(publisher: Publisher) -> None:
    """Wait for `STEADY` more messages; raises `Unmet` when they are not published."""
    wanted = publisher.published + STEADY
    wait_until(f"{STEADY} more messages", lambda: publisher.published >= wanted, WITHIN, 0.02)


def _expect_all(instance: Instance, publisher: Publisher) -> None:
    # One more may be held than it was told of.
    wait_until("all readings", lambda: readings_of(instance, "added") >= publisher.published, WITHIN, 0.1)
    expect_same("late readings", 0.0, readings_of(instance, "late"))
    numbers = range(1, int(readings_of(instance, "added")) + 1)
    expect(
        len(numbers) <= publisher.published + 1,
        f"{publisher.published} were published, {len(numbers)} counted",
    )
    expect_windows(count(map(numbered, numbers)), windows_of(instance, *DEVICES))


def place_of(window: Mapping[str, Any]) -> tuple[str, str]:
    """What tells windows apart."""
    return window["device"], window["start"]


def _expect_published(instance: Instance, queue: Queue) -> None:
    dead = settled_of(instance, "dead_letter")
    with queue.publishing() as publish:
        publish(_POISON)
    wait_until("a dead letter", lambda: settled_of(instance, "dead_letter") == dead + 1, WITHIN, 0.1)
    expect_same("dead letters", [_POISON], queue.dead_letters())

    def closed() -> list[Any]:
        return [window for window in windows_of(instance, *DEVICES) if window["closed"]]

    wait_until("windows that have closed", lambda: bool(closed()), HELD, 0.5)
    wanted = closed()
    wait_until("as many windows as have closed", lambda: len(queue.published()) >= len(wanted), WITHIN, 0.5)
    seen = queue.published()
    expect(len({place_of(window) for window in seen}) == len(seen), "expected each once, some come again")
    expect_same("windows", wanted, sorted((w for w in seen if w in wanted), key=place_of))
