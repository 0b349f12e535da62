"""An ingest that a crowd can't hurt, with one defect when told so: what it takes in is bounded."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable

from simulated_ingest import Address, SimulatedIngest

MEMORY = 1 << 20
"""Bytes that it says it has before anything comes."""
LINES = 4
"""Connections of one device."""
RATE = 400
"""Readings of one device in a second."""
HELLOS = 1_000
"""Of all devices in a second, as an epoch is a millisecond."""
BURST = 0.1
"""Seconds whose hellos may come at once, from the start."""
ROOM = 300
"""Readings that wait for the API."""
UNREAD = 0.5
"""Seconds for which what it says may be unread."""


class CrowdedIngest(SimulatedIngest):
    """It is its own container: `memory`, `log` and the like are what an instance would tell."""

    def __init__(self, api: Address, defect: str = "", rate: int = RATE) -> None:
        super().__init__(api, defect)
        self._rate = rate
        self._lines: dict[int, set[asyncio.StreamWriter]] = {}
        self._open: set[asyncio.StreamWriter] = set()
        self._taken: Counter[int] = Counter()
        self._bytes = MEMORY
        self._began = time.monotonic()
        self._words = ["started"]
        self._running = True
        self._welcomes = 0

    def memory(self) -> int:
        """Bytes of the container."""
        return self._bytes

    def log(self) -> list[str]:
        """Every line so far."""
        return self._words

    def last_words(self) -> str:
        """The end of the log."""
        return self._words[-1]

    def is_running(self) -> bool:
        """Whether it was never started again."""
        return self._running

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        each = (1 << 20) if self.defect == "takes much for each connection" else 1_024
        figures = {
            "process_max_fds": 1_000,
            "process_resident_memory_bytes": MEMORY + each * len(self._open),
            "intake_connections": len(self._open),
            "intake_readings_queued": len(self._queue),
        }
        body = "".join(f"{name} {value}\n" for name, value in figures.items()).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        writer.write(head + body)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._listen_to(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            for lines in self._lines.values():
                lines.discard(writer)
            writer.transport.abort()

    async def _listen_to(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = b""
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, buffer, 4_096)
        writer.transport.set_write_buffer_limits(0)
        while data := await reader.read(4_096):
            *blocks, received = (received + data).split(b"\0")
            received = received[-512:]
            for block in filter(None, blocks):
                await self._take_in_turn(block, writer)
            if self.defect != "waits for the deaf":
                await asyncio.wait_for(writer.drain(), UNREAD)
            elif writer.transport.get_write_buffer_size() > ROOM:
                await asyncio.sleep(ROOM)
            if writer.is_closing():
                return

    async def _take_in_turn(self, block: bytes, writer: asyncio.StreamWriter) -> None:
        content = self._content(block)
        if content is None:
            self._meet_noise()
            return
        if self.defect == "serves few at once":
            await self._until(lambda: len(self._open) <= ROOM // 2)
        kind, device = content[1], int.from_bytes(content[2:6], "little")
        if kind == 1:
            lines = self._lines.setdefault(device, set()) | {writer}
            if len(lines) > LINES and self.defect != "serves any number of connections":
                writer.close()
                return
            self._lines[device] = lines
            self._welcomes += 1
            if self.defect == "lets epochs run ahead":
                self._epoch += 10
            else:
                await self._until(lambda: self._welcomes < HELLOS * (BURST + self._seconds()))
            if self.defect == "keeps what the deaf are owed":
                self._bytes += 1 << 20
        elif kind == 2:
            self._taken[device] += 1
            if self.defect != "takes readings at any rate":
                await self._until(lambda: self._taken[device] <= self._rate * self._seconds())
            if self.defect != "reads on":
                await self._until(lambda: len(self._queue) <= ROOM)
        self._take(block, writer)

    async def _deliver(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            batch = self._queue[:500]
            await self._push(list(batch))
            del self._queue[: len(batch)]

    def _meet_noise(self) -> None:
        if self.defect == "panics":
            self._words.append("thread panicked")
        if self.defect == "is started again":
            self._running = False
        if self.defect == "keeps noise":
            self._bytes += 1 << 20

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.01)

    def _seconds(self) -> float:
        return time.monotonic() - self._began
