"""Runs a command with its temporary files in memory, where that has room for them and runs programs.

    python ci/in_memory.py COMMAND...

They are removed when it ends. Tests make projects and clones of many small files; on a disk, making and
removing those was a third to a half of their time.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

NEEDED = 12 << 30
"""Bytes: files of all tests take less than 2 GiB, and builds beside them 3 GiB each."""
ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
CLEARED_WITHIN = 5
"""Seconds that processes below the command may take to end and to write no more."""


def available(meminfo: Path, limits: Path) -> int:
    """Bytes of memory that can be had, of the machine and within the limit of a container."""
    found = re.search(r"^MemAvailable: *(\d+) kB$", meminfo.read_text(), re.MULTILINE)
    memory = int(found[1]) << 10 if found else 0
    with suppress(OSError, ValueError):  # no files without a container, and "max" without a limit
        limit, taken = (int((limits / name).read_text()) for name in ("memory.max", "memory.current"))
        memory = min(memory, limit - taken)
    return memory


def has_room(place: Path) -> bool:
    """Whether files can go to a place in memory, and builds have enough of it beside them."""
    try:
        memory = available(Path("/proc/meminfo"), Path("/sys/fs/cgroup"))
        return os.access(place, os.W_OK) and min(memory, shutil.disk_usage(place).free) > NEEDED
    except OSError:
        return False


def runs_programs(place: Path) -> bool:
    """Whether programs can be run from a place; it may be mounted without that."""
    program = place / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    try:
        return subprocess.run([program], check=False).returncode == 0
    except OSError:
        return False
    finally:
        program.unlink()


def run_in(place: Path, command: list[str], mask: set[int | signal.Signals]) -> int:
    """Run a command with its temporary files in a place, and return its status as shells have it.

    Signals are blocked here. One that a terminal sends has come to the command as well, since they are
    in one group; others are handed on.
    """
    unblocked = partial(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
    process = subprocess.Popen(
        command,
        env=os.environ | {"TMPDIR": str(place)},
        preexec_fn=unblocked,  # noqa: PLW1509 (there are no threads)
    )
    while process.poll() is None:
        came = signal.sigwaitinfo(ENDS | {signal.SIGCHLD})
        by_kernel = came.si_code > 0
        if came.si_signo != signal.SIGCHLD and not by_kernel:
            process.send_signal(came.si_signo)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def remove(place: Path) -> None:
    """Remove a place, again while something is still written there."""
    deadline = time.monotonic() + CLEARED_WITHIN
    while place.exists() and time.monotonic() < deadline:
        shutil.rmtree(place, ignore_errors=True)
        time.sleep(0.05)


def main() -> None:
    """Become the command where there is no room; else wait for it, to remove its files."""
    command = sys.argv[1:]
    memory = Path(os.environ.get("BEDPLATE_MEMORY", "/dev/shm"))  # noqa: S108 (a name of its own is made there)
    if has_room(memory):
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS | {signal.SIGCHLD})
        place = Path(tempfile.mkdtemp(dir=memory))
        try:
            if runs_programs(place):
                sys.exit(run_in(place, command, mask))
        finally:
            remove(place)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
