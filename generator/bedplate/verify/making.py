"""What is the same for every image that is made here: it is named by its recipe, and made once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bedplate.errors import MissingTool

REPOSITORY: Final = "bedplate"
LABEL: Final = "bedplate.recipe"
DIGITS: Final = 12
"""Hexadecimal digits of a digest that a tag ends in."""

Announce = Callable[[str], None]


def digest_of(directory: Path, *extra: bytes) -> str:
    """Short digest of the files of a directory, their names and execute bits, and of more."""
    summary = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        record = [path.relative_to(directory).as_posix(), os.access(path, os.X_OK)]
        summary.update(json.dumps(record).encode() + hashlib.sha256(path.read_bytes()).digest())
    for part in extra:
        summary.update(hashlib.sha256(part).digest())
    return summary.hexdigest()[:DIGITS]


def expect_made(tag: str, code: int, log: str) -> None:
    """Raise `MissingTool` with the end of the log when an image was not made."""
    if code:
        raise MissingTool(f"{tag}: could not be made:", *log.strip().splitlines()[-20:])


@contextmanager
def alone() -> Iterator[None]:
    """Let one process at a time make images; the others wait and find them made."""
    import fcntl

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bedplate"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "stand-ins.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
