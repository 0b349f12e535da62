"""The files of a firmware's release: complete, what their checksums say, and small enough."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bedplate.verify.probe.chip import Chip
from bedplate.verify.probe.trial import Trials, Unmet, expect

SUMS: Final = "SHA256SUMS"
SUFFIXES: Final = ("bin", "cdx.json", "elf")
TWIN: Final = "twin.elf"
"""Beside them where the emulator boots a twin: the same program for that."""
VECTORS: Final = ".vector_table"
"""Left out of the figure: how long it is, the chip decides."""

# ELF, https://refspecs.linuxfoundation.org/elf/gabi4+/: what a file of 32 bits, little endian, begins with.
_IDENTITY: Final = b"\x7fELF\x01\x01"
_HEADER: Final = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION: Final = struct.Struct("<IIIIIIIIII")
_SEGMENT: Final = struct.Struct("<IIIIIIII")
_ARM: Final = 40
_PROGBITS, _ALLOC, _LOAD = 1, 2, 1


@dataclass(frozen=True)
class Elf:
    """What an ELF file puts into flash: pieces by address, and sizes of sections by name."""

    pieces: tuple[tuple[int, bytes], ...]
    sections: dict[str, int]

    @property
    def image(self) -> bytes:
        """All pieces in one, from the first to the last, with zeros in between."""
        start = self.pieces[0][0]
        image = bytearray()
        for address, content in self.pieces:
            image += bytes(address - start - len(image)) + content
        return bytes(image)


def read_elf(content: bytes) -> Elf:
    """Read the sections and segments that are loaded; raises `Unmet` for anything but an Arm program."""
    expect(content.startswith(_IDENTITY), "expected an ELF file of 32 bits, little endian")
    header = _HEADER.unpack_from(content)
    expect(header[2] == _ARM, f"expected machine {_ARM} (Arm), got {header[2]}")
    segments, sections = header[5], header[6]
    segment_size, segment_count, section_size, section_count, names_at = header[9:14]
    pieces = []
    for index in range(segment_count):
        kind, at, _, physical, size, *_ = _SEGMENT.unpack_from(content, segments + index * segment_size)
        if kind == _LOAD and size:
            pieces.append((physical, content[at : at + size]))
    rows = [_SECTION.unpack_from(content, sections + index * section_size) for index in range(section_count)]
    names = rows[names_at][4]
    sizes = {
        content[names + row[0] : content.index(b"\0", names + row[0])].decode(): row[5]
        for row in rows
        if row[1] == _PROGBITS and row[2] & _ALLOC
    }
    return Elf(tuple(sorted(pieces)), sizes)


def booted_elf(dist: Path, name: str, *, twin: bool) -> Path:
    """The file that the emulator boots: that of the chip, or of the twin in its place."""
    return dist / f"{name}.{TWIN if twin else 'elf'}"


def try_release(trials: Trials, dist: Path, name: str, chip: Chip, *, twin: bool = False) -> Path:
    """Look at the files in `dist`; returns the path of the ELF file to boot, which may not be there."""
    suffixes = (*SUFFIXES, TWIN) if twin else SUFFIXES
    files = {suffix: dist / f"{name}.{suffix}" for suffix in suffixes}
    with trials.check(f"release: {', '.join(file.name for file in files.values())} and {SUMS}"):
        missing = [path.name for path in (*files.values(), dist / SUMS) if not path.is_file()]
        expect(not missing, f"expected all of them in {dist.name}/, missing are {missing}")
    with trials.check("release: checksums are those of the files"):
        _try_sums(dist, sorted(file.name for file in files.values()))
    with trials.check("release: the bill of materials is CycloneDX, and not empty"):
        bill = json.loads(files["cdx.json"].read_bytes())
        told = (bill.get("bomFormat"), bool(bill.get("components")))
        expect(told == ("CycloneDX", True), f"expected format CycloneDX and components, got {told}")
    with trials.check("release: the binary is what the ELF file puts into flash"):
        image = read_elf(files["elf"].read_bytes()).image
        binary = files["bin"].read_bytes()
        expect(image == binary, f"expected {len(image)} bytes as in the ELF file, got {len(binary)} others")
    with trials.check("release: the vector table names a stack in RAM and a program in flash"):
        stack, reset = struct.unpack_from("<II", files["bin"].read_bytes())
        expect(chip.ram.origin < stack <= chip.ram.end, f"expected a stack in RAM, it begins at {stack:#x}")
        in_flash = chip.flash.origin <= reset < chip.flash.end and reset & 1
        expect(bool(in_flash), f"expected a reset vector with its Thumb bit in flash, got {reset:#x}")
    with trials.check(f"release: at most {chip.flash_budget} bytes of flash, without the vector table"):
        sizes = read_elf(files["elf"].read_bytes()).sections
        used = sum(size for section, size in sizes.items() if section != VECTORS)
        trials.figure("flash", used, "B", chip.flash_budget)
        expect(used <= chip.flash_budget, f"expected at most {chip.flash_budget}, got {used}: {sizes}")
    return booted_elf(dist, name, twin=twin)


def _try_sums(dist: Path, names: list[str]) -> None:
    lines = (dist / SUMS).read_text(encoding="ascii").splitlines()
    told = {}
    for line in lines:
        digest, separator, name = line.partition("  ")
        if not separator:
            raise Unmet(f"expected a digest, two spaces and a name, got {line!r}")
        told[name] = digest
    expect(sorted(told) == names, f"expected sums of {names}, got {sorted(told)}")
    wrong = [name for name in names if hashlib.sha256((dist / name).read_bytes()).hexdigest() != told[name]]
    expect(not wrong, f"expected the sums in {SUMS}, different are {wrong}")
