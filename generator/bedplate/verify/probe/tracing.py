"""Traces: spans come to the collector under the right names, and one that is not there harms nobody."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bedplate.verify.probe.collector import Collector, SilentCollector, Span
from bedplate.verify.probe.gateway import LISTENERS
from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.trial import Trials, expect, expect_same

# The example of W3C Trace Context, section 3.2.
_TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
_PARENT: Final = "00f067aa0ba902b7"
_FLUSH: Final = 3.0
"""Seconds that the end of a process may wait for a collector."""
_SLACK: Final = 2.0
_SOON: Final = 1.0
_NOWHERE: Final = 9
"""A port that nobody listens on."""


@dataclass(frozen=True)
class Traced:
    """A request without side effects, and the name that its span has to have."""

    method: str
    path: str
    span: str


@dataclass(frozen=True)
class Tracing:
    """What is sent to a service, and how it is started so that it logs each request.

    `message` is what its log calls what a line says, `line` what it says of a request. With `tries`, a
    request that has a route goes on to an upstream, and the span of that belongs to the one of the request.
    """

    requests: tuple[Traced, ...]
    started: Mapping[str, Any] = field(default_factory=dict)
    message: str = "msg"
    line: str = "request"
    tries: bool = False


def of_gateway(config: str) -> Tracing:
    """A gateway in front of its built-in upstreams, whose configuration is at `config`."""
    requests = (Traced("GET", "/things/7?token=secret", "GET /"), Traced("TRACE", "/", "TRACE"))
    started = {"files": {config: LISTENERS + b'access_log = "all"\n'}}
    return Tracing(requests, started, message="message", tries=True)


def try_tracing(trials: Trials, platform: Platform, service: str, tracing: Tracing) -> None:
    """All that is promised of traces of a service with this name."""
    if not platform.direct:
        trials.skip("traces: a collector of ours", "the engine runs elsewhere and can't reach this machine")
        return
    with trials.part("traces: spans come"), Collector(platform.gateway) as collector:
        _try_spans(trials, platform, service, tracing, collector)
    with trials.check("traces: a caller that records none is followed"):
        _try_unrecorded(platform, tracing)
    with SilentCollector(platform.gateway) as silent:
        endpoints = {
            "is silent": silent.url,
            "is not there": f"http://{platform.gateway}:{_NOWHERE}",
        }
        for name, url in endpoints.items():
            with trials.check(f"traces: a collector that {name} costs no request and {_FLUSH:g} s"):
                _try_without(platform, url, tracing)


def _try_spans(
    trials: Trials, platform: Platform, service: str, tracing: Tracing, collector: Collector
) -> None:
    with platform.start(environment=_environment(collector.url), **tracing.started) as instance:
        instance.wait_until_ready()
        sent = [_sent(instance, one, number) for number, one in enumerate(tracing.requests)]
        log, code = _ended(instance)
    answered = [span for span in collector.spans if span.parent == _PARENT]
    _judge(trials, service, tracing.requests, sent, answered)
    with trials.check("traces: lines of the log name the trace that they belong to"):
        named = [line.get("trace_id") for line in _requests(log, tracing)]
        expect_same("trace_id of each request", sent, named)
    if tracing.tries:
        with trials.check("traces: what an upstream is asked is a span within that of the request"):
            _judge_tries(answered, collector.spans)
    with trials.check("traces: what was recorded is sent before the process ends"):
        expect_same("exit code", 0, code)
        expect_same("spans of requests", len(tracing.requests), len(answered))


def _try_unrecorded(platform: Platform, tracing: Tracing) -> None:
    with Collector(platform.gateway) as idle:
        with platform.start(environment=_environment(idle.url), **tracing.started) as instance:
            instance.wait_until_ready()
            trace = _sent(instance, tracing.requests[0], 0, flag="00")
            log, _ = _ended(instance)
        expect_same("spans", [], idle.spans)
        named = {line.get("trace_id") for line in _requests(log, tracing)}
        expect_same("trace_id in the log", {trace}, named)


def _environment(url: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER_ARG": "1"}


def _sent(instance: Instance, one: Traced, number: int, flag: str = "01") -> str:
    """Send a request that belongs to a trace; the id of that trace."""
    trace = f"{int(_TRACE, 16) + number:032x}"
    instance.caller.request(one.method, one.path, [("traceparent", f"00-{trace}-{_PARENT}-{flag}")])
    return trace


def _ended(instance: Instance) -> tuple[list[str], int]:
    """End a process without a delay; its log and its exit code."""
    instance.signal("SIGINT")
    code = instance.exit_code(_FLUSH + _SLACK + _SOON)
    return instance.log(), code


def _requests(log: Sequence[str], tracing: Tracing) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in log]
    return [line for line in lines if line.get(tracing.message) == tracing.line]


def _judge(
    trials: Trials,
    service: str,
    traced: Sequence[Traced],
    sent: Sequence[str],
    spans: Sequence[Span],
) -> None:
    by_trace = {span.trace: span for span in spans}
    with trials.check("traces: a span is named after method and route, and belongs to its caller"):
        expect_same("traces", sorted(sent), sorted(by_trace))
        for one, trace in zip(traced, sent, strict=True):
            span = by_trace[trace]
            expect_same(f"span of {one.method} {one.path}", one.span, span.name)
            expect_same("its service", service, span.service)
            route = one.span.partition(" ")[2]
            expect_same("its route", route, span.attributes.get("http.route", ""))
            leaked = [value for value in span.attributes.values() if "secret" in value]
            expect(not leaked, f"expected nothing that a query is set to, got {leaked}")


def _judge_tries(answered: Sequence[Span], spans: Sequence[Span]) -> None:
    tries = [span for span in spans if span.parent != _PARENT]
    routed = [span for span in answered if "http.route" in span.attributes]
    within = [(span.trace, span.id) for span in routed]
    expect_same("traces and parents of tries", within, [(span.trace, span.parent) for span in tries])
    for span in tries:
        expect("server.address" in span.attributes, f"expected server.address, got {span.attributes}")


def _try_without(platform: Platform, url: str, tracing: Tracing) -> None:
    with platform.start(environment=_environment(url), **tracing.started) as instance:
        instance.wait_until_ready()
        for number, one in enumerate(tracing.requests):
            begun = time.monotonic()
            _sent(instance, one, number)
            took = time.monotonic() - begun
            expect(took < _SOON, f"expected an answer within {_SOON:g} s, it took {took:.1f} s")
        begun = time.monotonic()
        log, code = _ended(instance)
        took = time.monotonic() - begun
        expect_same("exit code", 0, code)
        expect(took < _FLUSH + _SLACK, f"expected the end within {_FLUSH + _SLACK:g} s, it took {took:.1f} s")
        broken = [line for line in log if not line.startswith("{")]
        expect(not broken, f"expected JSON in each line of the log, got {broken[:3]}")
