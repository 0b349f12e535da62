"""The verifier as its user runs it, and what it left in the engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from bedplate.verify.client import Client
from shell import ROOT, Cli

MINUTES = 60.0


@dataclass(frozen=True)
class User:
    """Runs `bedplate verify` of one checkout; `temporary` is where temporary directories go."""

    cli: Cli
    temporary: Path

    def verify(self, *arguments: object, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        with self.verifying(*arguments, **extra) as process:
            out, err = process.communicate(timeout=40 * MINUTES)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @contextmanager
    def verifying(self, *arguments: object, **extra: str) -> Iterator[subprocess.Popen[str]]:
        """Start it; it is killed when the context ends before it does."""
        command = [sys.executable, "-m", "bedplate", "verify", *map(str, arguments)]
        environment = self.cli.environment | {"TMPDIR": str(self.temporary)} | extra
        with subprocess.Popen(
            command,
            cwd=self.cli.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def directories(self) -> set[str]:
        """Temporary directories that are there."""
        return {path.name for path in self.temporary.iterdir()}


@pytest.fixture
def user(tmp_path: Path, cli: Cli) -> User:
    """A user of this checkout."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return User(cli, temporary)


@pytest.fixture
def checkout(tmp_path: Path, template_tree: Path, user: User) -> User:
    """A user of a checkout of their own, in `cli.directory`, which the test may change."""
    directory = tmp_path / "checkout"
    shutil.copytree(template_tree, directory)
    for part in ("generator", "ci"):
        shutil.copytree(ROOT / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
    environment = user.cli.environment | {"PYTHONPATH": str(directory / "generator")}
    return User(Cli(directory, environment), user.temporary)


@dataclass(frozen=True)
class Engine:
    """What is in the container engine."""

    api: docker.DockerClient

    def labelled(self, run: str) -> dict[str, int]:
        """How many things of each kind carry the label of a run."""
        filters = {"label": f"bedplate.run={run}"}
        found = {
            "containers": self.api.containers.list(all=True, filters=filters, ignore_removed=True),
            "networks": self.api.networks.list(filters=filters),
            "volumes": self.api.volumes.list(filters=filters),
            "images": self.api.images.list(all=True, filters=filters),
        }
        return {kind: len(things) for kind, things in found.items() if things}


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine that the verifier finds."""
    endpoint = Client.find().endpoint()
    return Engine(docker.from_env(environment=os.environ | {"DOCKER_HOST": endpoint}))
