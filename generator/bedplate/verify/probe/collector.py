"""A collector of traces for a service that is probed: it takes spans over OTLP/HTTP, as protobuf."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from bedplate.verify.probe.web import Handler, Web, url_of

PATH: Final = "/v1/traces"
# Numbers of fields in opentelemetry/proto/{collector/trace,trace,resource,common}/v1.
_RESOURCE_SPANS: Final = 1
_RESOURCE, _SCOPE_SPANS = 1, 2
_SPANS: Final = 2
_TRACE_ID, _SPAN_ID, _PARENT_ID, _NAME, _SPAN_ATTRIBUTES = 1, 2, 4, 5, 9
_RESOURCE_ATTRIBUTES: Final = 1
_KEY, _VALUE = 1, 2
_STRING: Final = 1


@dataclass(frozen=True)
class Span:
    """What is looked at of a span. Ids are in hexadecimal; of the attributes only texts are kept."""

    service: str
    trace: str
    id: str
    parent: str
    name: str
    attributes: dict[str, str]


class Collector(Web):
    """A collector on an address of this machine, for the time of its with block."""

    def __init__(self, host: str) -> None:
        self.spans: list[Span] = []
        collector = self

        class Taking(Handler):
            def do_POST(self) -> None:  # noqa: N802 (as http.server calls it)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == PATH:
                    collector.spans += spans(body)
                self.send_response(200 if self.path == PATH else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Taking, host)


class SilentCollector:
    """Takes connections and never answers, for the time of its with block."""

    def __init__(self, host: str) -> None:
        self._listener = socket.create_server((host, 0))

    @property
    def url(self) -> str:
        """The base URL, as OTEL_EXPORTER_OTLP_ENDPOINT wants it."""
        return url_of(self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()


def spans(message: bytes) -> Iterator[Span]:
    """The spans of an ExportTraceServiceRequest; raises `ValueError` when it is none."""
    for resource_spans in _all(message, _RESOURCE_SPANS):
        resource = next(_all(resource_spans, _RESOURCE), b"")
        service = _attributes(resource, _RESOURCE_ATTRIBUTES).get("service.name", "")
        for scope_spans in _all(resource_spans, _SCOPE_SPANS):
            for span in _all(scope_spans, _SPANS):
                yield Span(
                    service,
                    trace=next(_all(span, _TRACE_ID)).hex(),
                    id=next(_all(span, _SPAN_ID)).hex(),
                    parent=next(_all(span, _PARENT_ID), b"").hex(),
                    name=next(_all(span, _NAME)).decode(),
                    attributes=_attributes(span, _SPAN_ATTRIBUTES),
                )


def _attributes(message: bytes, field: int) -> dict[str, str]:
    found = {}
    for attribute in _all(message, field):
        value = next(_all(next(_all(attribute, _VALUE)), _STRING), None)
        if value is not None:
            found[next(_all(attribute, _KEY)).decode()] = value.decode()
    return found


def _all(message: bytes, field: int) -> Iterator[bytes]:
    """The values of a field that has a length, by the wire format of Protocol Buffers."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        match kind:
            case 0:
                _, at = _varint(message, at)
            case 1:
                at += 8
            case 5:
                at += 4
            case 2:
                length, at = _varint(message, at)
                if number == field:
                    yield message[at : at + length]
                at += length
            case _:
                raise ValueError(f"no type {kind} of a field in Protocol Buffers")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004
            return value, at
