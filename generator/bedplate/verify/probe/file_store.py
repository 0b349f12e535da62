"""A service that keeps its readings in a file: killed under load, it has to hold what it acknowledged."""

from __future__ import annotations

from typing import Any, Final

from bedplate.verify.probe.outage import DEVICES, Device, Keeping, sending, steady
from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.wire import JSON

_DIRECTORY: Final = "/home/nonroot"
"""Of the user that the image runs as; a new volume there belongs to that user."""
_SETTINGS: Final = {"DATABASE_URL": f"file:{_DIRECTORY}/readings.db"}
_WITHIN: Final = 30.0


def try_file(trials: Trials, platform: Platform, keeping: Keeping) -> None:
    """Start without a schema, migrate, kill the process under load, and read the file with another."""
    place: dict[str, Any] = {"environment": _SETTINGS, "volumes": {_DIRECTORY: platform.volume()}}
    with (
        trials.check("database: no schema ends it with 1, and the log says why"),
        platform.start(**place) as instance,
    ):
        expect_same("exit code", 1, instance.exit_code(_WITHIN))
        expect("migrate up" in instance.last_words(), f"the log is:\n{instance.last_words()}")
    with (
        trials.check("database: migrate up ends with 0"),
        platform.start(["migrate", "up"], **place) as job,
    ):
        expect(job.exit_code(_WITHIN) == 0, f"expected 0; log:\n{job.last_words()}")
    with trials.check("outage: killed under load, it holds all that was acknowledged"):
        devices = _killed(platform, place, keeping)
        with platform.start(**place) as instance:
            instance.wait_until_ready()
            for device in devices:
                # What it knows is not new to it, and nothing else was told to it.
                batch = device.batch(1, device.acknowledged)
                answer = instance.caller.request("POST", keeping.target, [JSON], batch)
                told = answer.json() if answer.status == 200 else {}  # noqa: PLR2004
                expect(
                    int(told.get("duplicates", 0)) == device.acknowledged,
                    f"{device.name}: {device.acknowledged} acknowledged, sent again: {answer}",
                )


def _killed(platform: Platform, place: dict[str, Any], keeping: Keeping) -> list[Device]:
    with platform.start(**place) as instance:
        instance.wait_until_ready()
        devices = [Device(f"file-{number}", instance.caller, keeping.target) for number in range(DEVICES)]
        with sending(devices):
            steady(devices)
            instance.signal("SIGKILL")
    return devices
