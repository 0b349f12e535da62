"""The ingest's half of the wire: who is welcomed, what is counted as bad, and when what is acknowledged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.stream.api import Api, Reading
from bedplate.verify.probe.stream.serving import PATIENCE, POLL, Line, counted, hello
from bedplate.verify.probe.trial import Trials, Unmet, expect, expect_same, wait_until
from bedplate.verify.probe.wire import Address

CONNECTIONS: Final = 40
LONG: Final = 10_000
_NOW: Final = 5_000
"""Milliseconds by which the epoch of a welcome may differ from this machine's clock."""
QUIET: Final = 0.3
"""Seconds in which nothing may come."""
_BAD: Final = "bad_frames_total"


@dataclass(frozen=True)
class Vectors:
    """The ingest's part of `contract/frames.json`, by the names of its vectors."""

    valid: dict[str, bytes]
    """Frames that a device may send, delimiters included."""
    malformed: dict[str, bytes]

    @classmethod
    def load(cls, path: Path) -> Vectors:
        """Read them."""
        content: dict[str, list[dict[str, Any]]] = json.loads(path.read_bytes())
        return cls(
            {v["name"]: bytes.fromhex(v["encoded"]) for v in content["frames"] if v["direction"] == "up"},
            {
                v["name"]: bytes.fromhex(v["block"]) + frames.DELIMITER
                for v in content["malformed"]
                if v["listener"] == "ingest"
            },
        )


def try_vectors(trials: Trials, address: Address, admin: Address, vectors: Vectors) -> None:
    """Hold the decoder to the contract's vectors. A hello behind what is sent says that it was read."""
    with Line(address, 0xFEED) as line:

        def counts(data: bytes) -> float:
            before = counted(admin, _BAD)
            line.send_bytes(data)
            line.hello()
            return counted(admin, _BAD) - before

        with trials.check(f"wire: each of {len(vectors.valid)} frames of the vectors is taken"):
            wrong = [name for name, frame in vectors.valid.items() if counts(frame)]
            expect(bool(vectors.valid) and not wrong, f"expected none to be bad, these were: {wrong}")
        with trials.check(f"wire: each of {len(vectors.malformed)} malformed blocks is counted once"):
            seen = {name: counts(block) for name, block in vectors.malformed.items()}
            wrong = [f"{name}: {count:g} times" for name, count in seen.items() if count != 1]
            expect(bool(seen) and not wrong, f"expected once each, got {wrong}")
        with trials.check(f"wire: {LONG} bytes without a delimiter are one bad block, empty blocks are none"):
            expect_same("bad blocks", 1, counts(b"\x01" * LONG + frames.DELIMITER))
            expect_same("bad blocks", 0, counts(frames.DELIMITER * 20))
        with trials.check("wire: a frame is taken that comes byte by byte"):
            for number in hello(0xFEED):
                line.send_bytes(bytes([number]))
            line.expect(frames.WELCOME)


def try_welcomes(trials: Trials, address: Address) -> None:
    """Epochs are of now, and never the same or smaller again, whichever worker gives them."""
    with (
        trials.check(f"wire: epochs are of now and rise, over {CONNECTIONS} connections"),
        ExitStack() as stack,
    ):
        lines = [stack.enter_context(Line(address, number)) for number in range(CONNECTIONS)]
        epochs = [line.hello() for line in (*lines, *reversed(lines))]
        now = time.time_ns() // 1_000_000
        expect(abs(epochs[-1] - now) < _NOW, f"expected about {now}, got {epochs[-1]}")
        expect(epochs == sorted(set(epochs)), f"expected each above the one before, got {epochs}")
    with trials.check("wire: a device that is welcomed is told nothing else"), Line(address, 1) as line:
        line.hello()
        told = line.during(QUIET)
        expect(not told, f"expected nothing, got {', '.join(map(str, told))}")


def try_acks(trials: Trials, address: Address, api: Api) -> None:
    """When what is acknowledged, each with a connection and an epoch of its own."""
    cases: dict[str, Callable[[Address, Api], None]] = {
        "a reading arrives as it was measured, and is acknowledged": _arrives,
        "nothing is acknowledged before a gap is filled": _gaps,
        "base says where to start": _bases,
        "one that is durable is acknowledged again, and not sent again": _durable,
        "one that is under way is neither acknowledged nor sent again": _under_way,
        "one that comes over two connections is acknowledged on the later": _twice,
        "a second connection or hello of a device closes nothing": _beside,
        "devices and epochs on one connection are kept apart": _apart,
    }
    for name, case in cases.items():
        with trials.check(f"wire: {name}"):
            case(address, api)
    with trials.check("wire: requests are as the contract has them"):
        wrong = [*api.malformed, *api.wrong]
        expect(not wrong, f"expected nothing wrong, got {wrong[:3]}")


