"""Input that means harm: too slow, too large, cut off or random. The service refuses it and serves on."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.wire import Address, Line, render, request

STREAMS: Final = 200
SEED: Final = 0x0BED
"""Of the random streams: every run sends the same bytes."""
MEMORY_SLACK: Final = 8_000_000
"""Bytes above its base that memory may keep after hostile input: what allocators hold on to."""
_SERVER_ERRORS: Final = 500
"""Statuses from here on blame the service."""
_SETTLE: Final = 10.0
_SLACK: Final = 2.0
"""Seconds by which a timeout may be late on a machine that does other things as well."""
_HEAD: Final = b"GET / HTTP/1.1\r\nHost: probe\r\n"
_SLOW_LINES: Final = 20
_HEADERS: Final = 10_000


@dataclass(frozen=True)
class Limits:
    """What the project documents about the requests that it takes."""

    header_seconds: float
    header_bytes: int
    documented_5xx: frozenset[int]
    """Statuses above 500 that malformed requests may be answered with."""
    samples: Sequence[bytes]
    """Well-formed requests that are answered below 500, whole and damaged."""
    may_close: bool = False
    """What is refused before its end was read may lose its answer to the reset that closing it causes."""


def try_hostile(trials: Trials, platform: Platform, limits: Limits) -> None:
    """Send all of it to one instance, which must serve on without a new process or more memory."""
    with trials.part("hostile: the service survives all of it"), platform.start() as instance:
        instance.wait_until_ready()
        _try_all(trials, instance, limits)


def _try_all(trials: Trials, instance: Instance, limits: Limits) -> None:
    _burst(instance.http, limits, SEED - 1)
    base = _settled(instance, 0)
    _try_slow(trials, instance.http, limits)
    _try_sizes(trials, instance.http, limits)
    _try_cut_off(trials, instance.http, limits)
    with trials.check(f"hostile: {STREAMS} random streams crash nothing"):
        statuses = _burst(instance.http, limits, SEED)
        undocumented = {s for s in statuses if s >= _SERVER_ERRORS} - limits.documented_5xx
        expect(
            not undocumented,
            f"expected no other 5xx than {sorted(limits.documented_5xx)}, got {dict(statuses)}",
        )
        expect(
            instance.is_running(),
            f"expected the process to live on, its last words are:\n{instance.last_words()}",
        )
        answer = request(instance.admin, "GET", "/readyz")
        expect_same("status of /readyz afterwards", 200, answer.status)
        panics = [line for line in instance.log() if "panic" in line.lower()]
        expect(not panics, f"expected no panic in the log, got {panics[:3]}")
    with trials.check("hostile: memory comes back to its base"):
        now = _settled(instance, base + MEMORY_SLACK)
        expect(
            now <= base + MEMORY_SLACK,
            f"expected at most {MEMORY_SLACK / 1e6:g} MB above {base / 1e6:.1f} MB, got {now / 1e6:.1f} MB",
        )


def _try_slow(trials: Trials, address: Address, limits: Limits) -> None:
    """Clients that keep a connection without ever completing a request, all at the same time."""
    cases: dict[str, Callable[[Line], float]] = {
        "says nothing": lambda line: _last_seen(line, limits, []),
        "stops in the middle of a header": lambda line: _last_seen(line, limits, [_HEAD]),
        "sends one header after the other for ever": lambda line: _last_seen(
            line, limits, [_HEAD, *(b"X-%d: y\r\n" % i for i in range(_SLOW_LINES))]
        ),
    }
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        lines = {name: stack.enter_context(Line(address)) for name in cases}
        ends = {name: pool.submit(case, lines[name]) for name, case in cases.items()}
        for name, end in ends.items():
            with trials.check(f"hostile: a client that {name} is let go after {limits.header_seconds:g} s"):
                seconds = end.result()
                allowed = limits.header_seconds + _SLACK
                expect(
                    seconds <= allowed,
                    f"expected the end of the connection within {allowed:g} s, it is still open",
                )


def _last_seen(line: Line, limits: Limits, pieces: Sequence[bytes]) -> float:
    """Send the pieces spread over the time allowed and more; the seconds after which the peer closed."""
    start = time.monotonic()
    allowed = limits.header_seconds + _SLACK
    pause = allowed / (_SLOW_LINES + 1)
    for piece in pieces:
        try:
            line.send(piece)
        except ConnectionError:
            return time.monotonic() - start
        if line.closed_within(pause):
            return time.monotonic() - start
    left = max(start + allowed - time.monotonic(), 0.001)
    return time.monotonic() - start if line.closed_within(left) else float("inf")


def _try_sizes(trials: Trials, address: Address, limits: Limits) -> None:
    with trials.check("hostile: a head over the limit is answered 431"):
        # Answered before it was read to its end: the rest may well meet a closed connection.
        for headers in ([("X-Large", "x" * 4 * limits.header_bytes)], _many()):
            statuses = _statuses(address, render("GET", "/", headers), half_close=False)
            closed = limits.may_close and not statuses
            expect(closed or statuses == [431], f"expected [431], got {statuses}")
    with trials.check("hostile: a head of half the limit is fine"):
        answer = request(address, "GET", "/", [("X-Large", "x" * (limits.header_bytes // 2))])
        expect(answer.status in (200, 404), f"expected 200 or 404, got {answer}")


def _many() -> list[tuple[str, str]]:
    """So many small headers that any limit is exceeded."""
    return [(f"X-{i}", "y") for i in range(_HEADERS)]


def _try_cut_off(trials: Trials, address: Address, limits: Limits) -> None:
    with trials.check("hostile: clients that send half and close their side are let go at once"):
        for sample in limits.samples:
            for cut in (1, sample.find(b"\r\n"), len(sample) // 2, len(sample) - 1):
                with Line(address) as line:
                    line.send(sample[:cut])
                    line.half_close()
                    expect(
                        line.closed_within(_SLACK),
                        f"expected the end of the connection after {sample[:cut]!r} and a FIN",
                    )
    with trials.check("hostile: a connection that is reset right after its request harms nobody"):
        for sample in limits.samples:
            with Line(address) as line:
                line.send(sample)
                line.reset()
        for sample in limits.samples:
            statuses = _statuses(address, sample, half_close=False, patience=_SLACK)
            fine = bool(statuses) and statuses[0] < _SERVER_ERRORS
            expect(fine, f"expected an answer below {_SERVER_ERRORS} afterwards, got {statuses}")


def _burst(address: Address, limits: Limits, seed: int) -> Counter[int]:
    """Send the random streams of one seed, some at a time; which statuses came, and how often."""
    streams = list(random_streams(limits.samples, seed))
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda stream: _statuses(address, stream, half_close=True), streams)
        return Counter(status for statuses in answers for status in statuses)


def random_streams(samples: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Noise, and well-formed requests with some bytes changed, cut out, repeated or inserted."""
    chance = random.Random(seed)  # noqa: S311
    for number in range(STREAMS):
        if number % 4 == 0:
            yield chance.randbytes(chance.randint(1, 4096))
            continue
        stream = bytearray(b"".join(chance.choices(samples, k=chance.randint(1, 3))))
        for _ in range(chance.randint(1, 8)):
            _damage(stream, chance)
        yield bytes(stream)


