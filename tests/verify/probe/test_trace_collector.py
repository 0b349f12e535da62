"""The probe's collector of traces reads what comes over OTLP."""

from __future__ import annotations

import urllib.request

import pytest
from bedplate.verify.probe.collector import PATH, Collector, Span, spans


def field(number: int, *contents: bytes) -> bytes:
    """A field with a length, by https://protobuf.dev/programming-guides/encoding/; short ones only."""
    content = b"".join(contents)
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def attribute(key: str, value: bytes) -> bytes:
    return field(1, key.encode()) + field(2, value)


def large(number: int, content: bytes) -> bytes:
    """The same with a length of two bytes."""
    assert 128 <= len(content) < 1 << 14
    return bytes([number << 3 | 2, 0x80 | len(content) & 0x7F, len(content) >> 7]) + content


# Numbers of fields by opentelemetry/proto/trace/v1/trace.proto; among them are fields of every other kind.
SPAN = large(
    2,
    field(1, bytes(range(16)))
    + field(2, b"12345678")
    + field(4, b"abcdefgh")
    + field(5, b"GET /v1/devices")
    + b"\x30\x02"  # 6: kind, a varint
    + (b"\x39" + bytes(8))  # 7: start, fixed64
    + field(9, attribute("http.route", field(1, b"/v1/devices")))
    + field(9, attribute("http.response.status_code", b"\x18\xc8\x01"))
    + (b"\x85\x01" + bytes(4)),  # 16: flags, fixed32
)
RESOURCE = field(1, field(1, attribute("service.name", field(1, b"it"))))
MESSAGE = large(1, RESOURCE + large(2, SPAN))
EXPECTED = Span(
    service="it",
    trace="000102030405060708090a0b0c0d0e0f",
    id="3132333435363738",
    parent="6162636465666768",
    name="GET /v1/devices",
    attributes={"http.route": "/v1/devices"},
)


def test_spans_are_read_among_fields_of_every_kind() -> None:
    assert list(spans(MESSAGE)) == [EXPECTED]


def test_a_message_that_is_no_protobuf_is_an_error() -> None:
    with pytest.raises(ValueError, match="no type 7"):
        list(spans(b"\x0f\x00"))


def test_spans_that_are_sent_are_kept() -> None:
    with Collector("127.0.0.1") as collector:
        with urllib.request.urlopen(collector.url + PATH, data=MESSAGE) as answer:  # noqa: S310
            assert answer.status == 200
        assert collector.spans == [EXPECTED]
