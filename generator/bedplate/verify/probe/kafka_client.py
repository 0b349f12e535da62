"""As much of Kafka's protocol as the probe takes, with a broker that leads all partitions.

https://kafka.apache.org/protocol
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import Final

from bedplate.verify.probe.queue import ANSWER_WITHIN, Connection
from bedplate.verify.probe.trial import expect, expect_same
from bedplate.verify.probe.wire import Address

_NAME: Final = "probe"
_ALL: Final = -1
"""Replicas that must have what is produced."""
_LATEST: Final = -1
_NOBODY: Final = -1
_FETCHED: Final = 1 << 20

# Keys of requests, each with a version that has no tagged fields yet.
_PRODUCE: Final = (0, 3)
_FETCH: Final = (1, 4)
_LIST_OFFSETS: Final = (2, 1)
_METADATA: Final = (3, 4)
_OFFSET_FETCH: Final = (9, 1)

_BATCH: Final = struct.Struct(">qiibI")
"""Of a batch of records: offset, length of what follows, epoch of the leader, magic byte, checksum."""
_BATCH_HEAD: Final = 12
"""Bytes of the first two, before what the length counts."""
_BATCH_REST: Final = struct.Struct(">hiqqqhii")
"""Attributes, last offset, first and last time, producer with epoch and sequence, number of records."""
_MAGIC: Final = 2
_COMPRESSED: Final = 0x07
_CASTAGNOLI: Final = 0x82F63B78


class Client(Connection):
    """One to a broker of Kafka."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._number = 0

    def brokers(self) -> int:
        """How many there are in the cluster."""
        answer = self._ask(_METADATA, struct.pack(">i?", 0, False))
        answer.take("i")  # how long it throttled
        return answer.take("i")

    def produce(self, topic: str, partition: int, payload: bytes) -> None:
        """Return once the topic holds it; raises `Unmet` when it does not."""
        batch = _encoded(payload)
        asked = struct.pack(">hhi", -1, _ALL, int(ANSWER_WITHIN * 1000)) + _of_topic(topic)
        answer = self._ask(_PRODUCE, asked + struct.pack(">iii", 1, partition, len(batch)) + batch)
        answer.enter_topic()
        answer.take("i")
        expect_same("error of Produce", 0, answer.take("h"))

    def end(self, topic: str, partition: int) -> int:
        """The offset that the next message gets."""
        asked = struct.pack(">i", _NOBODY) + _of_topic(topic) + struct.pack(">iiq", 1, partition, _LATEST)
        answer = self._ask(_LIST_OFFSETS, asked)
        answer.enter_topic()
        answer.take("i")
        expect_same("error of ListOffsets", 0, answer.take("h"))
        answer.take("q")
        return answer.take("q")

    def committed(self, group: str, topic: str, partition: int) -> int:
        """The offset from which a group goes on."""
        answer = self._ask(_OFFSET_FETCH, _text(group) + _of_topic(topic) + struct.pack(">ii", 1, partition))
        answer.enter_topic()
        answer.take("i")
        offset = answer.take("q")
        answer.text()
        expect_same("error of OffsetFetch", 0, answer.take("h"))
        return max(0, offset)

    def stored(self, topic: str, partition: int) -> list[bytes]:
        """All messages that a partition holds."""
        messages: list[bytes] = []
        offset, end = 0, self.end(topic, partition)
        while offset < end:
            for at, payload in self._fetch(topic, partition, offset):
                messages.append(payload)
                offset = at + 1
        return messages

    def _fetch(self, topic: str, partition: int, offset: int) -> Iterator[tuple[int, bytes]]:
        asked = struct.pack(">iiiib", _NOBODY, 0, 1, _FETCHED, 0) + _of_topic(topic)
        answer = self._ask(_FETCH, asked + struct.pack(">iiqi", 1, partition, offset, _FETCHED))
        answer.take("i")
        answer.enter_topic()
        answer.take("i")
        expect_same("error of Fetch", 0, answer.take("h"))
        answer.take("q")
        answer.take("q")
        for _ in range(answer.take("i")):  # transactions that were aborted
            answer.take("q")
            answer.take("q")
        records = answer.bytes(answer.take("i"))
        return ((at, payload) for at, payload in _decoded(records) if at >= offset)

    def _ask(self, request: tuple[int, int], body: bytes) -> _Answer:
        self._number += 1
        asked = struct.pack(">hhi", *request, self._number) + _text(_NAME) + body
        self._socket.sendall(struct.pack(">i", len(asked)) + asked)
        answer = _Answer(self._exactly(struct.unpack(">i", self._exactly(4))[0]))
        expect_same("number of the answer", self._number, answer.take("i"))
        return answer

    def _exactly(self, size: int) -> bytes:
        read = self._stream.read(size)
        if len(read) < size:
            raise ConnectionError("Kafka has closed the connection")
        return read


class _Answer:
    """Reads one field after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not read."""
        return len(self._content) - self._at

    def take(self, kind: str) -> int:
        """A number, as the struct module calls its kind."""
        layout = struct.Struct(f">{kind}")
        return int(layout.unpack(self.bytes(layout.size))[0])

    def bytes(self, size: int) -> bytes:
        """So many bytes, or none for a size below zero."""
        content = self._content[self._at : self._at + max(0, size)]
        self._at += len(content)
        return content

    def text(self) -> str:
        """A string, or none, with its length before it."""
        return self.bytes(self.take("h")).decode()

    def varint(self) -> int:
        """A number that takes as many bytes as it needs."""
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)

    def enter_topic(self) -> None:
        """Go to what is said of the one partition of the one topic that was asked for."""
        expect_same("topics of the answer", 1, self.take("i"))
        self.text()
        expect_same("partitions of the answer", 1, self.take("i"))


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _of_topic(topic: str) -> bytes:
    """A list of this topic alone, as far as its partitions."""
    return struct.pack(">i", 1) + _text(topic)


def _encoded(payload: bytes) -> bytes:
    """A batch of one record without a key."""
    record = b"\0\0\0" + _varint(-1) + _varint(len(payload)) + payload + _varint(0)
    now = int(time.time() * 1000)
    rest = _BATCH_REST.pack(0, 0, now, now, -1, -1, -1, 1) + _varint(len(record)) + record
    return _BATCH.pack(0, _BATCH.size - 12 + len(rest), -1, _MAGIC, _crc32c(rest)) + rest


def _decoded(batches: bytes) -> Iterator[tuple[int, bytes]]:
    """Offsets and payloads. The last batch may be cut off."""
    content = _Answer(batches)
    while content.left >= _BATCH_HEAD:
        first, length = content.take("q"), content.take("i")
        body = content.bytes(length)
        if len(body) < length:
            return
        batch = _Answer(body)
        batch.bytes(_BATCH.size - _BATCH_HEAD)
        attributes, *_, number = _BATCH_REST.unpack(batch.bytes(_BATCH_REST.size))
        expect(not attributes & _COMPRESSED, "expected records as they are, they are compressed")
        for _ in range(number):
            record = _Answer(batch.bytes(batch.varint()))
            record.take("b")
            record.varint()
            offset = first + record.varint()
            record.bytes(record.varint())
            yield offset, record.bytes(record.varint())


def _varint(value: int) -> bytes:
    rest = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while rest > 0x7F:  # noqa: PLR2004
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])


def _crc32c(content: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in content:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_CASTAGNOLI if value & 1 else 0)  # noqa: PLW2901
        table.append(value)
    return table


_TABLE: Final = _table()