def _damage(stream: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(stream)) if stream else 0
    end = at + chance.randint(1, 8)
    match chance.randrange(4):
        case 0:
            stream[at : at + 1] = chance.randbytes(1)
        case 1:
            del stream[at:end]
        case 2:
            stream[at:at] = stream[at:end] * chance.randint(1, 50)
        case _:
            stream[at:at] = chance.choice([b"\r\n", b"\n", b"\0", b" ", b"\r", b":", b"\xff", b"\r\n\r\n"])


def _statuses(address: Address, stream: bytes, *, half_close: bool, patience: float = _SETTLE) -> list[int]:
    """The statuses of the answers to a stream, as far as they can be told; none when it was just closed."""
    with Line(address) as line:
        try:
            line.send(stream)
            if half_close:
                line.half_close()
        except ConnectionError:
            pass
        received = line.drain(patience) if half_close else line.first(patience)
    heads = (part[:12] for part in received.split(b"HTTP/1.")[1:])
    return [int(head[2:5]) for head in heads if head[2:5].isdigit()]


def _settled(instance: Instance, target: int) -> int:
    """The memory in use, once it is at the target or the time to get there is over."""
    deadline = time.monotonic() + (_SETTLE if target else _SLACK)
    memory = instance.memory()
    while memory > target and time.monotonic() < deadline:
        time.sleep(0.2)
        memory = instance.memory()
    return memory
