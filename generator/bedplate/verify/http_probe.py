"""The black-box probe of level run for services: the image alone, started as a platform would start it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import docker
from docker.models.images import Image

from bedplate.render import checkout
from bedplate.verify.findings import Findings
from bedplate.verify.probe import rpc
from bedplate.verify.probe.api import expect_refused, expect_unavailable, post, reading, try_api
from bedplate.verify.probe.auth import Ask, Refusal, try_auth
from bedplate.verify.probe.crowd import BODY, Waiting, try_crowd
from bedplate.verify.probe.database import Database
from bedplate.verify.probe.description import try_description
from bedplate.verify.probe.drain import SlowRequest, Times, try_drain
from bedplate.verify.probe.endpoints import try_endpoints
from bedplate.verify.probe.exporter import Exporter, try_exporter
from bedplate.verify.probe.file_store import try_file
from bedplate.verify.probe.gateway import HURRIED, LISTENERS, configuration_path, try_gateway
from bedplate.verify.probe.held import try_held_up
from bedplate.verify.probe.hostile import Limits, try_hostile
from bedplate.verify.probe.http2 import try_http2
from bedplate.verify.probe.image import Expected, try_image
from bedplate.verify.probe.ingest import try_ingest
from bedplate.verify.probe.issuer import Issuer, bearer
from bedplate.verify.probe.kafka import Kafka
from bedplate.verify.probe.kafka_tls import try_secure_kafka
from bedplate.verify.probe.lifecycle import try_bad_configuration, try_start
from bedplate.verify.probe.nats import Nats
from bedplate.verify.probe.outage import Keeping, migrate, try_database, try_outage
from bedplate.verify.probe.places import PLACES
from bedplate.verify.probe.platform import Instance, Platform, Ports
from bedplate.verify.probe.queue import Broker, Queue
from bedplate.verify.probe.rate import SETTINGS, try_rate
from bedplate.verify.probe.relay import try_proxy
from bedplate.verify.probe.signals import try_signals
from bedplate.verify.probe.tls import try_tls
from bedplate.verify.probe.tracing import Traced, Tracing, of_gateway, try_tracing
from bedplate.verify.probe.trial import Trials
from bedplate.verify.probe.vectors import load, try_vectors
from bedplate.verify.probe.wire import Headers, render
from bedplate.verify.probe.worker import try_worker

_QUEUES: Final[Mapping[str, type[Queue]]] = {"nats": Nats, "kafka": Kafka}
_LARGE_REST: Final = 20
"""Bytes of a request that come late."""


@dataclass(frozen=True)
class Profile:
    """What one kind of service promises, and how it is told from outside."""

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
    traced: Tracing | None = None
    """What is sent where the answer to `tracing` is yes."""
    ask: Ask | None = None
    """A request that needs a token where the answer to `auth` is one."""
    refused: Refusal | None = None
    """How a token that is missing or too weak is refused."""
    keeping: Keeping | None = None
    """How readings are stored where the answer to `database` is one."""
    bounded: Mapping[str, Any] | None = None
    """How it is started so that a client may do little, where the answer to `rate_limit` is yes."""
    secured: str | None = None
    """The path of its configuration, for what it speaks where the answers to `tls` and `http2` are yes."""


def probe(
    client: docker.DockerClient,
    image: str,
    *,
    kind: str,
    run_id: str,
    answers: Mapping[str, Any],
    tester: str | None = None,
    database: str | None = None,
    broker: str | None = None,
) -> Findings:
    """Hold an image to what its kind (`go-service`, `rust-service`) promises.

    Every container, network and volume carries the label bedplate.run=`run_id` and is gone afterwards.
    `answers` are all values of the questionnaire, computed ones too. `tester` is an image with schemathesis,
    `database` one of PostgreSQL for what keeps its data there, `broker` one of the broker for a worker that
    takes its messages from one.

    Raises:
        docker.errors.DockerException: when the engine does not do what it is asked.
    """
    trials = Trials(PLACES[kind])
    ports = _ports(answers)
    try_image(trials, client, image, _expected(answers, ports), run_id)
    with Platform(client, image, run_id, ports) as platform:
        if answers["archetype"] == "tcp-proxy":
            try_proxy(trials, platform, _times(answers), limited=answers["rate_limit"])
        elif answers["archetype"] == "stream-ingest":
            try_ingest(trials, platform, _times(answers), answers["project_name"], secure=answers["tls"])
        elif answers["archetype"] == "event-worker":
            try_worker(trials, platform, _times(answers), _queue(answers, broker), database)
            if broker and answers["broker"] == "kafka":
                try_secure_kafka(trials, platform, broker)
        elif answers["archetype"] == "metrics-exporter":
            exporter = Exporter(answers["project_name"], answers["metrics_prefix"], answers["tracing"])
            try_exporter(trials, platform, _times(answers), exporter, tester)
        elif answers.get("auth", "none") == "none":
            _try_service(trials, platform, answers, tester, database)
        elif platform.direct:
            with _trusted(platform) as issuer:
                _try_service(trials, platform, answers, tester, database, issuer)
        else:
            trials.skip("everything else", "the engine runs elsewhere and can't reach an issuer of ours")
    return trials.findings()


def _queue(answers: Mapping[str, Any], image: str | None) -> Broker | None:
    """What makes the broker that was chosen, of this image."""
    return partial(_QUEUES[answers["broker"]], image=image) if image else None


@contextmanager
def serving(
    client: docker.DockerClient,
    image: str,
    *,
    run_id: str,
    answers: Mapping[str, Any],
    database: str | None = None,
) -> Iterator[Instance]:
    """A container of an image that is ready, with the database and the issuer that it needs beside it.

    The arguments are those of `probe`. All of it is gone when the context ends.

    Raises:
        Unmet: when it does not become ready.
    """
    with ExitStack() as beside:
        platform = beside.enter_context(Platform(client, image, run_id, _ports(answers)))
        if answers.get("auth", "none") != "none":
            beside.enter_context(_trusted(platform))
        if database:
            store = beside.enter_context(Database(platform, database))
            migrate(platform, store, "up")
        instance = beside.enter_context(platform.start())
        instance.wait_until_ready()
        yield instance


def _try_service(
    trials: Trials,
    platform: Platform,
    answers: Mapping[str, Any],
    tester: str | None,
    database: str | None,
    issuer: Issuer | None = None,
) -> None:
    inspected, times = platform.client.images.get(platform.image), _times(answers)
    profile = PROFILES[answers["archetype"]](inspected, platform.credentials)
    if not try_start(trials, platform, inspected.labels, profile.ready_ms):
        trials.skip("everything else", "the service never became ready")
        return
    try_bad_configuration(trials, platform, profile.named, **profile.wrong)
    with Database(platform, database) if database else nullcontext() as store:
        if store:
            try_database(trials, platform, store)
            platform.empty = store.empty
        elif answers.get("database") == "sqlite" and profile.keeping:
            try_file(trials, platform, profile.keeping)
        profile.contract(trials, platform)
        _try_options(trials, platform, answers, profile)
        if answers["archetype"] == "http-api":
            try_description(trials, platform, tester)
        try_hostile(trials, platform, profile.limits)
        try_drain(trials, platform, times, profile.load, profile.slow)
        try_signals(trials, platform, times, profile.slow, profile.hurried)
        if store and profile.keeping:
            try_outage(trials, platform, store, profile.keeping)
        if issuer and profile.ask and profile.refused:  # the last, since it rotates the keys
            try_auth(trials, platform, issuer, profile.ask, profile.refused)


def _try_options(trials: Trials, platform: Platform, answers: Mapping[str, Any], profile: Profile) -> None:
    """What a service does with some answers and not with others."""
    if profile.traced and answers.get("tracing"):
        try_tracing(trials, platform, answers["project_name"], profile.traced)
    if profile.bounded and answers.get("rate_limit"):
        try_rate(trials, platform, profile.bounded)
    if profile.secured and answers.get("tls"):
        try_tls(trials, platform, profile.secured)
    if profile.secured and answers.get("http2"):
        try_http2(trials, platform, profile.secured)


def _ports(answers: Mapping[str, Any]) -> Ports:
    """Where there is no listener for clients, it is that for operators that is probed like one."""
    ports = answers["ports"]
    return Ports(ports["http"] if answers["serves_clients"] else ports["admin"], ports["admin"])


def _times(answers: Mapping[str, Any]) -> Times:
    drain = answers["drain"]
    return Times(drain["delay_seconds"], drain["timeout_seconds"], drain["grace_period_seconds"])


def _expected(answers: Mapping[str, Any], ports: Ports) -> Expected:
    listening = frozenset({ports.http, ports.admin} if answers["serves_clients"] else {ports.admin})
    return Expected(answers["project_name"], answers["licence"], listening, float(answers["image_megabytes"]))


@contextmanager
def _trusted(platform: Platform) -> Iterator[Issuer]:
    """An issuer that every container trusts, and a token of it for every request."""
    with Issuer(platform.gateway) as issuer:
        platform.environment.update(issuer.environment)
        platform.credentials = bearer(issuer.token())
        yield issuer


def _go(_: Image, credentials: Headers) -> Profile:
    """A Go service with the reading resource; figures are those of its internal/server and config."""
    store = post(reading(1), credentials)
    listing = render("GET", "/v1/readings?limit=10", credentials)
    return Profile(
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
        traced=Tracing(
            (
                Traced("GET", "/v1/devices", "GET /v1/devices"),
                Traced("GET", "/v1/devices/nobody", "GET /v1/devices/{device}"),
                Traced("GET", "/nothing", "GET"),
            )
        ),
        ask=lambda caller, headers: caller.request("GET", "/v1/devices", headers),
        refused=expect_refused,
        keeping=Keeping("/v1/readings", expect_unavailable),
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


def _rpc(image: Image, credentials: Headers) -> Profile:
    """The same service with procedures in place of routes."""
    store = rpc.post(rpc.ADD, reading(1), credentials)
    listing = rpc.post(rpc.DEVICES, b"{}", credentials)
    base = _go(image, credentials)
    return replace(
        base,
        load=(listing, store),
        slow=SlowRequest(store[:-_LARGE_REST], store[-_LARGE_REST:]),
        limits=replace(base.limits, samples=(listing, store)),
        contract=rpc.try_rpc,
        traced=Tracing((Traced("GET", rpc.ASK, f"GET {rpc.DEVICES}"), Traced("GET", "/nothing", "GET"))),
        ask=rpc.ask,
        refused=rpc.expect_refused,
        keeping=Keeping(rpc.ADD, rpc.expect_unavailable),
    )


def _rust(image: Image, _: Headers) -> Profile:
    """A gateway; without a route of its own it answers from upstreams that are built in."""
    config = configuration_path(image)
    ask, store = render("GET", "/"), render("POST", "/", body=bytes(100))
    wrong = (
        LISTENERS + b'[[route]]\npath_prefix = "/"\ncluster = "nowhere"\n[cluster.nobody]\nendpoints = []\n'
    )
    return Profile(
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
        hurried={"files": {config: HURRIED}},
        wrong={"files": {config: wrong}},
        named=("nowhere", "nobody"),
        bounded={"files": {config: LISTENERS + SETTINGS}},
        secured=config,
        traced=of_gateway(config),
        contract=lambda trials, platform: _rust_contract(trials, platform, config),
    )


def _rust_contract(trials: Trials, platform: Platform, config: str) -> None:
    try_gateway(trials, platform, config)
    try_endpoints(trials, platform, config)
    settings = f'limits.body_bytes = {BODY}\ntimeouts.client_idle = "10m"\n'
    route = '[[route]]\npath_prefix = "/"\ncluster = "sink"\n'
    try_crowd(trials, platform, config, settings + route, Waiting(descriptors=1, most_kib=24))
    try_held_up(trials, platform, config)


PROFILES: Final[Mapping[str, Callable[[Image, Headers], Profile]]] = {
    "http-api": _go,
    "rpc-api": _rpc,
    "http-gateway": _rust,
}
