"""What a Go service promises of its procedures: over connect as JSON, over gRPC and over gRPC-Web."""

from __future__ import annotations

import json
import random
import socket
import time
from typing import Any, Final

from bedplate.verify.probe.api import (
    BODY_LIMIT,
    DURATIONS,
    IN_FLIGHT,
    expect_challenge,
    occupied,
    reading,
    try_apart,
    try_identity,
)
from bedplate.verify.probe.grpc import PREFACE, Channel, Reply, envelope, text_field
from bedplate.verify.probe.metrics import scrape, total
from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.wire import JSON, Answer, Caller, Headers, render

SERVICE: Final = "telemetry.v1.ReadingService"
ADD: Final = f"/{SERVICE}/AddReadings"
DEVICES: Final = f"/{SERVICE}/ListDevices"
DEVICE: Final = f"/{SERVICE}/GetDevice"
ASK: Final = f"{DEVICES}?encoding=json&message=%7B%7D"
"""A call that only reads, as a GET."""
_HEALTH: Final = "/grpc.health.v1.Health/Check"
_REFLECTION: Final = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
_LIST_SERVICES: Final = b"\x3a\x00"
"""Field 7 of a ServerReflectionRequest, an empty text."""
_SERVING: Final = b"\x08\x01"
_NOT_SERVING: Final = b"\x08\x02"
_INVALID_ARGUMENT, _NOT_FOUND, _RESOURCE_EXHAUSTED, _UNIMPLEMENTED, _UNAVAILABLE = 3, 5, 8, 12, 14
"""Codes of gRPC (https://grpc.io/docs/guides/status-codes)."""
_STREAMS: Final = 100


def call(caller: Caller, path: str, message: object) -> Answer:
    """Call a procedure with a message in JSON."""
    return caller.request("POST", path, [JSON], json.dumps(message).encode())


def post(path: str, body: bytes, always: Headers = ()) -> bytes:
    """The bytes of such a call; `always` are headers that each request has."""
    return render("POST", path, [*always, JSON], body)


def ask(caller: Caller, headers: Headers) -> Answer:
    """A call that needs a token where any does."""
    return caller.request("POST", DEVICES, [*headers, JSON], b"{}")


def expect_refused(answer: Answer, status: int) -> None:
    """Raise `Unmet` unless a call is refused that has no token (401) or a weak one (403)."""
    expect_same("status", status, answer.status)
    code = {401: "unauthenticated", 403: "permission_denied"}[status]
    expect_same("code", code, answer.json().get("code"))
    expect_challenge(answer)


def expect_unavailable(answer: Answer) -> None:
    """Raise `Unmet` unless a call is refused because the database can't be reached, or not in time."""
    expect(answer.status in (503, 504), f"expected status 503 or 504, got {answer}")
    code = answer.json().get("code")
    expect(code in ("unavailable", "deadline_exceeded"), f"expected unavailable, got {code}")


def try_rpc(trials: Trials, platform: Platform) -> None:
    """Protocols, errors, limits, metrics, health, reflection, and the drain of a connection of HTTP/2."""
    with trials.part("contract: it answers"), platform.start() as instance:
        instance.wait_until_ready()
        _try_protocols(trials, instance)
        _try_errors(trials, instance.caller)
        _try_codes(trials, instance)
        _try_discovery(trials, instance)
        try_identity(trials, instance.caller, (ASK, "/nothing"))
        _try_metrics(trials, instance)
        _try_overload(trials, instance)
        _try_noise(trials, instance)
        try_apart(trials, instance.caller)
    _try_drain(trials, platform)


def _try_protocols(trials: Trials, instance: Instance) -> None:
    with trials.check("contract: connect, gRPC and gRPC-Web tell the same of a reading"):
        batch = json.loads(reading(2))
        expect_same("first answer", {"accepted": 1}, call(instance.caller, ADD, batch).json())
        expect_same("second answer", {"duplicates": 1}, call(instance.caller, ADD, batch).json())
        device = {
            "device": "probe",
            "firstSeen": "2026-11-18T11:06:41.250Z",
            "lastSeen": "2026-11-18T11:06:41.250Z",
            "readings": "1",
            "epoch": "1795000000123",
            "missing": "1",
        }
        expect_same("as JSON", device, call(instance.caller, DEVICE, {"device": "probe"}).json())
        told = text_field(1, "probe")
        asked = json.dumps({"device": "probe"}).encode()
        with _channel(instance) as channel:
            grpc = channel.call(DEVICE, envelope(told))
            web = channel.call(DEVICE, envelope(told), "application/grpc-web+proto")
            written = channel.call(DEVICE, envelope(asked), "application/grpc+json")
        _expect_code("gRPC", 0, grpc)
        _expect_code("gRPC as JSON", 0, written)
        expect(told in grpc.messages[0], f"expected the device in {grpc}")
        expect_same("gRPC-Web", grpc.messages, web.messages)
        expect_same("gRPC as JSON", device, json.loads(written.messages[0]))


