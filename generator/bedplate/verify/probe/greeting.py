"""How a node begins: it says hello until it is welcomed, and takes commands meanwhile."""

from __future__ import annotations

from typing import Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.node import HELLO_EVERY_MS, Node
from bedplate.verify.probe.trial import Trials, expect, expect_same

FIRST_PERIOD_MS: Final = 1_000
"""What a node samples with from boot on."""
TICKS: Final = 20
"""Milliseconds of its own time by which a node may be late: a frame takes up to 6 ms at 115 200 baud."""
EPOCH: Final = 1_795_000_000_123
POWER: Final = 0
STREAMING: Final = 1


def try_greeting(trials: Trials, node: Node) -> None:
    """From the first byte after power-on to the welcome, which is given for `EPOCH`."""
    first = node.next()
    with trials.check("greeting: the first frame after power-on is a hello"):
        expect(first is not None and first.kind == frames.HELLO, f"expected a hello, got {first}")
        told = first and (first.device, first.epoch, first.sequence, first["reset_cause"])
        expect_same("device, epoch, sequence and cause", (node.device, 0, 0, POWER), told)
    with trials.check("greeting: commands are answered before the welcome, whatever epoch they carry"):
        for epoch in (0, EPOCH, 2**64 - 1):
            answer = node.command(frames.PING, epoch)
            expect(answer["result"] == 0, f"expected the ping to be done, got {answer}")
        version = node.command(frames.GET_VERSION)["value"]
        said = first and first["major"] << 16 | first["minor"] << 8 | first["patch"]
        expect_same("version, by the hello", said, version)
    with trials.check(f"greeting: it samples from boot on, every {FIRST_PERIOD_MS} ms"):
        status = node.status()
        begun = (status["mode"], status["period_ms"])
        expect_same("mode and period", (STREAMING, FIRST_PERIOD_MS), begun)
    second = None
    with trials.check("greeting: a welcome of epoch 0 or for another device is none"):
        node.send(frames.WELCOME, epoch=0)
        node.send(frames.WELCOME, epoch=EPOCH, device=node.device + 1)
        heard = node.next()
        second = heard if heard and heard.kind == frames.HELLO else None
        expect(second is not None, f"expected nothing before the next hello, got {heard}")
    with trials.check(f"greeting: hello comes every {HELLO_EVERY_MS} ms"):
        apart = second["uptime_ms"] - first["uptime_ms"] if first and second else None
        wanted_ms = range(HELLO_EVERY_MS - TICKS, HELLO_EVERY_MS + TICKS + 1)
        expect(apart in wanted_ms, f"expected {HELLO_EVERY_MS} ms between two hellos, got {apart}")
    _try_welcome(trials, node)


def _try_welcome(trials: Trials, node: Node) -> None:
    with trials.check("greeting: readings taken before the welcome follow it, with negative times"):
        after_ms = node.command(frames.PING)["value"]
        node.send(frames.WELCOME, epoch=EPOCH)
        first, second = (node.expect(frames.READING) for _ in range(2))
        before_ms = node.command(frames.PING)["value"]
        told = [(frame.epoch, frame.sequence, frame["base"]) for frame in (first, second)]
        expect_same("epoch, sequence and base", [(EPOCH, 1, 1), (EPOCH, 2, 1)], told)
        seen = first["elapsed_ms"]
        possible = range(FIRST_PERIOD_MS - before_ms - TICKS, FIRST_PERIOD_MS - after_ms + TICKS + 1)
        expect(
            seen in possible, f"elapsed_ms of one taken a period after boot: expected {possible}, got {seen}"
        )
        expect_same("milliseconds to the second", FIRST_PERIOD_MS, second["elapsed_ms"] - seen)
