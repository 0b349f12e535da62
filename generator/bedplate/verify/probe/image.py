"""What an image holds: nothing but the program and what it needs, for a user who may do nothing else."""

from __future__ import annotations

import hashlib
import re
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, Final, cast

import docker
from docker.models.images import Image

from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.trust import additional_bundle

LABELS: Final = ("title", "description", "licenses", "version", "revision")
"""Those of the OCI image specification that every image carries, after org.opencontainers.image."""
MACHINES: Final = {"amd64": 62, "arm64": 183}
"""e_machine of an ELF header by the engine's word for an architecture."""
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox", "toybox"})
_INSTALLERS: Final = frozenset({"apt", "apt-get", "apk", "dpkg", "dnf", "yum", "pip", "cargo", "go"})
_SECRET: Final = re.compile(r"(?i)passw(or)?d|secret|token|api_?key|credential|://[^/\s:]+:[^/\s@]+@")
_SECRET_MOUNT: Final = re.compile(r"--mount=type=secret\S*")
_PRIVATE_KEY: Final = b"PRIVATE KEY-----"
_WHITEOUT: Final = ".wh."
_SMALL: Final = 1_000_000
"""Bytes up to which a file is read in search of keys."""


@dataclass(frozen=True)
class Expected:
    """What the image must be, beside what every image must be."""

    title: str
    licence: str
    ports: frozenset[int]
    megabytes: float


@dataclass(frozen=True)
class Entry:
    """One file of the image's root file system."""

    path: PurePosixPath
    mode: int
    owner: int
    kind: str
    """`file`, `directory`, `link` or `other`."""
    digest: str
    head: bytes
    """The first bytes, enough to know an ELF file by."""
    has_private_key: bool


def try_image(
    trials: Trials, client: docker.DockerClient, name: str, expected: Expected, run_id: str
) -> None:
    """Look at the image's configuration, its history, its layers and every file in it."""
    image = client.images.get(name)
    config: dict[str, Any] = image.attrs["Config"]
    _try_configuration(trials, client, image, expected)
    _try_history(trials, image, config)
    files = list(_files(client, image, run_id))
    _try_files(trials, files, image.attrs["Architecture"], config)
    with trials.check("image: no layer hides what one below it holds"):
        hidden = list(_whiteouts(image))
        expect(
            not hidden,
            f"expected nothing to be removed by a later layer (it stays in the image), got {hidden[:10]}",
        )


def _try_configuration(trials: Trials, client: docker.DockerClient, image: Image, expected: Expected) -> None:
    config: Mapping[str, Any] = image.attrs["Config"]
    with trials.check(f"image: at most {expected.megabytes:g} MB"):
        size = image.attrs["Size"] / 1e6
        expect(size <= expected.megabytes, f"{size:.2f} MB")
    with trials.check("image: runs as 65532:65532"):
        expect_same("USER", "65532:65532", config["User"])
    with trials.check("image: labels of the OCI specification"):
        labels = config["Labels"] or {}
        missing = [label for label in LABELS if not labels.get(f"org.opencontainers.image.{label}")]
        expect(not missing, f"expected a value for each, missing or empty are {missing}")
        told = labels["org.opencontainers.image.title"], labels["org.opencontainers.image.licenses"]
        expect(told == (expected.title, expected.licence), f"title and licenses are {told}")
    with trials.check("image: starts without a shell, and knows how to ask for its health"):
        expect(bool(config["Entrypoint"]), "expected an ENTRYPOINT, got none")
        health = (config.get("Healthcheck") or {}).get("Test") or ["nothing"]
        expect(
            config["Entrypoint"][0] not in ("/bin/sh", "sh"),
            f"expected an ENTRYPOINT without a shell, got {config['Entrypoint']}",
        )
        expect(health[0] == "CMD", f"expected a HEALTHCHECK without a shell, got {health}")
    with trials.check("image: declares its ports"):
        declared = {int(port.partition("/")[0]) for port in config.get("ExposedPorts") or {}}
        expect(declared == expected.ports, f"EXPOSE {sorted(declared)}")
    with trials.check("image: of the engine's architecture"):
        machine = client.version()["Arch"]
        seen = (image.attrs["Os"], image.attrs["Architecture"])
        expect_same("system and architecture", ("linux", machine), seen)


def _try_history(trials: Trials, image: Image, config: Mapping[str, Any]) -> None:
    with trials.check("image: no secret in its history or environment"):
        steps = (str(step["CreatedBy"]) for step in image.history())
        told = [*(_SECRET_MOUNT.sub("", step) for step in steps), *(config["Env"] or [])]
        suspicious = [text for text in told if _SECRET.search(text)]
        expect(not suspicious, f"expected nothing that looks like a secret, got {suspicious[:5]}")


