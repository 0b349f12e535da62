"""The black-box probe of level run for services: the image alone, started as a platform would start it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import docker

from bedplate.render import checkout
from bedplate.verify.findings import Findings
from bedplate.verify.probe.api import post, reading, try_api
from bedplate.verify.probe.drain import SlowRequest, Times, try_drain
from bedplate.verify.probe.hostile import Limits, try_hostile
from bedplate.verify.probe.image import Expected, try_image
from bedplate.verify.probe.lifecycle import try_bad_configuration, try_start
from bedplate.verify.probe.platform import Platform, Ports
from bedplate.verify.probe.signals import try_signals
from bedplate.verify.probe.trial import Trials
from bedplate.verify.probe.vectors import load, try_vectors
from bedplate.verify.probe.wire import render

_LARGE_REST: Final = 20
"""Bytes of a request that come late."""


@dataclass(frozen=True)
class Profile:
    """What one kind of service promises and how it is told from outside."""

    megabytes: float
    ready_ms: float | None
    load: tuple[bytes, ...]
    slow: SlowRequest
    limits: Limits
    hurried: Mapping[str, Any]
    """For `Platform.start`: a drain without delay that waits one second for work."""
    wrong: Mapping[str, Any]
    """For `Platform.start`: a configuration with the problems of `named`."""
    named: tuple[str, ...]
    contract: Callable[[Trials, Platform], None]
    """Item 3, which is each kind's own."""


def probe(
    client: docker.DockerClient,
    image: str,
    *,
    kind: str,
    run_id: str,
    answers: Mapping[str, Any],
) -> Findings:
    """Hold an image to what its kind (`go-service`, `rust-service`) promises.

    Every container, network and volume carries the label bedplate.run=`run_id` and is gone afterwards.
    `answers` are all values of the questionnaire, computed ones too.

    Raises:
        docker.errors.DockerException: when the engine does not do what it is asked.
    """
    trials = Trials()
    profile = PROFILES[kind]()
    ports = Ports(answers["ports"]["http"], answers["ports"]["admin"])
    drain = answers["drain"]
    times = Times(drain["delay_seconds"], drain["timeout_seconds"], drain["grace_period_seconds"])
    expected = Expected(
        answers["project_name"], answers["licence"], frozenset({ports.http, ports.admin}), profile.megabytes
    )
    try_image(trials, client, image, expected, run_id)
    with Platform(client, image, run_id, ports) as platform:
        if not try_start(trials, platform, client.images.get(image).labels, profile.ready_ms):
            trials.skip("everything else", "the service never became ready")
            return trials.findings()
        try_bad_configuration(trials, platform, profile.named, **profile.wrong)
        profile.contract(trials, platform)
        try_hostile(trials, platform, profile.limits)
        try_drain(trials, platform, times, profile.load, profile.slow)
        try_signals(trials, platform, times, profile.slow, profile.hurried)
    return trials.findings()


def _go() -> Profile:
    """A Go service with the reading resource; figures are those of its internal/server and config."""
    store = post(reading(1))
    listing = render("GET", "/v1/readings?limit=10", [], None)
    return Profile(
        megabytes=18,
        ready_ms=50,
        load=(listing, store),
        slow=SlowRequest(store[:-_LARGE_REST], store[-_LARGE_REST:]),
        limits=Limits(
            header_seconds=5,
            header_bytes=16 << 10,
            documented_5xx=frozenset({501, 505}),
            samples=(listing, store),
        ),
        hurried={"environment": {"DRAIN_DELAY": "0s", "DRAIN_TIMEOUT": "1s"}},
        wrong={"environment": {"HTTP_ADDR": "nowhere", "DRAIN_DELAY": "soon"}},
        named=("HTTP_ADDR", "DRAIN_DELAY"),
        contract=_go_contract,
    )


def _go_contract(trials: Trials, platform: Platform) -> None:
    with trials.part("contract: it answers"), platform.start() as instance:
        instance.wait_until_ready()
        try_api(trials, instance)
    template = checkout()
    if template is None:
        trials.skip("contract: vectors", "they come with a checkout of the template, which is not here")
    else:
        try_vectors(trials, platform, load(template / "contract" / "http.json"))


PROFILES: Final[Mapping[str, Callable[[], Profile]]] = {"go-service": _go}
