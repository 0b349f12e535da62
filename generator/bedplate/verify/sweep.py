"""Removes what runs left behind: in a container engine, found by its label, and their directories.

A run that lives holds a lock on a file of its own, which the kernel releases however the run ends. So
what belongs to a run that lives is left alone, on this machine; runs of other machines can't be asked.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from docker import DockerClient

LABEL: Final = "bedplate.run"
PATIENCE: Final = 15.0
"""Seconds that the engine gets to finish what was asked of it before a run ended."""
_POLL: Final = 0.2
_CLAIMS: Final = Path("/var/tmp/bedplate-runs")  # noqa: S108
"""One place for all users and whatever TMPDIR is, because they may share an engine."""
_PREFIX: Final = "bedplate-verify-"
_ID: Final = re.compile(r"(?P<host>[a-z0-9-]+)\.[0-9a-f]{8}")


_SINGULAR: Final = {
    "containers": "container",
    "networks": "network",
    "volumes": "volume",
    "images": "image",
    "directories": "directory",
}


@dataclass(frozen=True)
class Removed:
    """How many of each kind were removed."""

    containers: int = 0
    networks: int = 0
    volumes: int = 0
    images: int = 0
    directories: int = 0

    def __add__(self, other: Removed) -> Removed:
        """Add up, kind by kind."""
        return Removed(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __bool__(self) -> bool:
        """True when anything was removed."""
        return any(getattr(self, f.name) for f in fields(self))

    def __str__(self) -> str:
        """For people: `2 containers, 1 network`."""
        counts = ((getattr(self, f.name), f.name) for f in fields(self))
        told = [f"{count} {name if count > 1 else _SINGULAR[name]}" for count, name in counts if count]
        return ", ".join(told) or "nothing"


class Claim:
    """Says that a run lives, as long as it is held: a lock on a file named like the run."""

    def __init__(self, run: str) -> None:
        self._path = _CLAIMS / run
        self._file: int | None = None

    def __enter__(self) -> Self:
        """Take the lock."""
        with suppress(FileExistsError):
            _CLAIMS.mkdir()
            _CLAIMS.chmod(0o1777)  # as directories for temporary files are: everyone may claim
        self._file = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock and remove its file."""
        self._path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None


def new_run_id() -> str:
    """An id that no other run has; it begins with the name of this machine."""
    return f"{_host()}.{secrets.token_hex(4)}"


def lives(run: str) -> bool:
    """Whether a run of this machine still runs."""
    try:
        file = os.open(_CLAIMS / run, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def elsewhere(run: str) -> bool:
    """Whether the id of a run names another machine."""
    match = _ID.fullmatch(run)
    return match is not None and match["host"] != _host()


def runs(engine: DockerClient) -> frozenset[str]:
    """The runs of which the engine still holds something."""
    return frozenset(thing.run for kind in _KINDS for thing in kind.listed(engine, LABEL))


def leftover_runs(engine: DockerClient) -> tuple[str, ...]:
    """Runs that live no more, as far as this machine can tell."""
    known = runs(engine) | {path.name.removeprefix(_PREFIX) for path in _directories()}
    return tuple(sorted(run for run in known if not lives(run) and not elsewhere(run)))


def directory_of(run: str) -> Path:
    """Where a run keeps its files until it ends."""
    return Path(tempfile.gettempdir()) / f"{_PREFIX}{run}"


def remove_files(run: str) -> Removed:
    """Remove the directory of a run, and its claim."""
    directory = directory_of(run)
    existed = directory.is_dir()
    shutil.rmtree(directory, ignore_errors=True)
    with suppress(PermissionError):  # of another user
        (_CLAIMS / run).unlink(missing_ok=True)
    return Removed(directories=int(existed))


def remove(engine: DockerClient, run: str, within: float = PATIENCE) -> Removed:
    """Remove all that carries the label of a run, and what the engine still makes of it meanwhile.

    Ends when nothing is left, or after `within` seconds.
    """
    removed, until = Removed(), time.monotonic() + within
    while True:
        counts = {kind.name: kind.remove_all(engine, f"{LABEL}={run}") for kind in _KINDS}
        removed += Removed(**counts)
        left = any(kind.listed(engine, f"{LABEL}={run}") for kind in _KINDS)
        if not left or time.monotonic() > until:
            return removed
        time.sleep(_POLL)


@dataclass(frozen=True)
class _Thing:
    id: str
    run: str


@dataclass(frozen=True)
class _Kind:
    """One kind of thing in an engine: how it is listed and removed."""

    name: str
    list: Callable[[Any, dict[str, str]], list[dict[str, Any]]]
    remove: Callable[[Any, str], object]
    key: str = "Id"

    def listed(self, engine: DockerClient, label: str) -> tuple[_Thing, ...]:
        found = self.list(engine.api, {"label": label})
        return tuple(_Thing(thing[self.key], (thing["Labels"] or {}).get(LABEL, "")) for thing in found)

    def remove_all(self, engine: DockerClient, label: str) -> int:
        from docker.errors import APIError

        count = 0
        for thing in self.listed(engine, label):
            with suppress(APIError):  # in use, being removed, or gone already
                self.remove(engine.api, thing.id)
                count += 1
        return count


# In the order in which they can be removed.
_KINDS: Final = (
    _Kind(
        "containers",
        lambda api, filters: api.containers(all=True, filters=filters),
        lambda api, id: api.remove_container(id, v=True, force=True),
    ),
    _Kind(
        "networks", lambda api, filters: api.networks(filters=filters), lambda api, id: api.remove_network(id)
    ),
    _Kind(
        "volumes",
        lambda api, filters: api.volumes(filters=filters)["Volumes"] or [],
        lambda api, id: api.remove_volume(id, force=True),
        key="Name",
    ),
    _Kind(
        "images",
        lambda api, filters: api.images(filters=filters),
        lambda api, id: api.remove_image(id, force=True),
    ),
)


def _directories() -> Iterator[Path]:
    """The directories of this user's runs."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # gone meanwhile
            if path.stat().st_uid == os.getuid():
                yield path


def _host() -> str:
    """The name of this machine as it can stand in the name of an image."""
    return re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-") or "localhost"
