"""Endpoints that are not well: a gateway leaves them out, says so, and takes them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from typing import Final

from bedplate.verify.probe.gateway import LISTENERS, started
from bedplate.verify.probe.metrics import Samples, scrape
from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until
from bedplate.verify.probe.upstream import HEALTH, Upstream
from bedplate.verify.probe.wire import Address, request

_PATH: Final = "/web"
_ROUND: Final = 10
"""Requests that show who gets them."""
_PATIENCE: Final = 10.0
"""Seconds for checks to agree; it takes them a fifth of one."""


def try_endpoints(trials: Trials, platform: Platform, config: str) -> None:
    """All that is promised of endpoints. `config` is the path of the image's configuration file."""
    if not platform.direct:
        trials.skip("endpoints: upstreams of ours", "the engine runs elsewhere and can't reach this machine")
        return
    with ExitStack() as stack, trials.part("endpoints: it serves"):
        web = [stack.enter_context(Upstream(platform.gateway)) for _ in range(2)]
        with started(platform, {config: _configuration(web)}) as instance:
            try_checks(trials, instance.http, web)
            try_loss(trials, instance.http, web)
            try_account(trials, instance.admin, web)


def _configuration(web: Sequence[Upstream]) -> bytes:
    endpoints = [f"{host}:{port}" for host, port in (upstream.address for upstream in web)]
    text = f"""outlier.panic_threshold = 0.0
health = {{ interval = "100ms", timeout = "1s", down = 2, up = 2 }}
[[route]]
path_prefix = "/"
cluster = "web"
[cluster.web]
endpoints = {endpoints}
balance = "round_robin"
health_path = "{HEALTH}"
"""
    return LISTENERS + text.encode()


def try_checks(trials: Trials, address: Address, web: Sequence[Upstream]) -> None:
    """Endpoints that serve, and say that they are not well."""
    with trials.check("endpoints: one whose checks fail gets no requests until they pass"):
        web[0].well = False
        _wait("no requests for an endpoint whose checks fail", lambda: _share(address, web[0]) == 0)
        web[0].well = True
        _wait("requests for an endpoint whose checks pass again", lambda: _share(address, web[0]) > 0)
    with trials.check("endpoints: with none left the answer is 503"):
        for upstream in web:
            upstream.well = False
        _wait("errors", lambda: not _serves(address))
        answer = request(address, "GET", _PATH)
        told = answer.header("proxy-status") or ""
        expect_same("status", 503, answer.status)
        expect("error=destination_unavailable" in told, f"expected destination_unavailable, got {told!r}")
        for upstream in web:
            upstream.well = True
        _wait("answers of upstreams", lambda: _serves(address))


def try_loss(trials: Trials, address: Address, web: Sequence[Upstream]) -> None:
    """An endpoint that is gone from one moment to the next. It stays so."""
    with trials.check("endpoints: one that is gone fails no request"):
        _wait("requests for each endpoint", lambda: all(_share(address, upstream) for upstream in web))
        web[0].close()
        _share(address, web[1])
        _wait("all requests for the other endpoint", lambda: _share(address, web[1]) == _ROUND)


def try_account(trials: Trials, admin: Address, web: Sequence[Upstream]) -> None:
    """What the admin listener says, once the first endpoint is gone and its checks have failed."""
    named = try_states(trials, admin, [upstream.address for upstream in web])
    with trials.check("metrics: endpoints are counted, their failures by cause"):
        samples = scrape(admin)
        answers = [_value(samples, "_upstream_answers_total", name) for name in named]
        expect(answers[0] > 0, f"expected answers of {named[0]}, got {answers[0]:g}")
        expect_same(f"answers of {named[1]}", _served(web[1]), answers[1])
        causes = {labels for metric, labels in samples if metric.endswith("_upstream_failures_total")}
        refused = {("endpoint", named[0]), ("cause", "connect_refused")}
        expect(any(refused <= labels for labels in causes), f"expected {refused}, got {causes}")
        ups = [_value(samples, "_upstream_up", name) for name in named]
        expect_same("upstream_up", [0.0, 1.0], ups)


def try_states(trials: Trials, admin: Address, endpoints: Sequence[Address]) -> list[str]:
    """What is said of two endpoints, of which the first is gone; their names."""
    named = [":".join(map(str, address)) for address in endpoints]
    with trials.check("endpoints: /upstreams says which of them is down, in a table and as JSON"):
        _wait("an endpoint that is down", lambda: "down" in _states(admin).values())
        expect_same("states", dict(zip(named, ("down", "up"), strict=True)), _states(admin))
        table = request(admin, "GET", "/upstreams").body.decode()
        lines = {name: line for line in table.splitlines() for name in named if f" {name} " in line}
        shown = "down" in lines.get(named[0], "") and " up " in lines.get(named[1], "")
        expect(shown, f"expected a line for each endpoint with its state, got\n{table}")
    return named


def _states(admin: Address) -> dict[str, str]:
    rows = request(admin, "GET", "/upstreams.json").json()
    return {row["endpoint"]: row["state"] for row in rows}


def _value(samples: Samples, suffix: str, endpoint: str) -> float:
    """The sample of a metric whose name ends like this, for one endpoint."""
    has = ("endpoint", endpoint)
    values = [value for (name, labels), value in samples.items() if name.endswith(suffix) and has in labels]
    expect(len(values) == 1, f"expected one sample of {suffix} for {endpoint}, got {values}")
    return values[0]


def _share(address: Address, upstream: Upstream) -> int:
    """How many requests of a round this upstream gets; all of them have to be answered."""
    before = _served(upstream)
    for _ in range(_ROUND):
        expect_same("status", 200, request(address, "GET", _PATH).status)
    return _served(upstream) - before


def _serves(address: Address) -> bool:
    return request(address, "GET", _PATH).status == HTTPStatus.OK


def _served(upstream: Upstream) -> int:
    return sum(received.target == _PATH for received in upstream.received)


def _wait(what: str, happens: Callable[[], bool]) -> None:
    wait_until(what, happens, _PATIENCE)