def _try_errors(trials: Trials, caller: Caller) -> None:
    batch = json.loads(reading(1))
    bad = {**batch["readings"][0], "device": "Probe", "epoch": 0}
    other = {**batch["readings"][0], "sequence": 2, "value": -1}
    unreadable = caller.request("POST", ADD, [JSON], b"{")
    large = caller.request("POST", ADD, [JSON], b'{"readings":[' + b" " * (BODY_LIMIT + 6) + b"]}")
    cases: dict[str, tuple[int, str, Answer, tuple[str, ...]]] = {
        "broken rules": (
            400,
            "invalid_argument",
            call(caller, ADD, {"readings": [batch["readings"][0], bad]}),
            ("readings[1].device", "readings[1].epoch"),
        ),
        "a forged cursor": (400, "invalid_argument", call(caller, DEVICES, {"cursor": "x"}), ("cursor",)),
        "no JSON": (400, "invalid_argument", unreadable, ()),
        "a device that is not there": (404, "not_found", call(caller, DEVICE, {"device": "nobody"}), ()),
        "another value": (409, "already_exists", call(caller, ADD, {"readings": [other]}), ("readings[0]",)),
        "a message over the limit": (429, "resource_exhausted", large, ()),
        "an unknown procedure": (404, "unimplemented", call(caller, f"/{SERVICE}/Nothing", {}), ()),
        "an unknown path": (404, "unimplemented", caller.request("GET", "/nothing"), ()),
        "a path to be cleaned": (404, "unimplemented", call(caller, "/" + ADD, batch), ()),
    }
    with trials.check("contract: every error has its status, its code, and the fields that are wrong"):
        for name, (status, code, answer, fields) in cases.items():
            expect_same(f"status of {name}", status, answer.status)
            told = answer.json()
            expect_same(f"code of {name}", code, told.get("code"))
            expect_same(f"fields of {name}", fields, _fields(told))
    with trials.check("contract: what is no call is told which would be"):
        expect_same("status of PUT", 405, caller.request("PUT", ADD).status)
        text = caller.request("POST", ADD, [("Content-Type", "text/plain")], b"{}")
        expect_same("status of text", 415, text.status)
        expect("application/json" in (text.header("accept-post") or ""), f"expected Accept-Post in {text}")


def _fields(error: dict[str, Any]) -> tuple[str, ...]:
    """The fields that the details of an error name."""
    details = [detail for detail in error.get("details", []) if detail["type"] == "google.rpc.BadRequest"]
    violations = (one for detail in details for one in detail["debug"]["fieldViolations"])
    return tuple(violation["field"] for violation in violations)


def _try_codes(trials: Trials, instance: Instance) -> None:
    with (
        trials.check("contract: errors of gRPC have their codes, and none tells of the inside"),
        _channel(instance) as channel,
    ):
        cases = {
            "no reading": (_INVALID_ARGUMENT, channel.call(ADD, envelope(b""))),
            "a device that is not there": (
                _NOT_FOUND,
                channel.call(DEVICE, envelope(text_field(1, "nobody"))),
            ),
            "a message over the limit": (
                _RESOURCE_EXHAUSTED,
                channel.call(ADD, envelope(bytes(BODY_LIMIT + 1))),
            ),
            "an unknown procedure": (_UNIMPLEMENTED, channel.call(f"/{SERVICE}/Nothing", envelope(b""))),
            "an envelope that is cut": (_INVALID_ARGUMENT, channel.call(ADD, b"\0\0")),
            "a message that is cut": (_INVALID_ARGUMENT, channel.call(ADD, envelope(bytes(9))[:-1])),
            "no Protobuf": (_INVALID_ARGUMENT, channel.call(ADD, envelope(b"\xff"))),
        }
        for name, (code, reply) in cases.items():
            _expect_code(name, code, reply)
            expect(bool(reply.text), f"expected a text for {name}, got {reply}")
            expect("EOF" not in reply.text, f"expected no error of the inside, got {reply}")
            expect(bool(reply.headers.get("x-request-id")), f"expected an x-request-id, got {reply.headers}")
        details = cases["no reading"][1].headers.get("grpc-status-details-bin", "")
        expect(bool(details), "expected the details of broken rules, got none")


