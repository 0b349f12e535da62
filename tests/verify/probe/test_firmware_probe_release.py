"""What a release must not be: each breaks one promise, and the probe names that one."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from bedplate.verify.probe import frames
from bedplate.verify.probe.chip import Chip, Memory
from bedplate.verify.probe.release import read_elf, try_release
from bedplate.verify.probe.trial import Trials, Unmet
from frail_images import failed
from shell import ROOT

FLASH, RAM = Memory(0, 0x40000), Memory(0x2000_0000, 0x10000)
CHIP = Chip(FLASH, RAM, flash_budget=3_584, bus_faults=True)
TABLE = struct.pack("<II", RAM.origin + 1_024, FLASH.origin + 9)


def elf(text: bytes, table: bytes = TABLE) -> bytes:
    """An Arm program with a vector table and a section of code behind it (System V ABI, chapter 4)."""
    names = b"\0.vector_table\0.text\0.shstrtab\0"
    content = table + text
    at = 52 + 32
    sections = [
        (0,) * 10,
        (1, 1, 2, FLASH.origin, at, len(table), 0, 0, 4, 0),
        (15, 1, 6, FLASH.origin + len(table), at + len(table), len(text), 0, 0, 4, 0),
        (21, 3, 0, 0, at + len(content), len(names), 0, 0, 1, 0),
    ]
    offset = at + len(content) + len(names)
    header = struct.pack(
        "<16sHHIIIIIHHHHHH",
        *(b"\x7fELF\x01\x01\x01", 2, 40, 1, 8, 52, offset, 0, 52, 32, 1, 40, len(sections), 3),
    )
    size = len(content)
    segment = struct.pack("<IIIIIIII", 1, at, FLASH.origin, FLASH.origin, size, size, 5, 4)
    return header + segment + content + names + b"".join(struct.pack("<10I", *row) for row in sections)


def pack(dist: Path, program: bytes, binary: bytes | None = None, components: int = 1) -> None:
    """A release of this program, with sums that are right."""
    image = TABLE + bytes(100) if binary is None else binary
    bill = {"bomFormat": "CycloneDX", "components": [{}] * components}
    files = {"node.bin": image, "node.cdx.json": json.dumps(bill).encode(), "node.elf": program}
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    dist.mkdir()
    for name, content in files.items():
        (dist / name).write_bytes(content)
    (dist / "SHA256SUMS").write_text("".join(lines))


def unlisted(dist: Path) -> None:
    pack(dist, elf(bytes(100)))
    (dist / "node.bin").unlink()


def altered(dist: Path) -> None:
    pack(dist, elf(bytes(100)))
    (dist / "node.cdx.json").write_bytes(b"{}")


def stray_stack(dist: Path) -> None:
    table = struct.pack("<II", 0x1000, FLASH.origin + 9)
    pack(dist, elf(bytes(100), table), table + bytes(100))


def no_thumb(dist: Path) -> None:
    table = struct.pack("<II", RAM.origin + 1_024, FLASH.origin + 8)
    pack(dist, elf(bytes(100), table), table + bytes(100))


def too_large(dist: Path) -> None:
    pack(dist, elf(bytes(CHIP.flash_budget + 1)), TABLE + bytes(CHIP.flash_budget + 1))


RELEASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "faultless": (lambda dist: pack(dist, elf(bytes(100))), ""),
    "a file is missing": (unlisted, "node.bin, node.cdx.json, node.elf and SHA256SUMS"),
    "a file was altered": (altered, "checksums"),
    "no components": (lambda dist: pack(dist, elf(bytes(100)), components=0), "bill of materials"),
    "another binary": (lambda dist: pack(dist, elf(bytes(100)), TABLE + bytes(99) + b"x"), "the binary is"),
    "a stack outside RAM": (stray_stack, "vector table"),
    "a reset without Thumb": (no_thumb, "vector table"),
    "too large": (too_large, "bytes of flash"),
}


@pytest.mark.parametrize("name", RELEASES)
def test_probe_names_what_is_wrong_with_a_release(tmp_path: Path, name: str) -> None:
    make, claim = RELEASES[name]
    make(tmp_path / "dist")
    trials = Trials()
    try_release(trials, tmp_path / "dist", "node", CHIP)
    wrong = failed(trials.findings())
    if not claim:
        assert wrong == {}
    else:
        assert [check for check in wrong if claim in check], wrong


def test_what_the_emulator_boots_of_a_chip_that_it_lacks_is_a_file_for_the_twin(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    pack(dist, elf(bytes(100)))
    trials = Trials()
    booted = try_release(trials, dist, "node", CHIP, twin=True)
    assert booted == dist / "node.twin.elf"
    assert list(failed(trials.findings())) == [
        "release: node.bin, node.cdx.json, node.elf, node.twin.elf and SHA256SUMS",
        "release: checksums are those of the files",
    ]


def test_flash_is_what_is_loaded_but_the_vector_table(tmp_path: Path) -> None:
    pack(tmp_path / "dist", elf(bytes(100)))
    trials = Trials()
    try_release(trials, tmp_path / "dist", "node", CHIP)
    (figure,) = trials.findings().figures
    assert (figure.name, figure.value, figure.unit) == ("flash", 100, "B")


def test_a_program_for_another_machine_is_refused() -> None:
    program = bytearray(elf(b""))
    struct.pack_into("<H", program, 18, 62)
    with pytest.raises(Unmet, match="Arm"):
        read_elf(bytes(program))


VECTORS = json.loads((ROOT / "contract" / "frames.json").read_bytes())["frames"]


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["direction"] == "up"], ids=lambda v: v["name"])
def test_frames_of_devices_are_read_as_the_contract_writes_them(vector) -> None:
    frame = frames.decode(bytes.fromhex(vector["encoded"]).strip(b"\0"))
    assert (frame.kind, frame.device, frame.epoch) == (vector["kind"], vector["device"], vector["epoch"])
    assert (frame.sequence, frame.body) == (vector["sequence"], vector["body"])


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["direction"] == "down"], ids=lambda v: v["name"])
def test_frames_for_devices_are_written_as_the_contract_writes_them(vector) -> None:
    header = {name: vector[name] for name in ("kind", "device", "epoch", "sequence")}
    assert frames.encode(frames.Frame(**header, body=vector["body"])) == bytes.fromhex(vector["encoded"])
