"""How tests run programs: as a user does, in a directory, and looking only at what comes out."""

from __future__ import annotations

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
