"""Breaking a program that runs, from outside: each crash must be told at the next boot.

A debugger halts the core, puts a few instructions into unused flash and lets it run on there; RAM
is not run where memory is protected. So the very image that goes on a chip is tried, and not one that was
built to break.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from bedplate.verify.probe import frames
from bedplate.verify.probe.chip import Chip, Memory
from bedplate.verify.probe.debugger import PC, XPSR, Debugger
from bedplate.verify.probe.frames import Frame
from bedplate.verify.probe.greeting import EPOCH
from bedplate.verify.probe.node import Node
from bedplate.verify.probe.trial import Trials, Unmet, expect, expect_same
from bedplate.verify.probe.wire import Address

PIN, WATCHDOG, FAULT = 1, 2, 3
_AIRCR, _SYSRESETREQ = 0xE000_ED0C, 0x05FA_0004
_ENABLE_INTERRUPTS: Final = 0xB662  # cpsie i: the core sleeps with interrupts off
_NOWHERE: Final = 0xA000_0000
"""In the part of the address space for external devices, of which the boards have none."""
_FRAME: Final = 32
"""Bytes that an exception pushes: with less room than that a stack is full."""
_ATTEMPTS: Final = 100
_EXCEPTION_NUMBER: Final = 0x1FF
_OF_THE_PROGRAM: Final = {0, 14}
"""Exceptions that a program may be in: none, or PendSV, where tasks take turns. Arm DDI 0403, B1.5.2."""
_ROOM: Final = 64
"""Bytes at the end of flash that the instructions take."""
_REFUSED: Final = 1 << 9
"""Fault status of a read that the bus refuses; Arm DDI 0403, B3.2.15."""
_PROTECTED: Final = 1 << 7 | 1 << 1
"""That of one which the protection of memory refuses, and of which the address is known."""


@dataclass(frozen=True)
class Crash:
    """One way to end a run. `code` runs with r0 = 1 and r1 as given."""

    name: str
    code: tuple[int, ...]
    cause: int
    cfsr: int = 0
    """Bits of the fault status that must be set; Arm DDI 0403, B3.2.15."""
    faults_at: int | None = None
    """Where in the code the program counter of the record must point, in bytes."""
    r1: int = 0
    sp_in: range | None = None
    """Where the stack pointer of the record must be."""
    of_the_bus: bool = False
    """Whether it takes a bus that refuses something."""


def crashes(chip: Chip) -> tuple[Crash, ...]:
    """Faults that are told apart by their status, and a program that hangs. Opcodes: Arm DDI 0403, A7.7.

    The loop masks the lowest priority (BASEPRI), so that no turn is taken where a task takes them. A core of
    Armv6-M has neither that nor a fault status, and a division is an undefined instruction to it.
    """
    undefined = Crash("an undefined instruction", (0xDE00,), FAULT, 1 << 16, 0)
    division = Crash("a division by zero", (0xFBB0, 0xF0F1), FAULT, 1 << 25, 0)
    read = Crash("a read where there is nothing", (0x6808,), FAULT, _REFUSED, 0, r1=_NOWHERE, of_the_bus=True)
    overflow = Crash("a stack that overflows", (0xB4FF, 0xE7FD), FAULT, sp_in=_just_below(chip.ram.origin))
    loop = Crash("a loop without end", (0xF381, 0x8811, 0xE7FE), WATCHDOG, r1=chip.lowest_priority)
    if not chip.mainline:
        loop = replace(loop, code=(0xE7FE,), r1=0)
        return replace(undefined, cfsr=0), replace(read, cfsr=0), overflow, loop
    if chip.protected:
        read = replace(read, cfsr=_PROTECTED, of_the_bus=False)
    return undefined, division, read, overflow, loop


def try_crashes(trials: Trials, node: Node, debugger: Address, chip: Chip) -> None:
    """End one run after the other of a node that is welcomed; boots are counted from power-on."""
    flash = chip.flash
    for crash in crashes(chip):
        if crash.of_the_bus and not chip.bus_faults:
            trials.skip(f"crash: {crash.name}", "the emulator answers whatever this board's bus is asked for")
    possible = [crash for crash in crashes(chip) if chip.bus_faults or not crash.of_the_bus]
    for boots, crash in enumerate(possible, 1):
        with trials.check(f"crash: {crash.name} is told at the next boot"):
            epitaph = _crash(node, debugger, flash, crash)
            _judge(epitaph, crash, chip, boots)
    with trials.check("crash: the epitaph follows each hello until the welcome"):
        again = node.expect(frames.HELLO), node.next()
        seen = again[1]
        expect(seen is not None and seen.kind == frames.EPITAPH, f"expected an epitaph after it, got {seen}")
    with trials.check("crash: the welcome clears the epitaph"):
        node.send(frames.WELCOME, epoch=EPOCH)
        node.command(frames.PING)
        _run(debugger, flash, (0x6008, 0xE7FE), _SYSRESETREQ, _AIRCR)
        hello = node.expect_boot()
        expect_same("cause in the hello, after a reset from outside", PIN, hello["reset_cause"])
        late = [frame for frame in node.during(0.2) if frame.kind == frames.EPITAPH]
        expect(not late, f"expected no epitaph, got {', '.join(map(str, late))}")


def _crash(node: Node, debugger: Address, flash: Memory, crash: Crash) -> Frame:
    """Crash a run; the epitaph that comes right after the hello of the next one."""
    _run(debugger, flash, crash.code, 1, crash.r1)
    hello = node.expect_boot()
    expect_same("cause in the hello", crash.cause, hello["reset_cause"])
    epitaph = node.next()
    expect(
        epitaph is not None and epitaph.kind == frames.EPITAPH,
        f"expected an epitaph right after the hello, got {epitaph}",
    )
    return epitaph or hello


def _judge(epitaph: Frame, crash: Crash, chip: Chip, boots: int) -> None:
    expect_same("cause and boots", (crash.cause, boots), (epitaph["cause"], epitaph["boots"]))
    status = epitaph["cfsr"]
    if chip.mainline:
        expect(status & crash.cfsr == crash.cfsr, f"cfsr: expected {crash.cfsr:#x} in it, got {status:#x}")
    else:
        expect(status == 0, f"cfsr: expected 0 of a core that has none, got {status:#x}")
    if crash.cause == WATCHDOG:
        registers = [epitaph[name] for name in ("pc", "lr", "sp", "cfsr")]
        expect_same("pc, lr, sp and cfsr of a watchdog", [0, 0, 0, 0], registers)
    if crash.sp_in is not None:
        sp, least, most = epitaph["sp"], crash.sp_in.start, crash.sp_in.stop - 1
        expect(sp in crash.sp_in, f"sp: expected {least:#x} to {most:#x}, got {sp:#x}")
    if crash.faults_at is not None:
        wanted = _unused(chip.flash) + struct.calcsize("<H") + crash.faults_at
        expect(epitaph["pc"] == wanted, f"pc: expected {wanted:#x}, got {epitaph['pc']:#x}")


def _run(debugger: Address, flash: Memory, code: tuple[int, ...], r0: int, r1: int) -> None:
    """Make the core run this code instead of its program, which it must not be in an interrupt of.

    There the code would keep out all other interrupts of that priority, that of a watchdog among them.
    """
    instructions = (_ENABLE_INTERRUPTS, *code)
    for _ in range(_ATTEMPTS):
        with Debugger(debugger) as halted:
            if halted.register(XPSR) & _EXCEPTION_NUMBER not in _OF_THE_PROGRAM:
                continue
            halted.write(_unused(flash), struct.pack(f"<{len(instructions)}H", *instructions))
            halted.set_register(0, r0)
            halted.set_register(1, r1)
            halted.set_register(PC, _unused(flash))
            return
    raise Unmet(f"halted {_ATTEMPTS} times, and the core was in an interrupt each time")


def _just_below(origin: int) -> range:
    """Where a stack ends that grows down to the lowest address of RAM, when its first step outside faults.

    That step is at most as long as what is pushed, by the program and then by the exception.
    """
    return range(origin - 2 * _FRAME, origin + _FRAME)


def _unused(flash: Memory) -> int:
    """An address at the end of flash, far above what the program uses."""
    return flash.end - _ROOM
