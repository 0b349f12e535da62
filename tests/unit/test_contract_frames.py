"""The frame vectors, held to implementations of COBS and CRC that are not ours."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from cobs import cobs
from crccheck.crc import Crc16Ibm3740
from shell import ROOT

VECTORS: dict[str, list[dict[str, Any]]] = json.loads((ROOT / "contract" / "frames.json").read_bytes())
HEADER = struct.Struct("<BBIQI")
BODIES = {
    0x01: ("hello", "<IBBBB", ("uptime_ms", "reset_cause", "major", "minor", "patch")),
    0x02: ("reading", "<qiI", ("elapsed_ms", "value", "base")),
    0x03: ("status", "<BIHII", ("mode", "period_ms", "queued", "dropped", "bad_frames")),
    0x04: ("epitaph", "<BIIIIH", ("cause", "pc", "lr", "sp", "cfsr", "boots")),
    0x05: ("reply", "<BBI", ("command", "result", "value")),
    0x81: ("welcome", "<", ()),
    0x82: ("ack", "<", ()),
    0x83: ("start", "<I", ("period_ms",)),
    0x84: ("stop", "<", ()),
    0x85: ("ping", "<", ()),
    0x86: ("get_status", "<", ()),
    0x87: ("get_version", "<", ()),
}
SHORTEST, LONGEST = 20, 64
READING, HELD = 0x02, 64
REASONS = ("cobs", "length", "crc", "version", "kind", "body_length")


def each(part: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[part], ids=lambda vector: vector["name"])


def direction(kind: int) -> str:
    return "down" if kind & 0x80 else "up"


def reason(block: bytes, listener: str) -> str | None:
    """The first rule of the contract that a block breaks."""
    try:
        raw = cobs.decode(block)
    except cobs.DecodeError:
        return "cobs"
    if not SHORTEST <= len(raw) <= LONGEST:
        return "length"
    if Crc16Ibm3740.calc(raw[:-2]) != int.from_bytes(raw[-2:], "little"):
        return "crc"
    version, kind, *_ = HEADER.unpack(raw[: HEADER.size])
    if version != 1:
        return "version"
    if kind not in BODIES or direction(kind) != {"device": "down", "ingest": "up"}[listener]:
        return "kind"
    if len(raw) != HEADER.size + struct.calcsize(BODIES[kind][1]) + 2:
        return "body_length"
    if kind == READING and not believable(raw):
        return "reading"
    return None


def believable(raw: bytes) -> bool:
    """Whether a device can have sent a reading: numbers begin at one, and it holds no more than a window."""
    _, _, _, epoch, sequence, _, _, base = struct.unpack(HEADER.format + BODIES[READING][1][1:], raw[:-2])
    return epoch > 0 and sequence > 0 and base > 0 and base <= sequence < base + HELD


@each("cobs")
def test_cobs(vector: dict[str, Any]) -> None:
    decoded, encoded = bytes.fromhex(vector["decoded"]), bytes.fromhex(vector["encoded"])
    assert cobs.decode(encoded) == decoded
    assert (cobs.encode(decoded) != encoded) is vector["decode_only"]


def test_cobs_is_tried_around_the_longest_group() -> None:
    lengths = {len(v["decoded"]) // 2 for v in VECTORS["cobs"] if "00" not in v["decoded"]}
    assert {0, 1, 253, 254, 255} <= lengths
    assert any(vector["decode_only"] for vector in VECTORS["cobs"])


@each("crc")
def test_crc(vector: dict[str, Any]) -> None:
    assert Crc16Ibm3740.calc(bytes.fromhex(vector["data"])) == vector["crc"]


def test_the_published_check_value_is_among_them() -> None:
    assert {"data": b"123456789".hex(), "crc": 0x29B1}.items() <= VECTORS["crc"][0].items()


@each("frames")
def test_frame(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["raw"])
    name, layout, fields = BODIES[vector["kind"]]
    header = HEADER.pack(1, vector["kind"], vector["device"], vector["epoch"], vector["sequence"])
    assert (vector["kind_name"], vector["direction"]) == (name, direction(vector["kind"]))
    assert tuple(vector["body"]) == fields
    assert raw[:-2] == header + struct.pack(layout, *vector["body"].values())
    assert bytes.fromhex(vector["encoded"]) == cobs.encode(raw) + b"\0"
    assert reason(cobs.encode(raw), {"up": "ingest", "down": "device"}[vector["direction"]]) is None


def test_every_kind_has_a_frame() -> None:
    assert {vector["kind"] for vector in VECTORS["frames"]} == set(BODIES)


def malformed(why: str) -> list[dict[str, Any]]:
    return [vector for vector in VECTORS["malformed"] if vector["reason"] == why]


@each("malformed")
def test_malformed(vector: dict[str, Any]) -> None:
    block = bytes.fromhex(vector["block"])
    assert 0 not in block
    assert reason(block, vector["listener"]) == vector["reason"]


def test_both_listeners_get_every_reason() -> None:
    tried = {(vector["listener"], vector["reason"]) for vector in VECTORS["malformed"]}
    assert tried == {(listener, why) for listener in ("device", "ingest") for why in REASONS} | {
        ("ingest", "reading")
    }


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_of_each_kind_is_tried_a_byte_longer_and_shorter(kind: int) -> None:
    length = struct.calcsize(BODIES[kind][1])
    tried = {
        len(raw) - HEADER.size - 2
        for raw in (cobs.decode(bytes.fromhex(v["block"])) for v in malformed("body_length"))
        if raw[1] == kind
    }
    assert length + 1 in tried
    assert length == 0 or length - 1 in tried


@pytest.mark.parametrize("part", VECTORS)
def test_names_are_unique(part: str) -> None:
    names = [vector["name"] for vector in VECTORS[part]]
    assert len(names) == len(set(names))
