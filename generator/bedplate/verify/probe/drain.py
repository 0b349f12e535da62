"""Stopping under load: readiness turns first, nobody loses a request, and the process ends as it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bedplate.verify.probe.load import CLOSING, Load, Record
from bedplate.verify.probe.platform import Instance, Platform, readiness
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.wire import Address, Answer, Line

CLIENTS: Final = 200
WARM_UP: Final = 1.0
"""Seconds under load before the signal comes."""
_POLL: Final = 0.02
AT_ONCE: Final = 1.0
"""Seconds that count as at once on a machine that does other things as well."""
_LATE_REQUEST: Final = 0.5
"""A request is begun this long before the listener closes, and completed after it."""


@dataclass(frozen=True)
class Times:
    """The seconds that the project promises (`drain` of the questionnaire)."""

    delay: float
    timeout: float
    grace: float


@dataclass(frozen=True)
class SlowRequest:
    """A request in two parts; a service that drains well answers it when the second comes late."""

    first: bytes
    second: bytes
    method: str = "POST"


@dataclass
class Observed:
    """What was seen of one drain. Times are of the monotonic clock."""

    signalled: float = 0.0
    turned: float | None = None
    """When /readyz first answered 503."""
    last_unready: float = 0.0
    """When /readyz last answered 503."""
    exit_code: int = -1
    ended: float = 0.0
    late_answer: Answer | str = "not sent"
    apart: bool = True
    """Whether the admin listener is one of its own, which is there to the end."""
    log: list[str] = field(default_factory=list)


def try_drain(
    trials: Trials,
    platform: Platform,
    times: Times,
    requests: Sequence[bytes],
    slow: SlowRequest,
    **start: Any,
) -> None:
    """Drain one instance under load. `start` goes to `Platform.start`."""
    with trials.part(f"drain: it ends within the grace period of {times.grace:g} s"):
        with platform.start(**start) as instance:
            instance.wait_until_ready()
            load = Load(instance.http, requests, CLIENTS)
            observed = Observed(apart=instance.http != instance.admin)
            asyncio.run(_run(instance, load, observed, times, slow))
            observed.log = instance.log()
        _judge(trials, load.record, observed, times, platform.direct)


async def _run(instance: Instance, load: Load, observed: Observed, times: Times, slow: SlowRequest) -> None:
    stop = asyncio.Event()
    clients = asyncio.create_task(load.run(stop))
    await asyncio.sleep(WARM_UP)
    observed.signalled = time.monotonic()
    await asyncio.to_thread(instance.signal, "SIGTERM")
    watch = asyncio.create_task(_watch(instance.admin, observed, stop))
    late = asyncio.create_task(_send_late(instance.http, load.record, observed, times, slow))
    try:
        observed.exit_code = await asyncio.to_thread(instance.exit_code, times.grace)
    finally:
        observed.ended = time.monotonic()
        stop.set()
        await asyncio.gather(clients, watch, late)


async def _watch(admin: Address, observed: Observed, stop: asyncio.Event) -> None:
    """Ask for readiness until the process has ended."""
    while not stop.is_set():
        if await asyncio.to_thread(readiness, admin) == 503:  # noqa: PLR2004
            observed.last_unready = time.monotonic()
            observed.turned = observed.turned or observed.last_unready
        await asyncio.sleep(_POLL)


async def _send_late(
    address: Address, record: Record, observed: Observed, times: Times, slow: SlowRequest
) -> None:
    """Begin a request while the service accepts, and complete it when it does not any more."""
    await asyncio.sleep(observed.signalled + times.delay - _LATE_REQUEST - time.monotonic())

    def converse() -> Answer:
        with Line(address) as line:
            line.send(slow.first)
            closed = time.monotonic() + _LATE_REQUEST + AT_ONCE
            while record.first_refusal is None and time.monotonic() < closed:
                time.sleep(_POLL)
            time.sleep(CLOSING)
            # The process ends with its last request, so nobody can look at /readyz afterwards.
            watched = time.monotonic() + times.timeout / 2
            while observed.apart and _unwatched(observed, record) and time.monotonic() < watched:
                time.sleep(_POLL)
            line.send(slow.second)
            return line.answer(slow.method)

    try:
        observed.late_answer = await asyncio.to_thread(converse)
    except Exception as error:  # Whatever the service does with it is what is looked at.
        observed.late_answer = f"{type(error).__name__}: {error}"


def _unwatched(observed: Observed, record: Record) -> bool:
    return observed.last_unready < (record.first_refusal or 0)


def _judge(trials: Trials, record: Record, observed: Observed, times: Times, direct: bool) -> None:
    _judge_readiness(trials, record, observed, direct)
    _judge_answers(trials, record, observed, times, direct)
    if observed.apart:
        with trials.check("drain: the admin listener closes last"):
            expect(
                not direct or observed.last_unready > (record.first_refusal or 0),
                "expected /readyz to answer after the listener has closed, it did not",
            )
    with trials.check("drain: exit code 0"):
        expect(
            observed.exit_code == 0,
            f"expected exit code 0, got {observed.exit_code}; log: {observed.log[-5:]}",
        )
    failed = record.failed(direct=direct)
    trials.figure("drain requests", record.answers, "requests")
    trials.figure("drain failures", len(failed), "requests", 0)
    trials.figure("drain duration", observed.ended - observed.signalled, "s", times.grace)
    if excused := len(record.losses) - len(failed):
        trials.note(f"drain: {excused} connections were reset by the kernel as the listener closed")


def _judge_readiness(trials: Trials, record: Record, observed: Observed, direct: bool) -> None:
    turned, refused = observed.turned, record.first_refusal
    with trials.check("drain: readiness turns at once, and before the listener closes"):
        expect(turned is not None, "expected 503 from /readyz after the signal, it never came")
        after = (turned or 0) - observed.signalled
        expect(
            after < AT_ONCE,
            f"expected 503 from /readyz within {AT_ONCE:g} s of the signal, it took {after:.2f} s",
        )
        expect(
            not direct or refused is None or (turned or 0) < refused,
            "expected 503 from /readyz before connections are refused, it came after",
        )


def _judge_answers(trials: Trials, record: Record, observed: Observed, times: Times, direct: bool) -> None:
    failed, refused = record.failed(direct=direct), record.first_refusal
    with trials.check(f"drain: serves on for {times.delay:g} s"):
        served = record.last_served_connection - observed.signalled
        expect(
            served > times.delay - 0.2,
            f"expected it to serve for {times.delay:g} s, the last connection came after {served:.2f} s",
        )
        if direct:
            expect(refused is not None, "expected the listener to close then, but nobody was refused")
    with trials.check("drain: every answer meanwhile ends its connection"):
        kept = sum(at > observed.signalled + AT_ONCE for at in record.kept_alive)
        expect_same("answers that left their connection open", 0, kept)
    with trials.check("drain: no failed request"):
        seen = "; ".join(str(loss) for loss in failed[:5])
        expect(
            not failed, f"expected none, got {len(failed)} of {record.answers + len(record.losses)}: {seen}"
        )
        wrong = {status: count for status, count in record.statuses.items() if status >= 400}  # noqa: PLR2004
        expect(not wrong, f"expected statuses below 400, got, with how often: {wrong}")
    with trials.check("drain: a request under way is answered after the listener has closed"):
        late = observed.late_answer
        expect(isinstance(late, Answer) and late.status == 200, f"expected 200, got {late}")  # noqa: PLR2004