def _try_files(trials: Trials, files: list[Entry], architecture: str, config: Mapping[str, Any]) -> None:
    with trials.check("image: no shell and no installer"):
        _none(
            entry.path for entry in files if entry.path.name in _SHELLS | _INSTALLERS and _is_program(entry)
        )
    with trials.check("image: no file runs as another user (setuid, setgid)"):
        _none(e.path for e in files if e.mode & (stat.S_ISUID | stat.S_ISGID) and e.kind == "file")
    with trials.check("image: nothing but temporary directories is writable for everyone"):
        _none(
            entry.path
            for entry in files
            if entry.mode & stat.S_IWOTH and entry.kind != "link" and not entry.mode & stat.S_ISVTX
        )
    with trials.check("image: the program belongs to root and can't be changed"):
        program = _program(files, config)
        expect(program.owner == 0, f"expected root to own {program.path}, got {program.owner}")
        expect(
            not program.mode & 0o222,
            f"expected {program.path} to be writable for nobody, got mode {program.mode:04o}",
        )
    with trials.check(f"image: the program is for {architecture}"):
        program = _program(files, config)
        machine = int.from_bytes(program.head[18:20], "little")
        expect(
            program.head.startswith(b"\x7fELF"),
            f"expected {program.path} to be an ELF file, it begins with {program.head[:4]!r}",
        )
        expect_same(f"e_machine of {program.path}", MACHINES.get(architecture), machine)
    with trials.check("image: no private key, and no certificates of the machine that built it"):
        _none(entry.path for entry in files if entry.has_private_key)
        bundle = additional_bundle()
        mark = hashlib.sha256(bundle.read_bytes()).hexdigest() if bundle else ""
        _none(entry.path for entry in files if entry.digest == mark)


def _none(paths: Iterable[PurePosixPath]) -> None:
    found = [str(path) for path in paths]
    expect(not found, f"expected none, got {found[:10]}")


def _is_program(entry: Entry) -> bool:
    return entry.kind == "link" or (entry.kind == "file" and bool(entry.mode & 0o111))


def _program(files: list[Entry], config: Mapping[str, Any]) -> Entry:
    """The file that ENTRYPOINT names."""
    path = PurePosixPath(config["Entrypoint"][0])
    found = [entry for entry in files if PurePosixPath("/") / entry.path == path]
    expect(bool(found), f"expected the file that ENTRYPOINT names, {path} is not there")
    return found[0]


def _files(client: docker.DockerClient, image: Image, run_id: str) -> Iterator[Entry]:
    """Every file of a container of the image that was never started, by way of `docker export`."""
    container = client.containers.create(image, labels={"bedplate.run": run_id})
    try:
        with (
            _spooled(cast(Iterable[bytes], container.export())) as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                yield _entry(member, content.read() if content else b"")
    finally:
        container.remove(force=True, v=True)


def _entry(member: tarfile.TarInfo, content: bytes) -> Entry:
    kind = "file" if member.isreg() else "directory" if member.isdir() else "other"
    return Entry(
        path=PurePosixPath(member.name),
        mode=member.mode,
        owner=member.uid,
        kind="link" if member.issym() or member.islnk() else kind,
        digest=hashlib.sha256(content).hexdigest() if content else "",
        head=content[:64],
        has_private_key=len(content) < _SMALL and _PRIVATE_KEY in content,
    )


def _whiteouts(image: Image) -> Iterator[str]:
    """Paths that a layer removes from those below, by way of `docker save` (an OCI layout)."""
    with _spooled(image.save()) as stream, tarfile.open(fileobj=stream) as archive:
        for member in archive:
            layer = archive.extractfile(member) if member.isreg() else None
            if layer and _is_archive(layer):
                with tarfile.open(fileobj=layer) as entries:
                    names = (PurePosixPath(entry.name) for entry in entries)
                    yield from (str(name) for name in names if name.name.startswith(_WHITEOUT))


def _is_archive(content: IO[bytes]) -> bool:
    try:
        return tarfile.is_tarfile(content)
    finally:
        content.seek(0)


def _spooled(chunks: Iterable[bytes]) -> IO[bytes]:
    """A stream of the engine as a file: in memory when small, on disk otherwise."""
    spool = tempfile.SpooledTemporaryFile(max_size=64 << 20)  # noqa: SIM115
    for chunk in chunks:
        spool.write(chunk)
    spool.seek(0)
    return cast(IO[bytes], spool)
