"""A container engine of a test's own, beside the one that all share: to be stopped, filled up or killed."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest
from bedplate.verify import standins
from bedplate.verify.bases import Base
from bedplate.verify.client import Client
from bedplate.verify.linters import Linters
from shell import ROOT
from tiny_project import BUILDER, FINAL
from verify_user import Engine

WITHIN = 60.0
PROGRAMS = ("sh", "make", "cat", "date", "dd", "env", "mkdir", "rm", "sleep", "timeout", "true")
# Of linters, which are not what is tried here: they find nothing.
CONTENT = ("hadolint", "shellcheck", "yamllint")


@dataclass
class SecondEngine:
    """A daemon with its data and socket below one directory, in a network and with mounts of its own.

    In the network of the machine it would take the bridge of the engine that is there already for its own.
    """

    directory: Path
    data_size: str = ""
    daemon: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def endpoint(self) -> str:
        """As DOCKER_HOST names it."""
        return f"unix://{self.directory}/sock"

    @property
    def content(self) -> Engine:
        """What is in it."""
        return Engine(docker.DockerClient(base_url=self.endpoint))

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        daemon = [
            *("exec", "dockerd", f"--data-root={self.directory}/data", f"--exec-root={self.directory}/exec"),
            *(f"--pidfile={self.directory}/pid", f"--host={self.endpoint}"),
            *("--iptables=false", "--ip6tables=false", "--ip-masq=false"),
        ]
        steps = (
            [f"mount -t tmpfs -o size={self.data_size} tmpfs {self.directory}/data"] if self.data_size else []
        )
        script = " && ".join([*steps, shlex.join(daemon)])
        command = ["unshare", "--net", "--mount", "sh", "-c", script]
        with (self.directory / "log").open("ab") as log:
            self.daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + WITHIN
        while not self._answers():
            log_text = (self.directory / "log").read_text()
            assert self.daemon.poll() is None, log_text
            assert time.monotonic() < until, log_text
            time.sleep(0.1)

    def end(self, signum: signal.Signals) -> None:
        """End the daemon as a signal does, and wait until it is gone."""
        assert self.daemon is not None
        self.daemon.send_signal(signum)
        self.daemon.wait(timeout=WITHIN)

    def load(self, tag: str, programs: Iterable[str], scripts: dict[str, str]) -> None:
        """Make an image of programs of this machine, with what they are linked with, and of scripts."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path in sorted(with_libraries(programs)):
                tar.add(path.resolve(), arcname=str(path))
            for name, text in scripts.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(text.encode()), 0o755
                tar.addfile(entry, io.BytesIO(text.encode()))
            tmp = tarfile.TarInfo("tmp")
            tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(tmp)
        command = (Client.find().path, f"--host={self.endpoint}", "import", "-", tag)
        subprocess.run(command, input=archive.getvalue(), check=True, capture_output=True)

    def _answers(self) -> bool:
        asked = subprocess.run(
            (Client.find().path, f"--host={self.endpoint}", "version"), capture_output=True, check=False
        )
        return asked.returncode == 0


def with_libraries(programs: Iterable[str]) -> set[Path]:
    """The files of programs, of the shared libraries that they need, and of the loader."""
    files = {Path("/bin") / name for name in programs}
    for file in tuple(files):
        linked = subprocess.run(("ldd", str(file)), capture_output=True, text=True, check=True).stdout
        files |= {Path(word) for word in linked.split() if word.startswith("/")}
    return files


def load_bases(engine: SecondEngine, *, tools: str = "exit 1", linters: bool = True) -> None:
    """Small images by the names of stand-ins, and of linters, so that nothing has to be made.

    `tools` is what go and apt-get do where something is made all the same.
    """
    architecture = Client.find().server().architecture
    recipes = standins.load(ROOT, architecture)
    scripts = dict.fromkeys(("bin/go", "bin/apt-get"), f"#!/bin/sh\n{tools}\n")
    engine.load(recipes[BUILDER].tag, PROGRAMS, scripts)
    engine.load(recipes[FINAL].tag, ("sleep",), {})
    if linters:
        tag = Linters.load(ROOT).tag(Base(BUILDER, "stand-in", recipes[BUILDER].tag, ""))
        content = {f"bin/{name}": "#!/bin/sh\n" for name in CONTENT}
        script = (ROOT / "ci/linters/lint").read_text()
        engine.load(tag, PROGRAMS, {**content, "usr/bin/lint": script})


@contextmanager
def second_engine(data_size: str = "") -> Iterator[SecondEngine]:
    """An engine that runs, its data on a file system of its own when that is to be of some size."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("an engine of one's own needs root and dockerd")
    with tempfile.TemporaryDirectory(prefix="bp-", ignore_cleanup_errors=True) as name:
        engine = SecondEngine(Path(name), data_size)
        (engine.directory / "data").mkdir()
        try:
            engine.start()
            yield engine
        finally:
            if engine.daemon is not None and engine.daemon.poll() is None:
                engine.end(signal.SIGTERM)
