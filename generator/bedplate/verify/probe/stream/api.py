"""An API that keeps readings as the contract has it, or fails in any way that it is told to."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from bedplate.verify.probe.upstream import Received, Upstream
from bedplate.verify.probe.wire import JSON

Key = tuple[str, int, int]
"""Device, epoch and sequence: what a reading is known by."""
PATH: Final = "/v1/readings"
MOST: Final = 1_000
"""Readings of one request."""
_NAMED: Final = 100
"""Most errors of one answer."""
_MEMBERS: Final = {"device", "epoch", "sequence", "measured_at", "value"}
_DEVICE: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)
_TIME: Final = re.compile(r"2[01]\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_VALUE: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d{1,3})?", re.ASCII)
_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "bad_request",
        401: "unauthorized",
        404: "not_found",
        409: "conflict",
        413: "body_too_large",
        415: "unsupported_media_type",
        422: "validation_failed",
        429: "overloaded",
        500: "internal",
        503: "overloaded",
    }
)


@dataclass(frozen=True)
class Reading:
    """A reading of a request. Its time is as it is written, its value in thousandths."""

    device: str
    epoch: int
    sequence: int
    measured_at: str
    value: int

    @property
    def key(self) -> Key:
        """What it is stored under."""
        return self.device, self.epoch, self.sequence


Behaviour = Callable[[Sequence[Reading]], bytes]
"""The bytes that a batch is answered with. The connection is closed behind what is no answer."""
CLOSE: Final = b"\r\nConnection: close\r\n"


def answer(status: int, content: object = None, **headers: str) -> bytes:
    """A whole answer, with a body in JSON."""
    body = b"" if content is None else json.dumps(content).encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    kind = JSON[1] if status < 400 else "application/problem+json"  # noqa: PLR2004
    lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([f"HTTP/1.1 {status} Such", *lines, "", ""]).encode() + body


def problem(status: int, *pointers: str, **headers: str) -> bytes:
    """An error as RFC 9457 has it, with what the contract adds."""
    content: dict[str, Any] = {"type": "about:blank", "title": "such", "status": status}
    content |= {"code": _CODES[status], "request_id": "probe"}
    if pointers:
        content["errors"] = [{"pointer": pointer, "detail": "such"} for pointer in pointers[:_NAMED]]
    return answer(status, content, **headers)


class Api(Upstream):
    """Listens on an address of this machine; what it has stored can be given to the next one.

    Under TLS with a context.
    """

    def __init__(
        self,
        host: str,
        port: int = 0,
        stored: dict[Key, Reading] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.stored: dict[Key, Reading] = {} if stored is None else stored
        self.batches = 0
        """Requests that were answered or are about to be."""
        self.readings = 0
        """In all of them."""
        self.wrong: list[str] = []
        """Requests that no client of the contract sends."""
        self.behaviour: Behaviour = self.store
        self._lock = threading.Lock()
        super().__init__(host, context, port)

    def store(self, readings: Sequence[Reading]) -> bytes:
        """Keep all of them, or none when one is there with another time or value."""
        with self._lock:
            known = [(number, self.stored.get(reading.key)) for number, reading in enumerate(readings)]
            other = [number for number, had in known if had is not None and had != readings[number]]
            if other:
                return problem(409, *(f"#/readings/{number}" for number in other))
            before = len(self.stored)
            self.stored.update((reading.key, reading) for reading in readings)
            new = len(self.stored) - before
        return answer(200, {"accepted": new, "duplicates": len(readings) - new})

    @contextmanager
    def behaving(self, behaviour: Behaviour) -> Iterator[None]:
        """Answer like this for the time of a with block."""
        self.behaviour = behaviour
        try:
            yield
        finally:
            self.behaviour = self.store

    def _answer(self, connection: socket.socket, request: Received) -> bool:
        if (request.method, request.target) != ("POST", PATH):
            connection.sendall(problem(404))
            return True
        self.received.clear()  # Bodies of a whole run are much, and all of them are judged here.
        try:
            readings = _readings(request)
        except (ValueError, TypeError, KeyError) as error:
            self.wrong.append(f"{error}: {request.body[:200]!r}")
            connection.sendall(problem(422))
            return True
        with self._lock:
            self.batches += 1
            self.readings += len(readings)
        answered = self.behaviour(readings)
        connection.sendall(answered)
        return answered.startswith(b"HTTP/1.1 ") and CLOSE not in answered


def _readings(request: Received) -> list[Reading]:
    """The readings of a request; raises an error of some kind when it is not as the contract has it."""
    if request.header("content-type") != JSON[1]:
        raise ValueError(f"content-type: {request.header('content-type')}")
    content = json.loads(request.body, parse_float=str, parse_int=str, object_pairs_hook=_object)
    if set(content) != {"readings"} or not 1 <= len(content["readings"]) <= MOST:
        raise ValueError("no object with 1 to 1 000 readings")
    return [_reading(entry) for entry in content["readings"]]


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a member that is there twice")
    return dict(pairs)


def _reading(entry: Mapping[str, Any]) -> Reading:
    if set(entry) != _MEMBERS or not _VALUE.fullmatch(entry["value"]):
        raise ValueError("a reading that is not valid")
    value = int(Decimal(entry["value"]) * 1000)
    reading = Reading(
        entry["device"], int(entry["epoch"]), int(entry["sequence"]), entry["measured_at"], value
    )
    valid = (
        _DEVICE.fullmatch(reading.device)
        and 1 <= reading.epoch <= 2**53
        and 1 <= reading.sequence < 2**32
        and _TIME.fullmatch(reading.measured_at)
    )
    if not valid:
        raise ValueError("a reading that is not valid")
    return reading