def _try_discovery(trials: Trials, instance: Instance) -> None:
    with trials.check("discovery: health and reflection know the service"), _channel(instance) as channel:
        for name in ("", SERVICE):
            healthy = channel.call(_HEALTH, envelope(text_field(1, name) if name else b""))
            expect_same(f"health of {name!r}", [_SERVING], healthy.messages)
        _expect_code("health of another", _NOT_FOUND, channel.call(_HEALTH, envelope(text_field(1, "other"))))
        listed = channel.call(_REFLECTION, envelope(_LIST_SERVICES))
        expect(SERVICE.encode() in bytes(listed.body), f"expected {SERVICE}, got {listed}")


def _try_metrics(trials: Trials, instance: Instance) -> None:
    with trials.check("metrics: each call is counted once, under its procedure and code"):
        before = scrape(instance.admin)
        with _channel(instance) as channel:
            channel.call(DEVICE, envelope(text_field(1, "nobody")))
        call(instance.caller, DEVICES, {})
        call(instance.caller, f"/{SERVICE}/Nothing", {})
        after = scrape(instance.admin)
        for route, code in ((DEVICE, "not_found"), (DEVICES, "ok"), ("unmatched", "unimplemented")):
            labels = {"http_request_method": "POST", "http_route": route, "rpc_response_status_code": code}
            counted = total(after, DURATIONS, **labels) - total(before, DURATIONS, **labels)
            expect_same(f"{DURATIONS} of {labels}", 1, counted)


def _try_overload(trials: Trials, instance: Instance) -> None:
    caller = instance.caller
    with trials.check(f"overload: above {IN_FLIGHT} calls at once it is unavailable, then it recovers"):
        with occupied(instance, post(ADD, reading(2), caller.always)):
            refused = call(caller, DEVICES, {})
            expect_same(f"status of the one above {IN_FLIGHT}", 503, refused.status)
            expect_same("its code", "unavailable", refused.json()["code"])
            expect_same("its Retry-After", "1", refused.header("retry-after"))
            with _channel(instance) as channel:
                _expect_code("the one of gRPC", _UNAVAILABLE, channel.call(DEVICES, envelope(b"")))
        expect_same("status afterwards", 200, call(caller, DEVICES, {}).status)


def _try_noise(trials: Trials, instance: Instance) -> None:
    chance = random.Random(1)  # noqa: S311
    with trials.check(f"hostile: {_STREAMS} random streams of HTTP/2 leave it as it was"):
        for _ in range(_STREAMS):
            with socket.create_connection(instance.http, 5) as line:
                kind, flags = chance.randrange(10), chance.randrange(256)
                payload = chance.randbytes(chance.randrange(64))
                head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + chance.randbytes(4)
                line.sendall(PREFACE + bytes.fromhex("000000040000000000") + head + payload)
        expect(instance.is_running(), f"expected it to run on; log:\n{instance.last_words()}")
        expect_same("status afterwards", 200, call(instance.caller, DEVICES, {}).status)


def _try_drain(trials: Trials, platform: Platform) -> None:
    with (
        trials.check("drain: over HTTP/2 calls are answered, and clients told to go"),
        platform.start(environment={"DRAIN_DELAY": "1s"}) as instance,
    ):
        instance.wait_until_ready()
        with _channel(instance) as idle, _channel(instance) as busy:
            _expect_code("before", 0, idle.call(DEVICES, envelope(b"")))
            expect(not idle.told_to_go, "expected no GOAWAY before the drain")
            stream = busy.begin(DEVICES)
            instance.signal("SIGTERM")
            time.sleep(0.3)
            draining = idle.call(_HEALTH, envelope(b""))
            expect_same("health", [_NOT_SERVING], draining.messages)
            expect(idle.told_to_go, "expected GOAWAY with an answer during the drain, got none")
            time.sleep(1.2)
            _expect_code("the one under way", 0, busy.complete(stream, envelope(b"")))
        expect_same("exit code", 0, instance.exit_code(30))


def _channel(instance: Instance) -> Channel:
    return Channel(instance.http, instance.credentials)


def _expect_code(name: str, wanted: int, reply: Reply) -> None:
    expect(reply.code == wanted, f"code of {name}: expected {wanted}, got {reply}")
