"""What an ingest of frames promises: what it acknowledges is stored, whatever fails meanwhile."""

from __future__ import annotations

from typing import Final

from bedplate.render import checkout
from bedplate.verify.probe.drain import Times
from bedplate.verify.probe.gateway import LISTENERS, configuration_path
from bedplate.verify.probe.lifecycle import try_bad_configuration, try_start
from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.stream.api import Api
from bedplate.verify.probe.stream.crowd import (
    BOUND,
    try_deaf,
    try_hellos,
    try_idle,
    try_limits,
    try_noise,
    try_stall,
)
from bedplate.verify.probe.stream.device import Manner
from bedplate.verify.probe.stream.ending import try_ending, try_signals
from bedplate.verify.probe.stream.faults import try_faults
from bedplate.verify.probe.stream.fleet import Fleet
from bedplate.verify.probe.stream.refused import try_refused
from bedplate.verify.probe.stream.secure import try_secure
from bedplate.verify.probe.stream.serving import PATIENCE, Line, await_count, configuration
from bedplate.verify.probe.stream.wire import Vectors, try_acks, try_vectors, try_welcomes
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.wire import Address

DEVICES: Final = 100
_MANNER: Final = Manner(rate=40, loss=0.1)
_ENOUGH: Final = 10_000
_SHOWN: Final = 10
"""Readings of a demonstration."""
_HURRIED: Final = 'timeouts.write = "1s"'


def try_ingest(trials: Trials, platform: Platform, times: Times, project: str, *, secure: bool) -> None:
    """All that is promised, with an API of the probe's own; under TLS too, where it is `secure`."""
    image = platform.client.images.get(platform.image)
    config = configuration_path(image)
    if not try_start(trials, platform, image.labels, None):
        trials.skip("everything else", "the service never became ready")
        return
    wrong = LISTENERS + b'forward = "nowhere"\n[cluster.nobody]\nendpoints = []\n'
    try_bad_configuration(trials, platform, ("nowhere", "nobody"), files={config: wrong})
    with trials.check("demonstration: with no configuration readings flow"), platform.start() as instance:
        instance.wait_until_ready()
        await_count(instance.admin, "readings_stored_total", _SHOWN)
    if not platform.direct:
        trials.skip("ingest: an API of ours", "the engine runs elsewhere and can't reach this machine")
        return
    with Api(platform.gateway) as api:
        _try_wire(trials, platform, config, project, api)
        try_refused(trials, platform, config, project, api)
        if secure:
            try_secure(trials, platform, config, project)
        _try_crowd(trials, platform, config, project, api)
        try_ending(trials, platform, config, project, api, times)
        try_signals(trials, platform, config, project, api)
    _try_faults(trials, platform, config, project)


def _try_wire(trials: Trials, platform: Platform, config: str, project: str, api: Api) -> None:
    with (
        trials.part("wire: it works"),
        platform.start(files={config: configuration(project, [api.address])}) as instance,
    ):
        instance.wait_until_ready()
        try_welcomes(trials, instance.http)
        template = checkout()
        if template is None:
            trials.skip("wire: vectors", "they come with a checkout of the template, which is not here")
        else:
            vectors = Vectors.load(template / "contract" / "frames.json")
            try_vectors(trials, instance.http, instance.admin, vectors)
        try_acks(trials, instance.http, api)
        _try_links(trials, instance.http, api)
    with trials.check("wire: a period that is configured is started with"):
        _try_period(platform, config, project, api)


def _try_links(trials: Trials, address: Address, api: Api) -> None:
    with (
        trials.check(f"wire: over lines that lose, split and merge, {DEVICES} devices lose nothing"),
        Fleet(address, lambda r: api.stored.get(r.key) == r, DEVICES, _MANNER) as fleet,
    ):
        fleet.await_more(_ENOUGH)
        fleet.settle()
        fleet.expect_stored(api.stored)
        trials.figure("readings over lossy lines", len(fleet.seen.sent), "readings")


def _try_period(platform: Platform, config: str, project: str, api: Api) -> None:
    settings = configuration(project, [api.address], 'device.period = "250ms"')
    with platform.start(files={config: settings}) as instance:
        instance.wait_until_ready()
        with Line(instance.http, 9) as line:
            epoch = line.hello()
            start = line.next(PATIENCE)
            expect(start is not None, "expected a start right after the welcome, nothing came")
            told = start and (start.kind, start.epoch, dict(start.body))
            expect_same("frame after the welcome", (0x83, epoch, {"period_ms": 250}), told)


def _try_crowd(trials: Trials, platform: Platform, config: str, project: str, api: Api) -> None:
    with (
        trials.part("hostile: it works"),
        platform.start(files={config: configuration(project, [api.address], _HURRIED)}) as instance,
    ):
        instance.wait_until_ready()
        try_idle(trials, instance, api)
        try_limits(trials, instance, api)
        try_hellos(trials, instance)
        try_noise(trials, instance)
        try_deaf(trials, instance)
    unlimited = configuration(project, [api.address], "limits.device_readings = 1_000_000")
    with (
        trials.part("stall: it works"),
        platform.start(files={config: unlimited}, memory=f"{BOUND}m") as instance,
    ):
        instance.wait_until_ready()
        try_stall(trials, instance, api)


def _try_faults(trials: Trials, platform: Platform, config: str, project: str) -> None:
    with trials.part("faults: it works"), Api(platform.gateway) as api:
        files = {config: configuration(project, [api.address], 'upstream.response = "1s"')}
        with platform.start(files=files) as instance:
            instance.wait_until_ready()
            try_faults(trials, instance.http, api).close()
