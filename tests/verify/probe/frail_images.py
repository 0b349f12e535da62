"""A service that keeps all its promises, and images of it that break one each."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from bedplate.verify import sweep
from bedplate.verify.bases import resolve
from bedplate.verify.client import Client, execute
from bedplate.verify.dockerfile import named_images
from bedplate.verify.findings import Findings, Status
from bedplate.verify.probe.drain import Times
from bedplate.verify.probe.platform import Platform, Ports
from bedplate.verify.probe.trial import Trials

FRAIL = Path(__file__).parent / "frail"
PORTS = Ports(8080, 9090)
TIMES = Times(delay=2, timeout=2, grace=8)
"""With a delay that is longer than an engine takes to deliver a signal, on a machine that is busy."""


@dataclass(frozen=True)
class File:
    """A file to put into an image."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    owner: int = 0


@dataclass(frozen=True)
class Variant:
    """What makes an image of its own: instructions of a Dockerfile, files, a file that is gone."""

    changes: Sequence[str] = ()
    files: Sequence[File] = ()
    removed: str = ""


@dataclass(frozen=True)
class Workshop:
    """Makes images out of the faultless one, and starts them."""

    client: docker.DockerClient
    faultless: str
    run_id: str

    def image(self, variant: Variant) -> str:
        """An image that differs from the faultless one as told."""
        entrypoint = ["/frail", "remove", variant.removed] if variant.removed else None
        container = self.client.containers.create(
            self.faultless, entrypoint=entrypoint, user="0", labels={"bedplate.run": self.run_id}
        )
        try:
            if variant.removed:
                container.start()
                assert container.wait()["StatusCode"] == 0
            if variant.files:
                assert container.put_archive("/", _archive(variant.files))
            restored = ('ENTRYPOINT ["/frail"]', "USER 65532:65532", *variant.changes)
            made = container.commit(changes=list(restored))
        finally:
            container.remove(force=True, v=True)
        assert made.id is not None
        return made.id

    def with_defect(self, defect: str) -> str:
        """An image of the service with a defect that its program knows; with none it is faultless."""
        return self.image(Variant([f'ENV DEFECT="{defect}"']))

    @contextmanager
    def platform(self, defect: str) -> Iterator[Platform]:
        """A platform that starts the service with a defect."""
        with Platform(self.client, self.with_defect(defect), self.run_id, PORTS) as platform:
            yield platform


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Builds the faultless image once; all images and containers are gone afterwards."""
    run_id = sweep.new_run_id()
    client = Client.find()
    api = docker.from_env(environment={"DOCKER_HOST": client.endpoint()})
    tag = f"bedplate-run-{run_id}:frail"
    with sweep.Claim(run_id):
        try:
            flags = resolve("auto", named_images((FRAIL / "Dockerfile").read_text())).flags_for(FRAIL)
            label = f"--label=bedplate.run={run_id}"
            command = (client.path, "buildx", "build", *flags, label, f"--tag={tag}", "--load", str(FRAIL))
            built = execute(command)
            assert built.returncode == 0, built.stderr
            yield Workshop(api, tag, run_id)
        finally:
            sweep.remove(api, run_id)


def failed(findings: Findings) -> dict[str, str]:
    """Names and details of the checks that failed."""
    return {check.name: check.detail for check in findings.checks if check.status is Status.FAILED}


def told(probe: Callable[[Trials], None]) -> dict[str, str]:
    """What a part of the probe finds wrong."""
    trials = Trials()
    probe(trials)
    findings = trials.findings()
    assert findings.checks, "the probe tried nothing"
    return failed(findings)


def _archive(files: Sequence[File]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode, entry.uid = len(file.content), file.mode, file.owner
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
