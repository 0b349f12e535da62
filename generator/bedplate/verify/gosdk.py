"""The Go distribution, from the module proxy, so that neither Go nor a download page is needed.

The Go project publishes each release there as the module golang.org/toolchain. Module archives carry no
permissions and no nested go.mod, so the go command puts both right after unpacking; so does this module
(cmd/go/internal/toolchain/select.go). The checksum is the `h1` of https://go.dev/ref/mod#go-sum-files.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO, Final

from bedplate.errors import MissingTool
from bedplate.verify.trust import tls_context

MODULE: Final = "golang.org/toolchain"
DEFAULT_PROXY: Final = "https://proxy.golang.org"
_SILENCE: Final = 60.0
"""Seconds without a byte after which a proxy counts as unreachable."""


def proxies(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The proxies that GOPROXY names, in order; `direct` and `off` serve no archives."""
    environment = os.environ if environment is None else environment
    named = re.split(r"[,|]", environment.get("GOPROXY") or DEFAULT_PROXY)
    return tuple(url.strip().rstrip("/") for url in named if url.strip() not in {"", "direct", "off"})


def fetch(version: str, platform: str, checksum: str, destination: Path) -> None:
    """Put the Go distribution `version` for `platform` (linux-amd64) into the new directory `destination`.

    Raises:
        MissingTool: when no proxy serves it, or what it serves has another checksum.
    """
    name = f"v0.0.1-go{version}.{platform}"
    with TemporaryFile() as archive:
        origin = _download(name, archive)
        with zipfile.ZipFile(archive) as opened:
            found = module_checksum(opened)
            if found != checksum:
                raise MissingTool(
                    f"{origin}: checksum {found} instead of {checksum} in questions/versions.yml"
                )
            unpack(opened, f"{MODULE}@{name}/", destination)


def module_checksum(archive: zipfile.ZipFile) -> str:
    """The `h1` checksum of a module archive."""
    summary = hashlib.sha256()
    for name in sorted(archive.namelist()):
        digest = hashlib.sha256(archive.read(name)).hexdigest()
        summary.update(f"{digest}  {name}\n".encode())
    return "h1:" + base64.b64encode(summary.digest()).decode()


def unpack(archive: zipfile.ZipFile, prefix: str, destination: Path) -> None:
    """Unpack the members below `prefix` as a distribution that works."""
    for name in archive.namelist():
        relative = PurePosixPath(name.removeprefix(prefix))
        if not name.startswith(prefix) or ".." in relative.parts:
            raise MissingTool(f"{MODULE}: the archive holds {name}, which is outside of {prefix}")
        target = destination / relative
        if relative.name == "_go.mod":
            target = target.with_name("go.mod")
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as member, target.open("wb") as file:
            shutil.copyfileobj(member, file)
        target.chmod(0o755 if _is_program(relative) else 0o644)


def _is_program(path: PurePosixPath) -> bool:
    tool = path.parts[0] == "bin" or path.parts[:2] == ("pkg", "tool")
    return tool or (path.parts[0] == "lib" and fnmatch(path.name, "go_?*_?*_exec"))


def _download(name: str, file: IO[bytes]) -> str:
    """Write the archive from the first proxy that has it to `file`; gives its address."""
    failures = []
    for proxy in proxies():
        address = f"{proxy}/{MODULE}/@v/{name}.zip"
        try:
            with urllib.request.urlopen(address, timeout=_SILENCE, context=tls_context()) as answer:  # noqa: S310
                shutil.copyfileobj(answer, file)
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            failures.append(f"{address}: {reason}")
            file.seek(0)
            file.truncate()
        else:
            return address
    raise MissingTool(*(failures or [f"GOPROXY={os.environ.get('GOPROXY')}: names no proxy to get Go from"]))
