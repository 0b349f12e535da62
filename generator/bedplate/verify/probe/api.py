"""What every Go service promises of its HTTP side, beyond the vectors of one resource."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bedplate.verify.probe.metrics import scrape, total
from bedplate.verify.probe.platform import Instance
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.vectors import check_problem
from bedplate.verify.probe.wire import JSON, Answer, Caller, Headers, Line, render

BODY_LIMIT: Final = 1 << 20
IN_FLIGHT: Final = 512
DURATIONS: Final = "http_server_request_duration_seconds_count"
ACTIVE: Final = "http_server_active_requests"
_ARRIVE_WITHIN: Final = 10.0
_IDENTITY: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def reading(sequence: int) -> bytes:
    """The body of a batch with one reading."""
    one = {
        "device": "probe",
        "epoch": 1_795_000_000_123,
        "sequence": sequence,
        "measured_at": "2026-11-18T11:06:41.250Z",
        "value": 21.875,
    }
    return json.dumps({"readings": [one]}).encode()


def post(body: bytes, always: Headers = ()) -> bytes:
    """The bytes of a request that stores readings; `always` are headers that each request has."""
    return render("POST", "/v1/readings", [*always, JSON], body)


def try_api(trials: Trials, instance: Instance) -> None:
    """Errors, request identities, limits and metrics of an instance that was just started."""
    try_problems(trials, instance.caller)
    try_identity(trials, instance.caller)
    _try_metrics(trials, instance)
    _try_overload(trials, instance)
    try_apart(trials, instance.caller)


def try_apart(trials: Trials, caller: Caller) -> None:
    """The paths of the admin listener, over the port of the API."""
    with trials.check("admin: not to be reached over the port of the API"):
        for path in ("/livez", "/readyz", "/metrics", "/version", "/log-level", "/debug/pprof/"):
            expect_same(f"status of {path}", 404, caller.request("GET", path).status)


def expect_unavailable(answer: Answer) -> None:
    """Raise `Unmet` unless a request is refused for now, with a problem that says so."""
    expect_same("status", 503, answer.status)
    code = check_problem(answer)["code"]
    expect(code in {"overloaded", "timeout"}, f"expected overloaded or timeout, got {code}")
    if code == "overloaded":
        expect_same("Retry-After", "1", answer.header("retry-after"))


def expect_refused(answer: Answer, status: int) -> None:
    """Raise `Unmet` unless an answer refuses a request that has no token (401) or a weak one (403)."""
    expect_same("status", status, answer.status)
    code = {401: "unauthorized", 403: "forbidden"}[status]
    expect_same("code", code, check_problem(answer)["code"])
    expect_challenge(answer)


def expect_challenge(answer: Answer) -> None:
    """Raise `Unmet` unless an answer asks for a bearer token."""
    challenge = answer.header("www-authenticate") or ""
    expect(challenge.startswith("Bearer"), f"expected Bearer in WWW-Authenticate, got {challenge!r}")


def try_problems(trials: Trials, caller: Caller) -> None:
    """Errors that every route has."""
    large = b'{"readings":[' + b" " * BODY_LIMIT + b"]}"
    cases: dict[str, tuple[int, str, Answer]] = {}
    with trials.check("contract: every error of a handler is problem+json with its code"):
        cases = {
            "an unknown path": (404, "not_found", caller.request("GET", "/nothing")),
            "the root": (404, "not_found", caller.request("GET", "/")),
            "a slash too many": (404, "not_found", caller.request("GET", "/v1/devices/")),
            "a path to be cleaned": (404, "not_found", caller.request("GET", "/v1/../v1/devices")),
            "OPTIONS *": (404, "not_found", caller.request("OPTIONS", "*")),
            "a wrong method": (405, "method_not_allowed", caller.request("DELETE", "/v1/readings")),
            "a body over the limit": (
                413,
                "body_too_large",
                caller.request("POST", "/v1/readings", [JSON], large),
            ),
        }
        for name, (status, code, answer) in cases.items():
            expect_same(f"status of {name}", status, answer.status)
            problem = check_problem(answer)
            expect_same(f"code of {name}", code, problem["code"])
        allowed = {m.strip() for m in (cases["a wrong method"][2].header("allow") or "").split(",")}
        expect({"GET", "POST"} <= allowed, f"expected GET and POST in Allow, got {sorted(allowed)}")


def try_identity(trials: Trials, caller: Caller, paths: Iterable[str] = ("/v1/devices", "/nothing")) -> None:
    """X-Request-ID, on the answers to GET of these paths: good ones and errors."""
    with trials.check("request id: a good one is echoed, anything else replaced, on every answer"):
        for path in paths:
            good = "a" * 60 + ".-_9"
            answer = caller.request("GET", path, [("X-Request-ID", good)])
            expect_same(f"X-Request-ID of {path}", good, answer.header("x-request-id"))
            for bad in ("", "a" * 65, "a b", "a/b", "é"):
                replaced = caller.request("GET", path, [("X-Request-ID", bad)]).header("x-request-id")
                new = replaced is not None and replaced != bad and _IDENTITY.fullmatch(replaced)
                expect(bool(new), f"expected another id instead of {bad!r}, got {replaced!r} from {path}")


def _try_metrics(trials: Trials, instance: Instance) -> None:
    with trials.check("metrics: each request is counted once, under its route"):
        sent = (
            ("GET", "/v1/devices", "/v1/devices", 200),
            ("GET", "/v1/devices/nobody", "/v1/devices/{device}", 404),
            ("GET", "/nothing", "unmatched", 404),
            ("DELETE", "/v1/readings", "unmatched", 405),
        )
        before = scrape(instance.admin)
        for method, path, _, _ in sent:
            instance.caller.request(method, path)
        after = scrape(instance.admin)
        for method, _, route, status in sent:
            labels = {
                "http_request_method": method,
                "http_route": route,
                "http_response_status_code": str(status),
            }
            counted = total(after, DURATIONS, **labels) - total(before, DURATIONS, **labels)
            expect_same(f"{DURATIONS} of {labels}", 1, counted)


def _try_overload(trials: Trials, instance: Instance) -> None:
    caller = instance.caller
    with trials.check(f"overload: above {IN_FLIGHT} requests at once 503 is answered, then it recovers"):
        with occupied(instance, post(reading(1), caller.always)):
            refused = caller.request("GET", "/v1/devices")
            expect_same(f"status of the one above {IN_FLIGHT}", 503, refused.status)
            problem = check_problem(refused)
            expect_same("its code", "overloaded", problem["code"])
            expect_same("its Retry-After", "1", refused.header("retry-after"))
        answer = caller.request("GET", "/v1/devices")
        expect_same("status afterwards", 200, answer.status)


@contextmanager
def occupied(instance: Instance, request: bytes) -> Iterator[None]:
    """All places taken by requests without their last byte, which get it at the end and are answered 200."""
    with ExitStack() as stack:
        lines = [stack.enter_context(Line(instance.caller.address)) for _ in range(IN_FLIGHT)]
        for line in lines:
            line.send(request[:-1])
        _wait_until_active(instance, IN_FLIGHT)
        yield
        for line in lines:
            line.send(request[-1:])
        statuses = {line.answer("POST").status for line in lines}
        expect_same("statuses of those under way", {200}, statuses)


def _wait_until_active(instance: Instance, count: int) -> None:
    """Wait until that many requests are under way, asking for metrics, which takes none of the places."""
    deadline = time.monotonic() + _ARRIVE_WITHIN
    while (active := total(scrape(instance.admin), ACTIVE)) < count:
        expect(
            time.monotonic() < deadline,
            f"expected {count} requests under way within {_ARRIVE_WITHIN:g} s, by {ACTIVE} it is {active:g}",
        )
