"""gRPC over HTTP/2 without TLS: h2 takes care of frames, and judges those that come."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from bedplate.verify.probe.wire import PATIENCE, Address, Headers

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_CHUNK: Final = 65_536
_PREFIX: Final = 5
_HEAD: Final = 9
"""Bytes of a frame before its payload, of which the first three tell the payload's length."""
_GO_AWAY: Final = 7


class NoReply(Exception):
    """A call got no complete reply; the message says how it ended."""


@dataclass
class Reply:
    """What a call got: messages, then the code and text of its end, be it in headers or in trailers."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False

    @property
    def code(self) -> int:
        """The code of gRPC, -1 where none came."""
        return int(self.headers.get("grpc-status", -1))

    @property
    def text(self) -> str:
        """What the reply says to people."""
        return unquote(self.headers.get("grpc-message", ""))

    @property
    def messages(self) -> list[bytes]:
        """The messages, without their envelopes; that of gRPC-Web with the trailers is not one."""
        messages, rest = [], bytes(self.body)
        while len(rest) >= _PREFIX:
            flags, length = struct.unpack(">BI", rest[:_PREFIX])
            if not flags & 0x80:
                messages.append(rest[_PREFIX : _PREFIX + length])
            rest = rest[_PREFIX + length :]
        return messages

    def __str__(self) -> str:
        return f"code {self.code} {self.text!r}, {bytes(self.body[:200])!r}"


def envelope(message: bytes) -> bytes:
    """A message as gRPC sends it."""
    return struct.pack(">BI", 0, len(message)) + message


def text_field(number: int, text: str) -> bytes:
    """A field of type string with up to 127 bytes, as Protobuf encodes it."""
    content = text.encode()
    return bytes((number << 3 | 2, len(content))) + content


class Channel:
    """A connection over which one call follows the other, closed at the end of its with block."""

    def __init__(self, address: Address, always: Headers = ()) -> None:
        self._socket = socket.create_connection(address, PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._connection.initiate_connection()
        self._always = always
        self._received = b""
        self._flush()
        self.told_to_go = False
        """The service has sent GOAWAY."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def call(
        self, path: str, body: bytes, media_type: str = "application/grpc", headers: Headers = ()
    ) -> Reply:
        """Send a request with this body, envelopes and all, and wait for the end of the reply.

        Raises:
            NoReply: when the stream or the connection ends before that.
            OSError: when the connection was reset, or nothing came in time.
        """
        stream = self.begin(path, media_type, headers)
        return self.complete(stream, body)

    def begin(self, path: str, media_type: str = "application/grpc", headers: Headers = ()) -> int:
        """Send the headers of a request alone; the number of its stream."""
        stream = self._connection.get_next_available_stream_id()
        fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "probe"),
            (":path", path),
            ("content-type", media_type),
            ("te", "trailers"),
            *((name.lower(), value) for name, value in (*self._always, *headers)),
        ]
        self._connection.send_headers(stream, fields)
        self._flush()
        return stream

    def complete(self, stream: int, body: bytes) -> Reply:
        """Send the body of a request as the service takes it, and wait for the end of the reply."""
        reply, rest, sent = Reply(), body, False
        deadline = time.monotonic() + PATIENCE
        while not reply.ended:
            if not sent:
                rest, sent = self._send(stream, rest)
            if sent or rest:
                self._receive(stream, reply, deadline)
        return reply

    def _send(self, stream: int, rest: bytes) -> tuple[bytes, bool]:
        """Send what fits into the windows; what is left, and whether that was all."""
        try:
            room = min(
                self._connection.local_flow_control_window(stream), self._connection.max_outbound_frame_size
            )
            if rest and room > 0:
                self._connection.send_data(stream, rest[:room])
                rest = rest[room:]
            if not rest:
                self._connection.end_stream(stream)
            self._flush()
        except ProtocolError:  # The service has ended the stream: it has said all it has to say.
            return b"", True
        return rest, not rest

    def _receive(self, stream: int, reply: Reply, deadline: float) -> None:
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        data = self._socket.recv(_CHUNK)
        if not data:
            raise NoReply("the connection was closed")
        self._received += data
        for frame in self._frames():
            for event in self._connection.receive_data(frame):
                self._note(event, stream, reply)
        self._flush()

    def _frames(self) -> Iterator[bytes]:
        """The frames that have come whole, without GOAWAY: h2 would let nothing follow it (RFC 9113, 6.8)."""
        while len(self._received) >= _HEAD:
            end = _HEAD + int.from_bytes(self._received[:3], "big")
            if len(self._received) < end:
                return
            frame, self._received = self._received[:end], self._received[end:]
            if frame[3] == _GO_AWAY:
                self.told_to_go = True
            else:
                yield frame

    def _note(self, event: Event, stream: int, reply: Reply) -> None:
        match event:
            case ResponseReceived(stream_id=of, headers=headers) if of == stream:
                reply.headers.update(_texts(headers))
            case TrailersReceived(stream_id=of, headers=headers) if of == stream:
                reply.headers.update(_texts(headers))
            case DataReceived(stream_id=of, data=data, flow_controlled_length=length) if of == stream:
                reply.body += data
                self._connection.acknowledge_received_data(length, of)
            case StreamEnded(stream_id=of) if of == stream:
                reply.ended = True
            case StreamReset(stream_id=of, error_code=code) if of == stream and not reply.ended:
                raise NoReply(f"the stream was reset with {code}")

    def _flush(self) -> None:
        self._socket.sendall(self._connection.data_to_send())


def _texts(headers: Iterable[tuple[str | bytes, str | bytes]]) -> Iterable[tuple[str, str]]:
    return ((_text(name), _text(value)) for name, value in headers)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
