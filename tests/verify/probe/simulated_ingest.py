"""An ingest in a thread: its half of the contract in few lines, with one defect when told so.

Frames are made with struct, the cobs package and crccheck.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import http.client
import json
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

from cobs import cobs
from crccheck.crc import Crc16Ibm3740

HEADER = struct.Struct("<BBIQI")
LENGTHS = {1: 8, 2: 16, 3: 15, 4: 19, 5: 6}
Address = tuple[str, int]


@dataclass
class Session:
    """What is known of one epoch of one device, on one connection."""

    writer: asyncio.StreamWriter
    base: int = 0
    durable: set[int] = field(default_factory=set)
    under_way: set[int] = field(default_factory=set)


class SimulatedIngest:
    """Listens for devices on `http`, tells what it counts on `admin`, and gives readings to an API."""

    def __init__(self, api: Address, defect: str = "", context: ssl.SSLContext | None = None) -> None:
        self.defect = defect
        self._context = context
        self._ended = dict.fromkeys(("handshake_failed", "another_device"), 0)
        self._api = api
        self._bad = 0
        self._epoch = 0
        self._queue: list[tuple[Session, int, int, int, dict[str, Any]]] = []
        self._sessions: dict[Any, Session] = {}
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.http, self.admin = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> tuple[Address, Address]:
        devices = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        admin = await asyncio.start_server(self._tell, "127.0.0.1", 0)
        self._start(self._deliver())
        return tuple(server.sockets[0].getsockname() for server in (devices, admin))  # type: ignore[return-value]

    async def _stop(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        ended = [f'intake_connections_ended_total{{cause="{c}"}} {n}\n' for c, n in self._ended.items()]
        body = f"intake_bad_frames_total {self._bad}\n{''.join(ended)}".encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
        )
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = b""
        if not await self._is_secure(writer):
            writer.close()
            return
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(65_536):
                *blocks, received = (received + data).split(b"\0")
                for block in blocks:
                    if block or self.defect == "counts empty blocks":
                        self._take(block, writer)
        writer.close()

    def _take(self, block: bytes, writer: asyncio.StreamWriter) -> None:
        content = self._content(block)
        if content is None:
            self._bad += self.defect != "counts no bad frames"
            return
        _, kind, device, epoch, sequence = HEADER.unpack_from(content)
        if not self._may_speak(writer, device):
            self._ended["another_device"] += self.defect != "counts no end"
            writer.close()
            return
        if kind == 1:
            if self.defect == "closes the earlier connection" and device in self._writers:
                self._writers[device].close() if self._writers[device] is not writer else None
            self._writers[device] = writer
            self._epoch = max(time.time_ns() // 1_000_000, self._epoch + (self.defect != "repeats epochs"))
            self._send(writer, 0x81, device, self._epoch, 0)
        elif kind == 2:
            self._read(writer, device, epoch, sequence, *struct.unpack_from("<qiI", content, HEADER.size))

    def _may_speak(self, writer: asyncio.StreamWriter, device: int) -> bool:
        shown = (writer.get_extra_info("peercert") or {}).get("subjectAltName")
        is_bound = shown and self.defect != "takes any device"
        return not is_bound or any(name.startswith(f"{device:08x}.") for _, name in shown)

    async def _is_secure(self, writer: asyncio.StreamWriter) -> bool:
        try:
            if self._context:
                await writer.start_tls(self._context)
        except OSError:
            self._ended["handshake_failed"] += self.defect != "counts no end"
            return False
        return True

    def _content(self, block: bytes) -> bytes | None:
        try:
            raw = cobs.decode(block)
        except cobs.DecodeError:
            return None
        content, check = raw[:-2], int.from_bytes(raw[-2:], "little")
        if len(content) < HEADER.size:
            return None
        if Crc16Ibm3740.calc(content) != check and self.defect != "takes any check":
            return None
        version, kind, _, epoch, sequence = HEADER.unpack_from(content)
        if version != 1 or LENGTHS.get(kind) != len(content) - HEADER.size:
            return None
        if kind == 2:
            base = int.from_bytes(content[-4:], "little")
            if not (epoch and sequence and base and base <= sequence <= base + 63):
                return None
        return content

    def _read(
        self,
        writer: asyncio.StreamWriter,
        device: int,
        epoch: int,
        sequence: int,
        after: int,
        value: int,
        base: int,
    ) -> None:
        key: tuple[Any, ...] = (writer, device, epoch)
        if self.defect == "acknowledges on the first connection":
            key = (device, epoch)
        if self.defect == "mixes epochs up":
            key = (writer, device)
        session = self._sessions.setdefault(key, Session(writer))
        session.base = max(session.base, base) if self.defect != "ignores base" else 1
        if sequence in session.durable and self.defect != "forgets what is durable":
            self._acknowledge(session, device, epoch)
        elif sequence not in session.under_way or self.defect == "sends again what is under way":
            session.under_way.add(sequence)
            reading = _reading(device, epoch, sequence, after, value)
            if reading is None:
                self._settle(session, device, epoch, sequence)
            else:
                if self.defect == "writes values in other units":
                    reading["value"] = value / 1024
                if self.defect == "acknowledges at once":
                    self._settle(session, device, epoch, sequence)
                self._queue.append((session, device, epoch, sequence, reading))

    def _settle(self, session: Session, device: int, epoch: int, sequence: int) -> None:
        session.under_way.discard(sequence)
        session.durable.add(sequence)
        self._acknowledge(session, device, epoch)

    def _acknowledge(self, session: Session, device: int, epoch: int) -> None:
        highest = session.base - 1
        while highest + 1 in session.durable:
            highest += 1
        if self.defect == "acknowledges over gaps":
            highest = max(session.durable)
        if highest >= session.base:
            self._send(session.writer, 0x82, device, epoch, highest)

    def _send(self, writer: asyncio.StreamWriter, kind: int, device: int, epoch: int, sequence: int) -> None:
        raw = HEADER.pack(1, kind, device, epoch, sequence)
        writer.write(cobs.encode(raw + Crc16Ibm3740.calc(raw).to_bytes(2, "little")) + b"\0")

    async def _deliver(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            batch, self._queue = self._queue[:500], self._queue[500:]
            if batch:
                self._start(self._push(batch))

    async def _push(self, batch: list[Any]) -> None:
        while batch:
            status, headers = await asyncio.to_thread(_post, self._api, [entry[4] for entry in batch])
            if status == 200 or (status and self.defect == "takes any answer for success"):
                for session, device, epoch, sequence, _ in batch:
                    self._settle(session, device, epoch, sequence)
                return
            if status == 413 and len(batch) > 1 and self.defect != "does not halve":
                self._start(self._push(batch[: len(batch) // 2]))
                batch = batch[len(batch) // 2 :]
            wait = float(headers.get("Retry-After", 0)) if self.defect != "does not wait" else 0
            await asyncio.sleep(max(wait, 0.05))


def _reading(device: int, epoch: int, sequence: int, after: int, value: int) -> dict[str, Any] | None:
    """None for what no request can carry."""
    milliseconds = epoch + after
    if not (946_684_800_000 <= milliseconds < 4_133_980_800_000 and epoch <= 2**53):
        return None
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=milliseconds)
    number = value / 1000
    return {
        "device": f"{device:08x}",
        "epoch": epoch,
        "sequence": sequence,
        "measured_at": at.isoformat(timespec="milliseconds") + "Z",
        "value": int(number) if number.is_integer() else number,
    }


def _post(address: Address, readings: list[dict[str, Any]]) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer; 0 without one."""
    connection = http.client.HTTPConnection(*address, timeout=1)
    try:
        body = json.dumps({"readings": readings})
        connection.request("POST", "/v1/readings", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read(65_536)
        return answer.status, dict(answer.getheaders())
    except (OSError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()
