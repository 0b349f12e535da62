"""The Docker command line that is used: one that has buildx, wherever on PATH it stands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bedplate.errors import MissingTool

ANSWER_WITHIN = 20.0
"""Seconds that a client or a daemon gets to say who it is. A busy machine takes two."""


@dataclass(frozen=True)
class Server:
    """The daemon that answers: its version and its architecture in Go's words (amd64, arm64)."""

    version: str
    architecture: str


@dataclass(frozen=True)
class Client:
    """A docker client with buildx."""

    path: str

    @classmethod
    def find(cls, environment: Mapping[str, str] | None = None) -> Client:
        """The client that DOCKER names, or the first one on PATH that has buildx.

        Raises:
            MissingTool: when there is none, saying which clients were tried.
        """
        environment = os.environ if environment is None else environment
        named = environment.get("DOCKER")
        candidates = [named] if named else list(candidates_on(environment.get("PATH", "")))
        for candidate in candidates:
            if _has_buildx(candidate):
                return cls(candidate)
        if not candidates:
            raise MissingTool("no docker client on PATH: `ci/provision engine` installs one on Debian")
        raise MissingTool(f"{', '.join(candidates)}: no buildx; install docker-buildx or set DOCKER")

    def run(self, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run one docker command and capture what it prints."""
        return execute((self.path, *arguments), timeout=timeout)

    def server(self) -> Server:
        """Ask the daemon who it is.

        Raises:
            MissingTool: when no daemon answers.
        """
        try:
            asked = self.run(
                "version", "--format", "{{.Server.Version}} {{.Server.Arch}}", timeout=ANSWER_WITHIN
            )
        except subprocess.TimeoutExpired:
            raise MissingTool(f"the container engine did not answer within {ANSWER_WITHIN:.0f} s") from None
        if asked.returncode:
            reason = (asked.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise MissingTool(f"no container engine answers: {reason}")
        match asked.stdout.split():
            case [version, architecture]:
                return Server(version, architecture)
        raise MissingTool(f"{self.path}: does not say which container engine it talks to")

    def endpoint(self) -> str:
        """Where the daemon is, as DOCKER_HOST would name it."""
        asked = self.run(
            "context", "inspect", "--format", "{{.Endpoints.docker.Host}}", timeout=ANSWER_WITHIN
        )
        return os.environ.get("DOCKER_HOST") or asked.stdout.strip()


def candidates_on(path: str) -> Iterator[str]:
    """Every program named docker on a search path, in its order, the same file once."""
    seen: set[Path] = set()
    for directory in filter(None, path.split(os.pathsep)):
        found = shutil.which("docker", path=directory)
        if found and (real := Path(found).resolve()) not in seen:
            seen.add(real)
            yield found


def _has_buildx(candidate: str) -> bool:
    try:
        return execute((candidate, "buildx", "version"), timeout=ANSWER_WITHIN).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def execute(
    command: Sequence[str],
    *,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; when this process is interrupted, what it started ends as well.

    Raises:
        subprocess.TimeoutExpired: after `timeout` seconds, with everything ended.
        OSError: when there is no such program.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=None if environment is None else dict(environment),
        cwd=directory,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process group: politely, so that it cleans up, then for good."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signum)
            process.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
