"""Readings that an API refuses: each becomes a dead letter by itself, and its neighbours are stored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.stream.api import Api, Behaviour, Key, Reading, problem
from bedplate.verify.probe.stream.device import Manner
from bedplate.verify.probe.stream.fleet import Fleet
from bedplate.verify.probe.stream.serving import (
    DEAD_LETTERS,
    PATIENCE,
    POLL,
    Line,
    await_count,
    configuration,
    counted,
    directory_of,
)
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until

_EVERY: Final = 10
"""Of so many readings one is refused."""
_DEVICES: Final = 20
_MANNER: Final = Manner(rate=50)
_ENOUGH: Final = 500
_VOLUME: Final = 64 << 10
"""Bytes of a volume that is soon full."""
_REFUSED_FROM: Final = 100
"""Devices from this number on are refused altogether."""
_STEADY: Final = 200


def try_refused(trials: Trials, platform: Platform, config: str, project: str, api: Api) -> None:
    """Each kind of refusal with a file of its own, then a volume that fills up."""
    files = {config: configuration(project, [api.address])}
    for name, pointers in (("names", True), ("does not name", False)):
        with (
            trials.check(f"dead letters: what a 422 {name} is kept alone, and all else is stored"),
            platform.start(files=files) as instance,
            Fleet(instance.http, lambda _: True, _DEVICES, _MANNER) as fleet,
            api.behaving(_refusing(api, pointers=pointers)),
        ):
            fleet.await_more(_ENOUGH)
            fleet.settle()
            fleet.expect_stored(api.stored, _is_refused)
            wanted = Counter(key for key in fleet.seen.sent if _is_refused(key))
            expect_same("dead letters", wanted, Counter(_keys(_letters(instance, project))))
    with trials.part("dead letters: it works"), platform.start(files=files) as instance:
        instance.wait_until_ready()
        _try_alone(trials, instance, project, api)
    _try_full(trials, platform, config, project, api)


def _is_refused(key: Key) -> bool:
    return key[2] % _EVERY == 0


def _refusing(api: Api, *, pointers: bool) -> Behaviour:
    def refuse(readings: Sequence[Reading]) -> bytes:
        bad = [number for number, reading in enumerate(readings) if _is_refused(reading.key)]
        if not bad:
            return api.store(readings)
        return problem(422, *(f"#/readings/{number}/value" for number in bad if pointers))

    return refuse


def _letters(instance: Instance, project: str) -> list[dict[str, Any]]:
    text = instance.read(f"{directory_of(project)}/{DEAD_LETTERS}").decode()
    expect(text.endswith("\n"), f"expected lines, the last one has no end: {text[-200:]!r}")
    return [json.loads(line) for line in text.splitlines()]


def _keys(letters: Sequence[dict[str, Any]]) -> list[Key]:
    readings = [letter["reading"] for letter in letters]
    return [(reading["device"], reading["epoch"], reading["sequence"]) for reading in readings]


def _try_alone(trials: Trials, instance: Instance, project: str, api: Api) -> None:
    with (
        trials.check("dead letters: the same number with another value is one, and acknowledged"),
        Line(instance.http, 0x51) as first,
        Line(instance.http, 0x51) as second,
    ):
        epoch = first.hello()
        first.read(epoch, 1, value=1)
        first.await_ack(epoch, 1)
        second.read(epoch, 1, value=2)
        second.await_ack(epoch, 1)
        key = ("00000051", epoch, 1)
        expect_same("stored value", 1, api.stored[key].value)
        (letter,) = _letters(instance, project)
        expect_same("dead letter", ([key], 409), (_keys([letter]), letter["status"]))
    with (
        trials.check("dead letters: what no request can carry is one, and acknowledged"),
        Line(instance.http, 0x52) as line,
    ):
        before, asked = len(_letters(instance, project)), api.readings
        cases = ((1, 0), (2**53 + 1, 0), (2**64 - 1, 2**63 - 1), (4_102_444_800_000 + 366 * 86_400_000, 0))
        for epoch, elapsed in cases:
            line.read(epoch, 1, elapsed_ms=elapsed)
            line.await_ack(epoch, 1)
        expect_same("dead letters", len(cases), len(_letters(instance, project)) - before)
        expect_same("readings that were sent to the API", 0, api.readings - asked)
        expect_same("readings_refused_total", 5.0, counted(instance.admin, "readings_refused_total"))


def _try_full(trials: Trials, platform: Platform, config: str, project: str, api: Api) -> None:
    """A volume without room: those that belong there wait, and nobody waits for them."""
    volume = platform.volume(size=_VOLUME)

    def refuse(readings: Sequence[Reading]) -> bytes:
        bad = [i for i, reading in enumerate(readings) if int(reading.device, 16) >= _REFUSED_FROM]
        if not bad:
            return api.store(readings)
        return problem(422, *(f"#/readings/{number}" for number in bad))

    with (
        trials.part("dead letters: it works on a volume that is soon full"),
        platform.start(
            files={config: configuration(project, [api.address])}, volumes={directory_of(project): volume}
        ) as instance,
        api.behaving(refuse),
        Fleet(instance.http, lambda r: api.stored.get(r.key) == r, _DEVICES, _MANNER) as good,
        Fleet(instance.http, lambda _: True, _DEVICES, _MANNER, first=_REFUSED_FROM) as bad,
    ):
        instance.wait_until_ready()
        with trials.check("dead letters: a volume that is full is told by metric and log"):
            await_count(instance.admin, "dead_letter_full", 1, 3 * PATIENCE)
            wait_until("a line about it", lambda: _told(instance), PATIENCE, POLL)
            expect(instance.is_running(), f"expected it to go on, got\n{instance.last_words()}")
        with trials.check(
            "dead letters: with a full volume others go on, and what belongs there is not lost"
        ):
            good.await_more(_STEADY)
            before = bad.acknowledged
            good.await_more(_STEADY)
            expect_same("acknowledged without room for them", 0, bad.acknowledged - before)
            bad.expect_nothing_wrong()
            text = instance.read(f"{directory_of(project)}/{DEAD_LETTERS}").decode()
            whole = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
            lost = bad.seen.acknowledged - set(_keys(whole))
            expect(not lost, f"acknowledged, and no dead letter: {sorted(lost)[:3]}")
            trials.figure("dead letters on a full volume", len(whole), "readings")


def _told(instance: Instance) -> bool:
    lines = [json.loads(line) for line in instance.log()]
    return any(line["level"].lower() == "error" and "dead" in json.dumps(line) for line in lines)
