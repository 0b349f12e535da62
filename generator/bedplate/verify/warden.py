"""A process that outlives a run and cleans up when the run was killed.

A run that is asked to end cleans up itself; one that gets SIGKILL, or is out of memory, can't. The
warden reads from a pipe which process groups the run has started. When the pipe ends without `done`,
the run is dead: its groups are ended, then everything with its label and its directory are removed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

from bedplate.verify import sweep

if TYPE_CHECKING:
    from docker import DockerClient

_QUIET_PASSES: Final = 3
_BETWEEN_PASSES: Final = 0.5


def importable() -> dict[str, str]:
    """What lets a Python that is started anywhere import this package, installed or not."""
    package = str(Path(__file__).resolve().parents[2])
    return {"PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}


class Warden:
    """The end of the pipe that the run holds."""

    def __init__(self, run: str, endpoint: str | None) -> None:
        self._command = [sys.executable, "-m", __name__, run, endpoint or ""]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the warden, beyond the reach of a terminal's signals."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | importable(),
            cwd="/",
            start_new_session=True,
        )
        return self

    def watch(self, group: int, alive: bool) -> None:
        """Tell of a process group that was started or has ended."""
        self._say(f"{'start' if alive else 'end'} {group}")

    def __exit__(self, *_: object) -> None:
        """Let the warden go on watching, until it is dismissed or this process is gone."""

    def dismiss(self) -> None:
        """Say that the run has cleaned up itself."""
        self._say("done")
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
            self._process.wait()

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):  # without its warden, a run still cleans up unless it is killed
                os.write(self._process.stdin.fileno(), f"{line}\n".encode())


def main(arguments: list[str], lines: IO[str]) -> None:
    """Wait for the end of a run; clean up after it unless it says that it did."""
    run, endpoint = arguments
    groups: set[int] = set()
    for line in lines:
        match line.split():
            case ["start", group]:
                groups.add(int(group))
            case ["end", group]:
                groups.discard(int(group))
            case ["done"]:
                return
    _end(groups)
    _sweep(run, endpoint)


def _end(groups: Iterable[int]) -> None:
    for signum, wait in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 0.0)):
        for group in groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signum)
        until = time.monotonic() + wait
        while time.monotonic() < until and any(_exists(group) for group in groups):
            time.sleep(0.1)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def _sweep(run: str, endpoint: str) -> None:
    """Remove until nothing more comes: the engine may still be at work on what was asked of it."""
    engine = _engine(endpoint) if endpoint else None
    quiet = 0
    while quiet < _QUIET_PASSES:
        removed = sweep.remove_files(run)
        if engine is not None:
            removed += sweep.remove(engine, run)
        quiet = 0 if removed else quiet + 1
        time.sleep(_BETWEEN_PASSES)


def _engine(endpoint: str) -> DockerClient:
    import docker

    return docker.from_env(environment=os.environ | {"DOCKER_HOST": endpoint})


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin)
