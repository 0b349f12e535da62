"""The HTTP half of the contract in as few lines as say it: what the vectors are held to.

It is written from the rules alone, on the standard library, so that no emitted service is its own judge.
It gives no cursors out, and so knows every one that it gets to be forged.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

ROUTES = {
    r"/v1/readings": ("GET", "HEAD", "POST"),
    r"/v1/devices": ("GET", "HEAD"),
    r"/v1/devices/[^/]+": ("GET", "HEAD"),
}
QUERIES = {"/v1/readings": ("device", "from", "to", "limit", "cursor"), "/v1/devices": ("limit", "cursor")}
MEMBERS = ("device", "epoch", "sequence", "measured_at", "value")
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z", re.ASCII)
INTEGER = re.compile(r"-?\d+", re.ASCII)


@dataclass(frozen=True)
class Limits:
    """Every number of the contract. A vector must notice when one is another."""

    body: int = 1 << 20
    batch: int = 1000
    page: int = 1000
    device: int = 32
    epoch: int = 2**53
    sequence: int = 2**32 - 1
    least: int = 1
    first_year: int = 2000
    last_year: int = 2100
    fraction: int = 9
    digits: int = 3


@dataclass(frozen=True)
class Answer:
    """What a service must answer; for lists `next` stands for any cursor."""

    status: int = 200
    code: str | None = None
    pointers: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    json: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """Ends a request early, with an answer."""

    def __init__(self, status: int, code: str, **more: Any) -> None:
        super().__init__(code)
        self.answer = Answer(status, code, **more)


class Number(str):
    """A number as it is written."""


@dataclass(frozen=True, order=True)
class Reading:
    """What is stored; orders as lists do, upside down."""

    measured_at: str
    device: str
    epoch: int
    sequence: int
    value: float

    @property
    def key(self) -> tuple[str, int, int]:
        return self.device, self.epoch, self.sequence


class Service:
    """Answers requests as `contract/http.json` writes them, from an empty store on."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.store: dict[tuple[str, int, int], Reading] = {}

    def answer(self, request: Mapping[str, Any]) -> Answer:
        """Answer one request."""
        try:
            return self._route(request)
        except Refusal as refusal:
            return refusal.answer

    def _route(self, request: Mapping[str, Any]) -> Answer:
        url = urlsplit(request["path"])
        allowed = next((methods for route, methods in ROUTES.items() if re.fullmatch(route, url.path)), None)
        if allowed is None:
            raise Refusal(404, "not_found")
        if request["method"] not in allowed:
            raise Refusal(405, "method_not_allowed", headers={"Allow": ", ".join(allowed)})
        if request["method"] == "POST":
            self._query(url.query, ())
            return self._add(request)
        if url.path == "/v1/readings":
            return self._readings(self._query(url.query, QUERIES[url.path]))
        if url.path == "/v1/devices":
            return self._devices(self._query(url.query, QUERIES[url.path]))
        name = unquote(url.path.rpartition("/")[2])
        if not self._is_device(name):
            raise Refusal(404, "not_found")
        self._query(url.query, ())
        return self._device(name)

    def _query(self, text: str, known: Iterable[str]) -> dict[str, str]:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
        names = [name for name, _ in pairs]
        given = dict(pairs)
        wrong = {name for name in names if name not in known or names.count(name) > 1}
        limit = given.get("limit", "100")
        if not re.fullmatch(r"[1-9]\d*", limit, re.ASCII) or int(limit) > self.limits.page:
            wrong.add("limit")
        wrong |= {name for name in ("from", "to") if name in given and self._time(given[name]) is None}
        if "device" in given and not self._is_device(given["device"]):
            wrong.add("device")
        if wrong:
            raise Refusal(422, "validation_failed", parameters=tuple(wrong))
        if "cursor" in given:
            raise Refusal(400, "bad_cursor")
        return given

    def _add(self, request: Mapping[str, Any]) -> Answer:
        kind = next((v for k, v in request["headers"].items() if k.lower() == "content-type"), "")
        if kind.partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "unsupported_media_type")
        body = body_of(request)
        if len(body) > self.limits.body:
            raise Refusal(413, "body_too_large")
        batch = self._validated(decoded(body))
        store, conflicts = dict(self.store), []
        for index, reading in enumerate(batch):
            if store.setdefault(reading.key, reading) != reading:
                conflicts.append(f"#/readings/{index}")
        if conflicts:
            raise Refusal(409, "conflict", pointers=tuple(conflicts))
        accepted, self.store = len(store) - len(self.store), store
        return Answer(json={"accepted": accepted, "duplicates": len(batch) - accepted})

    def _validated(self, body: Mapping[str, Any]) -> list[Reading]:
        readings, wrong = body.get("readings", ()), set()
        if not 1 <= len(readings) <= self.limits.batch:
            wrong.add("#/readings")
        for index, reading in enumerate(readings):
            wrong |= {
                f"#/readings/{index}/{member}" for member in MEMBERS if not self._holds(member, reading)
            }
        if wrong:
            raise Refusal(422, "validation_failed", pointers=tuple(wrong))
        return [
            Reading(
                self._time(reading["measured_at"]) or "",
                reading["device"],
                int(reading["epoch"]),
                int(reading["sequence"]),
                float(reading["value"]),
            )
            for reading in readings
        ]

    def _holds(self, member: str, reading: Mapping[str, Any]) -> bool:
        if member not in reading:
            return False
        value = reading[member]
        if member == "device":
            return self._is_device(value)
        if member == "measured_at":
            time = self._time(value)
            return time is not None and self.limits.first_year <= int(time[:4]) <= self.limits.last_year
        if member == "value":
            return abs(float(value)) != float("inf")
        most = self.limits.epoch if member == "epoch" else self.limits.sequence
        return bool(INTEGER.fullmatch(value)) and self.limits.least <= int(value) <= most

    def _is_device(self, text: str) -> bool:
        return bool(re.fullmatch(r"[a-z0-9][a-z0-9-]*", text)) and len(text) <= self.limits.device

    def _time(self, text: str) -> str | None:
        """The time with as many digits as are kept, or nothing when it is not one."""
        parts = TIME.fullmatch(text)
        if parts is None or len(parts[2] or "") > self.limits.fraction:
            return None
        try:
            datetime.fromisoformat(parts[1])
        except ValueError:
            return None
        kept = self.limits.digits
        return f"{parts[1]}.{(parts[2] or '')[:kept]:0<{kept}}Z"

    def _readings(self, query: Mapping[str, str]) -> Answer:
        start, end = (self._time(query[name]) if name in query else None for name in ("from", "to"))
        found = [
            vars(reading)
            for reading in sorted(self.store.values(), reverse=True)
            if query.get("device", reading.device) == reading.device
            and (start is None or start <= reading.measured_at)
            and (end is None or reading.measured_at < end)
        ]
        return page("readings", found, query)

    def _devices(self, query: Mapping[str, str]) -> Answer:
        names = sorted({reading.device for reading in self.store.values()})
        shown = ("device", "last_seen", "readings")
        found = [{member: self._device(name).json[member] for member in shown} for name in names]
        return page("devices", found, query)

    def _device(self, name: str) -> Answer:
        readings = [reading for reading in self.store.values() if reading.device == name]
        if not readings:
            raise Refusal(404, "not_found")
        epoch = max(reading.epoch for reading in readings)
        numbers = [reading.sequence for reading in readings if reading.epoch == epoch]
        times = [reading.measured_at for reading in readings]
        return Answer(
            json={
                "device": name,
                "first_seen": min(times),
                "last_seen": max(times),
                "readings": len(readings),
                "epoch": epoch,
                "missing": max(numbers) - len(numbers),
            }
        )


