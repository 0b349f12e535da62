"""What a node makes of its link: blocks that are no frames, noise, bursts, frames for others."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.frames import DELIMITER, Frame
from bedplate.verify.probe.node import Node
from bedplate.verify.probe.trial import Trials, expect, expect_same

STREAMS: Final = 200
BURSTS: Final = 250
LONG: Final = 10_000
_QUIET: Final = 0.2
SEED: Final = 0x0BED
"""Of the random streams: every run sends the same bytes."""


@dataclass(frozen=True)
class Malformed:
    """A block of bytes between delimiters that a node must drop and count once."""

    name: str
    block: bytes


def load(path: Path) -> list[Malformed]:
    """Read those of the vectors of `contract/frames.json` that go to a device."""
    vectors = json.loads(path.read_bytes())["malformed"]
    return [
        Malformed(vector["name"], bytes.fromhex(vector["block"]))
        for vector in vectors
        if vector["listener"] == "device"
    ]


def try_link(trials: Trials, node: Node, malformed: list[Malformed]) -> None:
    """Send all of it to a node that samples nothing; it must go on as before."""
    with trials.check(f"link: each of {len(malformed)} malformed blocks is counted once, at its delimiter"):
        expect(bool(malformed), "there are none")
        wrong = []
        for vector in malformed:
            if (counted := _counted(node, vector.block + DELIMITER)) != 1:
                wrong.append(f"{vector.name}: {counted} times")
        expect(not wrong, f"expected once each, got {wrong}")
    with trials.check(f"link: {LONG} bytes without a delimiter are one bad block"):
        counted = _counted(node, b"\x01" * LONG + DELIMITER)
        expect(counted == 1, f"expected one, got {counted}")
    with trials.check("link: empty blocks and frames for another device are neither answered nor counted"):
        before = node.status()["bad_frames"]
        node.send_bytes(DELIMITER * 20 + frames.encode(Frame(frames.PING, node.device ^ 1)))
        answer = node.next(_QUIET)
        expect(answer is None, f"expected no answer, got {answer}")
        expect_same("bad blocks", before, node.status()["bad_frames"])
    with trials.check(f"link: of {BURSTS} bursts of 8 commands no byte is lost"):
        _try_bursts(node)
    with trials.check(f"link: {STREAMS} random streams crash nothing"):
        before = node.command(frames.PING)["value"]
        chance = random.Random(SEED)  # noqa: S311
        for _ in range(STREAMS):
            node.send_bytes(chance.randbytes(chance.randint(1, 200)))
            node.send_bytes(DELIMITER)
        after = node.command(frames.PING)["value"]
        expect(after > before, f"expected it to run on, but its uptime went from {before} to {after} ms")


def _counted(node: Node, data: bytes) -> int:
    """By how much the node's count of bad frames grows when it is sent this."""
    before = node.status()["bad_frames"]
    node.send_bytes(data)
    return node.status()["bad_frames"] - before


def _try_bursts(node: Node) -> None:
    """Send more at once than a node can hold: it must leave in the UART what it has no room for."""
    kinds = (frames.PING, frames.GET_VERSION) * 4
    burst = b"".join(frames.encode(Frame(kind, node.device)) for kind in kinds)
    for number in range(BURSTS):
        node.send_bytes(burst)
        told = tuple(node.expect(frames.REPLY)["command"] for _ in kinds)
        expect_same(f"replies to burst {number}", kinds, told)
