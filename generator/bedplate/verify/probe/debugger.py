"""A debugger for the emulated core: the little of GDB's remote protocol that breaking a program takes.

https://sourceware.org/gdb/current/onlinedocs/gdb.html/Remote-Protocol.html
"""

from __future__ import annotations

import re
import socket
from types import TracebackType
from typing import Final, Self

from bedplate.verify.probe.node import PATIENCE
from bedplate.verify.probe.trial import Unmet, expect
from bedplate.verify.probe.wire import Address

PC: Final = 15
"""The number of the program counter, as that of r0 to r12 is 0 to 12."""
XPSR: Final = 25
"""The number of the program status, as QEMU describes a core of the M profile."""


class Debugger:
    """Halts the core, from connecting on, and lets it run on at the end of its with block."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection(address, PATIENCE)
        self._received = bytearray()

    def __enter__(self) -> Self:
        # QEMU takes registers one by one only from those who have asked which there are.
        self._ask("qXfer:features:read:target.xml:0,fff")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._do("D")
        finally:
            self._socket.close()

    def register(self, number: int) -> int:
        """The value of one of the core's registers."""
        answer = self._ask(f"p{number:x}")
        expect(
            re.fullmatch(r"[0-9a-f]{8}", answer) is not None,
            f"expected the emulator's debugger to tell register {number}, got {answer!r}",
        )
        return int.from_bytes(bytes.fromhex(answer), "little")

    def set_register(self, number: int, value: int) -> None:
        """Set one of the core's registers."""
        self._do(f"P{number:x}={value.to_bytes(4, 'little').hex()}")

    def write(self, address: int, content: bytes) -> None:
        """Write into memory, read-only memory too."""
        self._do(f"M{address:x},{len(content):x}:{content.hex()}")

    def _do(self, command: str) -> None:
        answer = self._ask(command)
        expect(
            answer == "OK", f"expected the emulator's debugger to answer {command} with OK, got {answer!r}"
        )

    def _ask(self, command: str) -> str:
        payload = command.encode()
        self._socket.sendall(b"$%b#%02x" % (payload, sum(payload) & 0xFF))
        answer = self._packet()
        while answer.startswith("T"):  # It has halted, which it says once, when it likes.
            answer = self._packet()
        return answer

    def _packet(self) -> str:
        content = self._until(b"#")
        self._until(b"", 2)
        self._socket.sendall(b"+")
        return content.lstrip(b"+").removeprefix(b"$").decode()

    def _until(self, mark: bytes, count: int = 0) -> bytes:
        """Take what comes before a mark, or that many bytes."""
        while (end := self._received.find(mark) if mark else count) < 0 or len(self._received) < end:
            data = self._socket.recv(4_096)
            if not data:
                raise Unmet("the emulator's debugger has hung up")
            self._received += data
        taken = bytes(self._received[:end])
        del self._received[: end + len(mark)]
        return taken
