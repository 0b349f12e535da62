"""Requests that two parsers might take for different ones: a gateway refuses them or makes them harmless.

RFC 9112 sections 2, 3, 5, 6 and 7, RFC 9110 section 7.2. Whatever is answered, an upstream must have got
exactly one well-formed request for each answer that came from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bedplate.verify.probe.trial import Trials, expect
from bedplate.verify.probe.upstream import Upstream
from bedplate.verify.probe.wire import Address, Line

CLOSED: Final = 0
"""Stands for a connection that is closed without an answer."""
REFUSED: Final = frozenset({400, 501, 505, CLOSED})
SERVED: Final = frozenset({200})
EITHER: Final = REFUSED | SERVED
_PATIENCE: Final = 2.0


@dataclass(frozen=True)
class Trick:
    """A request that is not what it seems, for a path that is routed to an upstream."""

    name: str
    raw: bytes
    answers: frozenset[int] = REFUSED
    body: bytes | None = None
    """What must reach the upstream as the body, when it is served."""


def _get(*lines: bytes, start: bytes = b"GET /web HTTP/1.1", host: bytes = b"Host: probe") -> bytes:
    return b"\r\n".join([start, *([host] if host else []), *lines, b"", b""])


def _post(body: bytes, *lines: bytes, version: bytes = b"1.1") -> bytes:
    return _get(*lines, start=b"POST /web HTTP/" + version) + body


_CHUNKED: Final = b"Transfer-Encoding: chunked"
_HELLO: Final = b"5\r\nhello\r\n0\r\n\r\n"

TRICKS: Final = (
    Trick("length and chunks", _post(_HELLO, b"Content-Length: 3", _CHUNKED), EITHER, b"hello"),
    Trick("two lengths", _post(b"hello", b"Content-Length: 5", b"Content-Length: 3")),
    Trick(
        "the same length twice", _post(b"hello", b"Content-Length: 5", b"Content-Length: 5"), EITHER, b"hello"
    ),
    Trick("a list of lengths", _post(b"hello", b"Content-Length: 5, 3")),
    Trick("a length with a sign", _post(b"hello", b"Content-Length: +5")),
    Trick("a length in hex", _post(b"hello", b"Content-Length: 0x5")),
    Trick("a length with a space", _post(b"hello", b"Content-Length: 5 5")),
    Trick("a length that overflows", _post(b"", b"Content-Length: 18446744073709551621")),
    Trick("another coding before chunked", _post(_HELLO, b"Transfer-Encoding: gzip, chunked")),
    Trick("another coding after chunked", _post(_HELLO, b"Transfer-Encoding: chunked, identity")),
    Trick("chunked twice", _post(_HELLO, _CHUNKED, _CHUNKED)),
    Trick("nearly chunked", _post(_HELLO, b"Transfer-Encoding: xchunked")),
    Trick("chunks in HTTP/1.0", _post(_HELLO, _CHUNKED, version=b"1.0")),
    Trick("a bare CR in a value", _get(b"X-A: a\rX-B: b")),
    Trick("a NUL in a value", _get(b"X-A: a\0b")),
    Trick("a folded line", _get(b"X-A: a", b" b")),
    Trick("a space before the colon", _get(b"X-A : a")),
    Trick("a name that is empty", _get(b": a")),
    Trick("an 8-bit byte in a name", _get(b"X-\xe9: a")),
    Trick("bare LF as line end", b"GET /web HTTP/1.1\nHost: probe\n\n", EITHER),
    Trick("no host", _get(host=b"")),
    Trick("two hosts", _get(b"Host: other")),
    Trick("a host with a space", _get(host=b"Host: a b")),
    Trick("a host with userinfo", _get(host=b"Host: user@probe")),
    Trick("a host whose port is no number", _get(host=b"Host: probe:eighty")),
    Trick("a host other than the target's", _get(start=b"GET http://other/web HTTP/1.1")),
    Trick("a target without a slash", _get(start=b"GET web HTTP/1.1")),
    Trick("a target of another scheme", _get(start=b"GET ftp://probe/web HTTP/1.1")),
    Trick("a size of a chunk that overflows", _post(b"10000000000000005\r\nhello\r\n0\r\n\r\n", _CHUNKED)),
    Trick("a chunk without its end", _post(b"5\r\nhello0\r\n\r\n", _CHUNKED)),
    Trick("a size of a chunk in minus", _post(b"-5\r\nhello\r\n0\r\n\r\n", _CHUNKED)),
    Trick(
        "an upgrade with a body", _post(b"hello", b"Content-Length: 5", b"Connection: upgrade", b"Upgrade: x")
    ),
    Trick("HTTP/0.9", b"GET /web\r\n\r\n"),
    Trick("a major version that is unknown", _get(start=b"GET /web HTTP/3.0")),
)


def try_smuggling(trials: Trials, address: Address, upstreams: Sequence[Upstream]) -> None:
    """Send each trick over a connection of its own."""
    with trials.check(f"smuggling: of {len(TRICKS)} ambiguous requests none is taken for another one"):
        wrong = [f"{trick.name}: {seen}" for trick in TRICKS if (seen := _wrong(trick, address, upstreams))]
        expect(not wrong, f"{len(wrong)} are:\n" + "\n".join(wrong))
    with trials.check("smuggling: upstreams get nothing that is malformed"):
        malformed = [text for upstream in upstreams for text in upstream.malformed]
        expect(not malformed, f"expected nothing, an independent parser says {malformed[:5]}")


def _wrong(trick: Trick, address: Address, upstreams: Sequence[Upstream]) -> str:
    """What is wrong with the way in which a trick was dealt with, or nothing."""
    before = [len(upstream.received) for upstream in upstreams]
    with Line(address) as line:
        line.send(trick.raw)
        try:
            head = line.first(_PATIENCE)
        except TimeoutError:
            return f"expected an answer or the end of the connection within {_PATIENCE:g} s, got neither"
    status = int(head[9:12]) if head.startswith(b"HTTP/1.") else CLOSED
    if status not in trick.answers:
        return f"expected one of {sorted(trick.answers)} (0: closed), got {head[:40]!r}"
    new = [
        got for upstream, count in zip(upstreams, before, strict=True) for got in upstream.received[count:]
    ]
    wanted = 1 if status in SERVED else 0
    if len(new) != wanted:
        return f"expected {wanted} requests at upstreams after {status}, got {new}"
    if new and trick.body is not None and new[0].body != trick.body:
        return f"expected the body {trick.body!r} at the upstream, got {new[0].body!r}"
    return ""