def page(member: str, found: list[dict[str, Any]], query: Mapping[str, str]) -> Answer:
    """A page of a list."""
    limit = int(query.get("limit", "100"))
    more = {"next": "any"} if len(found) > limit else {}
    return Answer(json={member: found[:limit], **more})


def body_of(request: Mapping[str, Any]) -> bytes:
    """The bytes of a request's body."""
    if "body_base64" in request:
        return base64.b64decode(request["body_base64"], validate=True)
    repeated = request.get("repeat", {"text": "", "times": 0})
    whole: str = request.get("body", "") + repeated["text"] * repeated["times"] + request.get("tail", "")
    return whole.encode()


def decoded(body: bytes) -> dict[str, Any]:
    """A body of the right shape, its numbers as they are written."""
    try:
        whole = json.loads(
            body.decode("utf-8", "strict"),
            object_pairs_hook=once,
            parse_int=Number,
            parse_float=Number,
            parse_constant=refuse,
        )
        return shaped(whole)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "bad_request") from error


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object; ValueError when one is there twice."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError(pairs)
    return dict(pairs)


def refuse(constant: str) -> None:
    """What Python takes for a number and JSON does not."""
    raise ValueError(constant)


def shaped(whole: Any) -> dict[str, Any]:
    """The same, if every value in it has its type; else ValueError."""
    if (
        type(whole) is not dict
        or not whole.keys() <= {"readings"}
        or type(whole.get("readings", [])) is not list
    ):
        raise ValueError(whole)
    for reading in whole.get("readings", ()):
        if type(reading) is not dict or not reading.keys() <= set(MEMBERS):
            raise ValueError(reading)
        for member, value in reading.items():
            if type(value) is not (str if member in ("device", "measured_at") else Number):
                raise ValueError(value)
    return whole
