"""How tests run programs: as a user does, in a directory, and looking only at what comes out."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cli:
    """Runs programs in one directory, without a terminal."""

    directory: Path
    environment: dict[str, str]
    within: float = 120.0
    """Seconds that a program may take."""

    def bedplate(self, *arguments: object, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m bedplate` and capture what it prints."""
        return self.run(sys.executable, "-m", "bedplate", *arguments, **extra)

    def copier(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run `python -m copier` and capture what it prints."""
        return self.run(sys.executable, "-m", "copier", *arguments)

    def git(self, *arguments: object) -> str:
        """Run git, which must succeed, and return what it prints."""
        finished = self.run("git", *arguments)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def run(self, *command: object, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run any program; `extra` are environment variables for it alone."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=self.directory,
            env=self.environment | extra,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.within,
            check=False,
        )


def caches() -> dict[str, str]:
    """Where tools keep what they have fetched and compiled, for a user whose home is another one."""
    places = {
        "CARGO_HOME": ".cargo",
        "GOCACHE": ".cache/go-build",
        "GOMODCACHE": "go/pkg/mod",
        "PIP_CACHE_DIR": ".cache/pip",
        "RUSTUP_HOME": ".rustup",
    }
    return {name: os.environ.get(name, str(Path.home() / place)) for name, place in places.items()}


def free_addresses(count: int) -> list[str]:
    """Addresses of this machine on which nobody listens."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    for listener in listeners:
        listener.close()
    return addresses
