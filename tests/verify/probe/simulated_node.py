"""A node in a thread: the device's side of the contract in few lines, with one defect when told so.

Frames are made with struct, the cobs package and crccheck. The debugger that it comes with understands as
much as it takes to make it crash.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import select
import socket
import struct
import threading
import time
from collections import deque
from typing import Self

from cobs import cobs
from crccheck.crc import Crc16Ibm3740

PATIENCE = 10.0
DEVICE = 1
RAM = 0x2000_0000
MODES = IDLE, STREAMING = 0, 1
LENGTHS = {0x83: 4} | dict.fromkeys((0x81, 0x82, 0x84, 0x85, 0x86, 0x87), 0)
CRASHES = {
    (0xDE00,): (3, 1 << 16),
    (0xFBB0, 0xF0F1): (3, 1 << 25),
    (0x6808,): (3, 1 << 9),
    (0xB4FF, 0xE7FD): (3, 0),
    (0xF381, 0x8811, 0xE7FE): (2, 0),
    (0xE7FE,): (2, 0),
    (0x6008, 0xE7FE): (1, 0),
}


HEADER = struct.Struct("<BBIQI")


def valid(block: bytes) -> bytes | None:
    """What is in a block that a device takes, without its check, or None for any other."""
    try:
        raw = cobs.decode(block)
    except cobs.DecodeError:
        return None
    content, check = raw[:-2], raw[-2:]
    if len(content) < HEADER.size or Crc16Ibm3740.calc(content) != int.from_bytes(check, "little"):
        return None
    version, kind, *_ = HEADER.unpack_from(content)
    return content if version == 1 and LENGTHS.get(kind) == len(content) - HEADER.size else None


class SimulatedNode:
    """Speaks on `uart` once somebody connects; crashes when told to on `debugger`."""

    def __init__(self, defect: str = "") -> None:
        self.defect = defect
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.uart, self.debugger = (listener.getsockname() for listener in self._listeners)
        self._over = threading.Event()
        self._crash: tuple[int, ...] = ()
        self._boots, self._cause = 0, 0
        self._epitaph: tuple[int, ...] = ()
        self._boot()

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=work) for work in (self._live, self._debug)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join()

    def _boot(self) -> None:
        self._boots += 1
        self._began = time.monotonic()
        self._epoch = self._welcomed = 0
        self._hello_at = 0
        self._mode, self._period, self._sampled = STREAMING, 1_000, 0
        self._sequence = self._dropped = self._bad = 0
        self._ring: deque[tuple[int, int]] = deque()
        self._sent = self._highest = 0
        self._oldest_at = 0
        self._received = bytearray()
        self._bytes = 0

    def _now(self) -> int:
        return int((time.monotonic() - self._began) * 1_000)

    def _live(self) -> None:
        try:
            link, _ = self._listeners[0].accept()
        except OSError:
            return
        with link, contextlib.suppress(OSError):
            self._link = link
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.settimeout(PATIENCE)
            self._boot()
            self._boots = 1
            if self.defect == "begins with a status":
                self._status()
            while not self._over.is_set():
                if select.select([link], [], [], 0.002)[0]:
                    data = link.recv(4_096)
                    if not data:
                        return
                    self._take(data)
                if self._crash:
                    self._reboot()
                self._tick()

    def _reboot(self) -> None:
        *code, at = self._crash
        self._crash = ()
        cause, cfsr = CRASHES[tuple(code)]
        defect = self.defect
        registers = (at + 2 if cause == 3 else 0, 0, RAM if cause == 3 else 0, cfsr)
        if defect == "notices an overflow late" and code == [0xB4FF, 0xE7FD]:
            registers = (*registers[:2], RAM - 4_096, cfsr)
        if defect == "tells another pc" and cause == 3:
            registers = (at + 4, *registers[1:])
        if defect == "tells no fault status":
            registers = (*registers[:3], 0)
        if defect == "tells registers of a watchdog" and cause == 2:
            registers = (at, at, at, 0)
        if cause in (2, 3):
            self._epitaph = (cause, *registers, 1 if defect == "counts no boots" else self._boots)
        elif self._epoch and defect != "remembers the epitaph for ever":
            self._epitaph = ()
        self._cause = 0 if defect == "tells no cause" else cause
        if defect == "is cut off":
            self._link.sendall(b"\x04\x01\0")
        self._boot()

    def _tick(self) -> None:
        now = self._now()
        every = 1_000 if self.defect == "says hello every second" else 2_000
        if not self._epoch and now >= self._hello_at:
            first = self._hello_at == 0
            self._say(1, 0, struct.pack("<IBBBB", self._hello_at, self._cause, 0, 1, 0))
            self._hello_at += every
            again = first or self.defect != "tells the epitaph once"
            if self._epitaph and again and self.defect != "tells no epitaph":
                self._say(4, 0, struct.pack("<BIIIIH", *self._epitaph))
        samples = self._epoch or self.defect != "samples once it is welcomed"
        if not samples:
            self._sampled = now
        while samples and self._mode == STREAMING and now - self._sampled >= self._period:
            self._sampled += self._period
            self._store()
        if self._epoch:
            self._deliver(now)

    def _store(self) -> None:
        self._sequence += 1
        if len(self._ring) == 64:
            if self.defect != "does not count what it drops":
                self._dropped += 1
            if self.defect == "drops the newest":
                return
            self._ring.popleft()
        self._ring.append((self._sequence, self._sampled))

    def _deliver(self, now: int) -> None:
        if not self._ring:
            return
        base = self._ring[0][0]
        patience = 500 if self.defect == "sends again too soon" else 1_000
        if self._sent >= base and now - self._oldest_at >= patience and self.defect != "sends nothing again":
            self._sent = base - 1
        window = 17 if self.defect == "has a window of 17" else 16
        for sequence, taken in list(self._ring)[:window]:
            if sequence <= self._sent:
                continue
            if sequence == base:
                self._oldest_at = now
            elapsed = taken - self._welcomed
            value = now if self.defect == "changes what it sends again" else 20_000
            self._say(2, sequence, struct.pack("<qiI", elapsed, value, base))
            self._sent = sequence
            self._highest = max(self._highest, sequence)

    def _take(self, data: bytes) -> None:
        for byte in data:
            self._bytes += 1
            if self.defect == "loses bytes" and self._bytes % 500 == 0:
                continue
            if byte:
                self._received.append(byte)
                continue
            block, self._received = bytes(self._received), bytearray()
            if block or self.defect == "counts empty blocks":
                self._block(block)

    def _block(self, block: bytes) -> None:
        content = valid(block)
        if content is None:
            if self.defect == "reboots at noise":
                self._boot()
            self._bad += self.defect != "counts no bad blocks"
            return
        _, kind, device, epoch, sequence = HEADER.unpack_from(content)
        everybody = self.defect in ("takes a welcome for others", "answers for others")
        if device == DEVICE or (
            everybody and (kind == 0x81) == (self.defect == "takes a welcome for others")
        ):
            self._obey(kind, epoch, sequence, content[18:])

    def _obey(self, kind: int, epoch: int, sequence: int, body: bytes) -> None:
        defect = self.defect
        if kind == 0x81:
            if (epoch or defect == "takes a welcome of epoch 0") and (
                not self._epoch or defect == "takes each welcome"
            ):
                self._epoch, self._welcomed = epoch or 1, self._now()
        elif kind == 0x82:
            if epoch == self._epoch or defect == "takes acks of another epoch":
                self._acknowledge(sequence)
        elif kind == 0x86:
            self._status()
        elif self._epoch or defect != "answers once it is welcomed":
            self._reply(kind, *self._done(kind, body))

    def _done(self, kind: int, body: bytes) -> tuple[int, int]:
        if kind == 0x83:
            (period,) = struct.unpack("<I", body)
            if not 10 <= period <= 3_600_000 and self.defect != "takes any period":
                return 1, self._period
            if period != self._period or self._mode != STREAMING:
                self._mode, self._period, self._sampled = STREAMING, max(period, 1), self._now()
            return 0, self._period
        if kind == 0x84:
            self._mode = IDLE
            if self.defect == "forgets at stop":
                self._ring.clear()
            return 0, 0
        return 0, self._now() if kind == 0x85 else 0x0100

    def _acknowledge(self, sequence: int) -> None:
        if sequence > self._highest and self.defect != "takes acks of the future":
            return
        if self.defect == "frees one too few":
            sequence -= 1
        while self._ring and self._ring[0][0] <= sequence:
            self._ring.popleft()
            self._oldest_at = self._now()

    def _reply(self, kind: int, result: int, value: int) -> None:
        self._say(5, 0, struct.pack("<BBI", kind, result, value))

    def _status(self) -> None:
        body = struct.pack("<BIHII", self._mode, self._period, len(self._ring), self._dropped, self._bad)
        self._say(3, 0, body)

    def _say(self, kind: int, sequence: int, body: bytes) -> None:
        content = struct.pack("<BBIQI", 1, kind, DEVICE, self._epoch, sequence) + body
        check = Crc16Ibm3740.calc(content) ^ (self.defect == "sends a wrong check")
        self._link.sendall(cobs.encode(content + struct.pack("<H", check)) + b"\0")

    def _debug(self) -> None:
        # Every other time it is halted in SysTick, else in PendSV or no exception, by turns for each crash.
        interrupts, programs = itertools.cycle((True, False)), itertools.cycle((0x0100_000E, 0x0100_0000))
        program = next(programs)
        while not self._over.is_set():
            try:
                debugger, _ = self._listeners[1].accept()
            except OSError:
                return
            with debugger, contextlib.suppress(OSError):
                debugger.settimeout(PATIENCE)
                debugger.sendall(b"$T05thread:01;#07")
                code, at = (), 0
                status = 0x0100_000F if next(interrupts) else program
                while data := debugger.recv(4_096):
                    for command in re.findall(rb"\$(.*?)#..", data):
                        if written := re.fullmatch(rb"M(\w+),\w+:(\w+)", command):
                            at, raw = int(written[1], 16), bytes.fromhex(written[2].decode())
                            code = struct.unpack(f"<{len(raw) // 2}H", raw)[1:]
                        if command == b"D" and code:
                            self._crash, program = (*code, at), next(programs)
                        answer = status.to_bytes(4, "little").hex() if command == b"p19" else "OK"
                        answer = "l<target/>" if command.startswith(b"q") else answer
                        debugger.sendall(b"+$%b#%02x" % (answer.encode(), sum(answer.encode()) & 0xFF))
