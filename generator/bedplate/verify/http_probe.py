"""The black-box probe of level run for services: the image alone, started as a platform would start it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import docker
from docker.models.images import Image

from bedplate.render import checkout
from bedplate.verify.budgets import image_megabytes
from bedplate.verify.findings import Findings
from bedplate.verify.probe.api import post, reading, try_api
from bedplate.verify.probe.drain import SlowRequest, Times, try_drain
from bedplate.verify.probe.gateway import LISTENERS, configuration_path, try_gateway
from bedplate.verify.probe.hostile import Limits, try_hostile
from bedplate.verify.probe.image import Expected, try_image
from bedplate.verify.probe.lifecycle import try_bad_configuration, try_start
from bedplate.verify.probe.platform import Platform, Ports
from bedplate.verify.probe.signals import try_signals
from bedplate.verify.probe.tracing import Traced, try_tracing
from bedplate.verify.probe.trial import Trials
from bedplate.verify.probe.vectors import load, try_vectors
from bedplate.verify.probe.wire import render

_LARGE_REST: Final = 20
"""Bytes of a request that come late."""


_GO_PLACES: Final[Mapping[str, str]] = {
    "image": "Dockerfile",
    "start": "cmd/ and internal/config",
    "version": "internal/server/admin.go and the build arguments of the Dockerfile",
    "log": "internal/telemetry",
    "log level": "internal/server/admin.go",
    "contract": "internal/reading and internal/server/problem.go",
    "request id": "internal/server/middleware.go",
    "metrics": "internal/server/middleware.go",
    "traces": "internal/telemetry/tracing.go",
    "overload": "internal/server/middleware.go",
    "admin": "internal/server/server.go",
    "hostile": "internal/server/server.go",
    "drain": "internal/server/drain.go",
    "stop": "internal/server/drain.go and cmd/",
}
_RUST_PLACES: Final[Mapping[str, str]] = {
    "image": "Dockerfile",
    "start": "src/main.rs and src/config",
    "version": "src/admin.rs and the build arguments of the Dockerfile",
    "log": "src/telemetry.rs",
    "log level": "src/admin.rs and src/telemetry.rs",
    "gateway": "src/gateway",
    "smuggling": "src/gateway/policy.rs",
    "metrics": "src/stats.rs",
    "hostile": "src/gateway/policy.rs, src/connection.rs and src/runtime.rs",
    "drain": "src/service.rs and src/runtime.rs",
    "stop": "src/service.rs and src/main.rs",
}


@dataclass(frozen=True)
class Profile:
    """What one kind of service promises, how it is told from outside, and where in a project to look."""

    places: Mapping[str, str]
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
    traced: tuple[Traced, ...] = ()
    """What is sent where the answer to `tracing` is yes."""


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
    inspected = client.images.get(image)
    profile = PROFILES[kind](inspected)
    trials = Trials(profile.places)
    ports = Ports(answers["ports"]["http"], answers["ports"]["admin"])
    drain = answers["drain"]
    times = Times(drain["delay_seconds"], drain["timeout_seconds"], drain["grace_period_seconds"])
    expected = Expected(
        answers["project_name"],
        answers["licence"],
        frozenset({ports.http, ports.admin}),
        image_megabytes(answers),
    )
    try_image(trials, client, image, expected, run_id)
    with Platform(client, image, run_id, ports) as platform:
        if not try_start(trials, platform, inspected.labels, profile.ready_ms):
            trials.skip("everything else", "the service never became ready")
            return trials.findings()
        try_bad_configuration(trials, platform, profile.named, **profile.wrong)
        profile.contract(trials, platform)
        if answers.get("tracing"):
            try_tracing(trials, platform, expected.title, profile.traced)
        try_hostile(trials, platform, profile.limits)
        try_drain(trials, platform, times, profile.load, profile.slow)
        try_signals(trials, platform, times, profile.slow, profile.hurried)
    return trials.findings()


def _go(_: Image) -> Profile:
    """A Go service with the reading resource; figures are those of its internal/server and config."""
    store = post(reading(1))
    listing = render("GET", "/v1/readings?limit=10", [], None)
    return Profile(
        places=_GO_PLACES,
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
        traced=(
            Traced("GET", "/v1/devices", "GET /v1/devices"),
            Traced("GET", "/v1/devices/nobody", "GET /v1/devices/{device}"),
            Traced("GET", "/nothing", "GET"),
        ),
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


def _rust(image: Image) -> Profile:
    """A gateway; without a route of its own it answers from upstreams that are built in."""
    config = configuration_path(image)
    ask, store = render("GET", "/"), render("POST", "/", body=bytes(100))
    hurried = LISTENERS + b'[drain]\ndelay = "0s"\ntimeout = "1s"\n'
    wrong = (
        LISTENERS + b'[[route]]\npath_prefix = "/"\ncluster = "nowhere"\n[cluster.nobody]\nendpoints = []\n'
    )
    return Profile(
        places=_RUST_PLACES,
        ready_ms=None,
        load=(ask, store),
        slow=SlowRequest(store[:-_LARGE_REST], store[-_LARGE_REST:]),
        limits=Limits(
            header_seconds=10,
            header_bytes=16 << 10,
            documented_5xx=frozenset({501, 505}),
            samples=(ask, store),
            may_close=True,
        ),
        hurried={"files": {config: hurried}},
        wrong={"files": {config: wrong}},
        named=("nowhere", "nobody"),
        contract=lambda trials, platform: try_gateway(trials, platform, config),
    )


PROFILES: Final[Mapping[str, Callable[[Image], Profile]]] = {"go-service": _go, "rust-service": _rust}
