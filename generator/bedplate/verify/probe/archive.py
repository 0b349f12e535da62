"""One file in a tar archive, which is how the engine takes files into containers and gives them out."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import PurePosixPath


def packed(path: str, content: bytes, mode: int = 0o644) -> bytes:
    """An archive with one file, which goes by the last part of its path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(PurePosixPath(path).name)
        entry.size, entry.mode = len(content), mode
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def unpacked(parts: Iterable[bytes]) -> bytes:
    """The content of the one file in an archive; of a directory nothing."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as archive:
        found = archive.extractfile(archive.getmembers()[0])
        return found.read() if found else b""
