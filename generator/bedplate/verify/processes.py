"""Programs that a run starts, each in a process group of its own and with a deadline."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GRACE: Final = 10.0
"""Seconds from SIGTERM to SIGKILL. An emitted `make smoke` needs about one to remove its container."""
TAIL: Final = 30
"""Lines at the end of a log that are shown, and of those before them that name a failure."""
_FAILURE: Final = re.compile(
    r"(--- FAIL: |\bFAIL\t|\.go:\d+:|\bpanic: |\berror(\[E\d+\])?: |\.\.\. FAILED$|panicked at )"
)
"""How the test runners and compilers of Go and Rust name what failed, and where."""


class Cancelled(Exception):
    """The run is being ended: nothing more is started."""


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code (negative for a signal), whether in time, and what its log says."""

    code: int
    seconds: float
    in_time: bool
    tail: str

    @property
    def passed(self) -> bool:
        """True when it ended by itself and well."""
        return self.in_time and self.code == 0


class Processes:
    """Starts programs and can end all of them. `watch` hears of each group: its id, and whether it lives."""

    def __init__(self, watch: Callable[[int, bool], None] = lambda group, alive: None) -> None:
        self._watch = watch
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._cancelled = False

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        log: Path,
        within: float,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run a program to its end, its output in `log`; what it leaves running is ended with it.

        Raises:
            Cancelled: when the run was ended meanwhile or before.
            OSError: when there is no such program.
        """
        started = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = self._start(command, cwd, output.fileno(), environment)
            try:
                process.wait(timeout=within)
                in_time = True
            except subprocess.TimeoutExpired:
                in_time = False
            finally:
                end_group(process)
                with self._lock:
                    del self._running[process.pid]
                self._watch(process.pid, False)
        if self._cancelled:
            raise Cancelled
        return Ended(process.returncode, time.monotonic() - started, in_time, excerpt(log))

    def cancel(self) -> None:
        """End everything that runs, and let nothing new start."""
        with self._lock:
            self._cancelled = True
            running = list(self._running.values())
        for process in running:
            _signal(process.pid, signal.SIGTERM)
        until = time.monotonic() + GRACE
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, until - time.monotonic()))
            _signal(process.pid, signal.SIGKILL)

    @property
    def cancelled(self) -> bool:
        """Whether the run is being ended."""
        return self._cancelled

    def _start(
        self, command: Sequence[str], cwd: Path, output: int, environment: Mapping[str, str] | None
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._cancelled:
                raise Cancelled
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=None if environment is None else dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running[process.pid] = process
        self._watch(process.pid, True)
        return process


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group: politely, so that it cleans up, then for good."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def excerpt(log: Path, count: int = TAIL) -> str:
    """The end of a log, behind the first earlier lines that name a failure: many a log ends long after it.

    Without terminal control, and blank lines at its end.
    """
    named: list[str] = []
    end: deque[str] = deque()
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            end.append(line)
            if len(end) > count and _FAILURE.search(earlier := end.popleft()) and len(named) < count:
                named.append(earlier)
    gap = ["...\n"] if named else []
    return "".join((*named, *gap, *end)).replace("\x1b", "").rstrip()


def _signal(group: int, signum: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)
