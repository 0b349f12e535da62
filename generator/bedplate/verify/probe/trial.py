"""Trying claims one by one: each becomes a check with its duration and, when it does not hold, why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from bedplate.verify.findings import Check, Figure, Findings, Status

_DETAIL_LIMIT = 4_000


class Unmet(Exception):
    """A claim does not hold; the message says what was seen instead."""


def expect(holds: bool, seen: str) -> None:
    """Raise `Unmet` with what was seen, unless the claim holds."""
    if not holds:
        raise Unmet(seen)


def expect_same(what: str, wanted: object, seen: object) -> None:
    """Raise `Unmet` with both, unless what was seen is what was wanted."""
    expect(wanted == seen, f"{what}: expected {wanted}, got {seen}")


def wait_until(what: str, holds: Callable[[], bool], within: float, pause: float = 0.0) -> None:
    """Look again and again, `pause` seconds apart; raises `Unmet` when it does not hold `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        expect(time.monotonic() < deadline, f"expected {what} within {within:g} s")
        time.sleep(pause)


class Trials:
    """Collects what a probe finds out. One claim that fails does not keep the next from being tried.

    Names of claims begin with their subject and a colon. `places` tells by subject where in a project
    to look when such a claim does not hold.
    """

    def __init__(self, places: Mapping[str, str] = MappingProxyType({})) -> None:
        self._places = places
        self._checks: list[Check] = []
        self._figures: list[Figure] = []
        self._notes: list[str] = []

    @contextmanager
    def check(self, name: str) -> Iterator[None]:
        """Try the claim `name` in a with block; whatever exception ends the block is why it failed."""
        start = time.monotonic()
        try:
            yield
        except Exception as error:  # A broken connection or a late answer is a finding like any other.
            self._fail(name, error, time.monotonic() - start)
        else:
            self._checks.append(Check(name, Status.PASSED, seconds=time.monotonic() - start))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Try several claims in a with block; only if it breaks down does `name` become one, which failed."""
        start = time.monotonic()
        try:
            yield
        except Exception as error:  # What was tried before stays on record.
            self._fail(name, error, time.monotonic() - start)

    def skip(self, name: str, why: str) -> None:
        """Record that a claim was not tried."""
        self._checks.append(Check(name, Status.SKIPPED, why))

    def figure(self, name: str, value: float, unit: str, budget: float | None = None) -> None:
        """Record a measured number; over its budget it fails the whole."""
        self._figures.append(Figure(name, value, unit, budget))

    def note(self, text: str) -> None:
        """Record what a reader of the report should know."""
        self._notes.append(text)

    def findings(self) -> Findings:
        """All that was recorded so far."""
        return Findings(tuple(self._checks), tuple(self._figures), tuple(self._notes))

    def _fail(self, name: str, error: Exception, seconds: float) -> None:
        seen = str(error) if isinstance(error, Unmet) else f"{type(error).__name__}: {error}"
        place = self._places.get(name.partition(":")[0])
        detail = seen[:_DETAIL_LIMIT] + (f"\nlook at {place}" if place else "")
        self._checks.append(Check(name, Status.FAILED, detail, seconds))
