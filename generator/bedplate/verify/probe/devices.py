"""A server that answers GET /v1/devices, well or in any way in which one can fail: what exporters ask."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from bedplate.verify.probe.web import Handler, Web
from bedplate.verify.probe.wire import JSON

LATEST: Final = "2026-11-18T11:06:41.250Z"
LATEST_SECONDS: Final = 1_795_000_001.25
"""When each device was last seen."""
_PAGE: Final = 1000
_SLOW: Final = 4.0
"""Seconds that an answer takes for which nobody should wait."""
_FLOOD: Final = 64 << 20

Behaviour = Callable[[Handler, str], None]
"""Answers a request for devices, given the cursor that it has."""


class Target(Web):
    """A server that answers GET /v1/devices in whatever way it is told to."""

    def __init__(self, host: str, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.asked = 0
        target = self

        class Answering(Handler):
            def do_GET(self) -> None:  # noqa: N802 (as http.server calls it)
                target.asked += 1
                query = parse_qs(urlsplit(self.path).query)
                with contextlib.suppress(OSError):  # whoever asks need not listen to the end
                    target.behaviour(self, query.get("cursor", [""])[0])

        super().__init__(Answering, host)


def answering(body: bytes, status: int = 200, kind: str = JSON[1]) -> Behaviour:
    """Always the same answer."""

    def answer(handler: Handler, _: str) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def pages(devices: int | None) -> Behaviour:
    """So many devices in pages, or pages without an end."""

    def answer(handler: Handler, cursor: str) -> None:
        first = int(cursor or 0)
        last = first + _PAGE if devices is None else min(first + _PAGE, devices)
        entries = [{"device": f"{n:08x}", "last_seen": LATEST, "readings": n + 1} for n in range(first, last)]
        page: dict[str, object] = {"devices": entries}
        if devices is None or last < devices:
            page["next"] = str(last)
        answering(json.dumps(page).encode())(handler, cursor)

    return answer


def _slow(handler: Handler, cursor: str) -> None:
    time.sleep(_SLOW)
    answering(b"{}")(handler, cursor)


def _dripping(handler: Handler, cursor: str) -> None:
    handler.send_response(200)
    handler.send_header(*JSON)
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b" ")
        time.sleep(0.1)


def _flooding(handler: Handler, cursor: str) -> None:
    handler.send_response(200)
    handler.send_header(*JSON)
    handler.end_headers()
    for _ in range(_FLOOD >> 20):
        handler.wfile.write(bytes(1 << 20).replace(b"\0", b" "))


def _hanging_up(handler: Handler, _: str) -> None:
    handler.close_connection = True


def _redirecting(to: str) -> Behaviour:
    def answer(handler: Handler, _: str) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"{to}/v1/devices")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def faults(elsewhere: str) -> Mapping[str, Behaviour]:
    """What a target may do, by how it is called."""
    one = {"device": "a", "last_seen": LATEST, "readings": 1}
    twice = json.dumps({"devices": [one, one]}).encode()
    return {
        "is slow": _slow,
        "never ends its answer": _dripping,
        "answers more than anybody asked for": _flooding,
        "hangs up": _hanging_up,
        "redirects": _redirecting(elsewhere),
        "fails": answering(b"", 500),
        "answers HTML": answering(b"<html>", kind="text/html"),
        "answers half of a document": answering(b'{"devices":[{"device":"a"'),
        "names a device that is none": answering(twice.replace(b'"a"', b'"a\\"} 1\\n"')),
        "names a device twice": answering(twice),
        "leads from page to page without devices": answering(b'{"devices":[],"next":"again"}'),
    }