def _arrives(address: Address, api: Api) -> None:
    wanted = {1: 21_875, 2: -5, 3: 0, 4: -2_000, 5: 2**31 - 1, 6: -(2**31)}
    with Line(address, 0x2A) as line:
        line.hello()
        epoch = 1_795_000_001_123  # 2026-11-18T11:06:41.123Z
        for sequence, value in wanted.items():
            line.read(epoch, sequence, value=value, elapsed_ms=-sequence)
        line.await_ack(epoch, len(wanted))
    for sequence, value in wanted.items():
        at = f"2026-11-18T11:06:41.{123 - sequence:03}Z"
        key = ("0000002a", epoch, sequence)
        expect_same("reading", Reading(*key, at, value), api.stored.get(key))


def _gaps(address: Address, _: Api) -> None:
    with Line(address, 2) as line:
        epoch = line.hello()
        line.read(epoch, 2)
        expect_same("acknowledgements with 1 missing", [], line.acks(QUIET))
        line.read(epoch, 1)
        line.await_ack(epoch, 2)
        line.read(epoch, 4)
        expect_same("acknowledgements with 3 missing", [], [n for n in line.acks(QUIET) if n > 2])  # noqa: PLR2004
        line.read(epoch, 3)
        line.await_ack(epoch, 4)


def _bases(address: Address, _: Api) -> None:
    with Line(address, 3) as line:
        epoch = line.hello()
        line.read(epoch, 1_000, base=1_000)
        line.await_ack(epoch, 1_000)
        line.read(epoch, 1_063, base=1_001)
        expect_same("acknowledgements with a gap", [], [n for n in line.acks(QUIET) if n > 1_000])  # noqa: PLR2004
        line.read(epoch, 1_064, base=1_063)
        line.await_ack(epoch, 1_064)
        line.read(epoch, 1_065, base=1_002)  # The highest base seen counts.
        line.await_ack(epoch, 1_065)


def _durable(address: Address, api: Api) -> None:
    with Line(address, 4) as line:
        epoch = line.hello()
        line.read(epoch, 1)
        line.await_ack(epoch, 1)
        before = api.readings
        line.read(epoch, 1)
        line.await_ack(epoch, 1)
        line.read(epoch, 2)
        line.await_ack(epoch, 2)
        expect_same("readings that were sent to the API", 1, api.readings - before)


def _under_way(address: Address, api: Api) -> None:
    gate = threading.Event()

    def wait(readings: Sequence[Reading]) -> bytes:
        gate.wait(PATIENCE)
        return api.store(readings)

    with Line(address, 5) as line, api.behaving(wait):
        epoch = line.hello()
        before = api.readings
        try:
            line.read(epoch, 1)
            wait_until("a request", lambda: api.readings > before, PATIENCE, POLL)
            line.read(epoch, 1)
            expect_same("acknowledgements before the API has answered", [], line.acks(QUIET))
        finally:
            gate.set()
        line.await_ack(epoch, 1)
        expect_same("readings that were sent to the API", 1, api.readings - before)


def _twice(address: Address, _: Api) -> None:
    with Line(address, 6) as first, Line(address, 6) as second:
        epoch = first.hello()
        first.read(epoch, 1)
        second.read(epoch, 1)
        second.await_ack(epoch, 1)
        second.read(epoch, 2)
        second.await_ack(epoch, 2)


def _beside(address: Address, _: Api) -> None:
    with Line(address, 7) as first, Line(address, 7) as second:
        earlier, later = first.hello(), second.hello()
        first.hello()
        for line, epoch in ((first, earlier), (second, later)):
            line.read(epoch, 1)
            line.await_ack(epoch, 1)


def _apart(address: Address, api: Api) -> None:
    with Line(address, 8) as line:
        epoch = line.hello()
        line.read(epoch, 1)
        line.await_ack(epoch, 1)
        line.read(epoch - 1, 2)
        told = line.during(QUIET)
        other = [frame for frame in told if frame.epoch == epoch - 1]
        expect(not other, f"expected no acknowledgement in another epoch, got {', '.join(map(str, other))}")
        line.read(epoch, 2)
        line.await_ack(epoch, 2)
    if ("00000008", epoch - 1, 2) not in api.stored:
        raise Unmet("expected a reading of an epoch before to be given to the API, it was not")
