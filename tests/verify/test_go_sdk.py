"""The Go distribution, got from a module proxy on this disk."""

from __future__ import annotations

import base64
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from bedplate.errors import MissingTool
from bedplate.verify import gosdk

VERSION, PLATFORM = "1.26.99", "linux-amd64"
PREFIX = f"golang.org/toolchain@v0.0.1-go{VERSION}.{PLATFORM}/"
MEMBERS = {
    "VERSION": "go1.26.99\n",
    "bin/go": "#!/bin/sh\necho go\n",
    "bin/gofmt": "#!/bin/sh\n",
    "lib/wasm/go_js_wasm_exec": "#!/bin/sh\n",
    "lib/time/zoneinfo.zip": "zones\n",
    "pkg/tool/linux_amd64/compile": "#!/bin/sh\n",
    "src/_go.mod": "module std\n",
    "src/cmd/_go.mod": "module cmd\n",
    "src/fmt/print.go": "package fmt\n",
}


def served(directory: Path, members: dict[str, str]) -> Path:
    """A module proxy in a directory that serves an archive of these members."""
    versions = directory / "golang.org" / "toolchain" / "@v"
    versions.mkdir(parents=True)
    with zipfile.ZipFile(versions / f"v0.0.1-go{VERSION}.{PLATFORM}.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return directory


def checksum_by_sha256sum(directory: Path, members: dict[str, str]) -> str:
    """The checksum as https://pkg.go.dev/golang.org/x/mod/sumdb/dirhash defines it, by coreutils."""
    for name, content in members.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    command = "find * -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"
    found = subprocess.run(command, shell=True, cwd=directory, capture_output=True, text=True, check=True)  # noqa: S602
    return "h1:" + base64.b64encode(bytes.fromhex(found.stdout.split()[0])).decode()


@pytest.fixture
def archive_members() -> dict[str, str]:
    return {PREFIX + name: content for name, content in MEMBERS.items()}


@pytest.fixture
def checksum(tmp_path: Path, archive_members: dict[str, str]) -> str:
    reference = tmp_path / "reference"
    reference.mkdir()
    return checksum_by_sha256sum(reference, archive_members)


@pytest.fixture
def proxy(tmp_path: Path, archive_members: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = served(tmp_path / "proxy", archive_members)
    monkeypatch.setenv("GOPROXY", f"file://{directory}")
    return directory


@pytest.mark.usefixtures("proxy")
def test_unpacks_a_distribution_whose_programs_run(tmp_path: Path, checksum: str) -> None:
    sdk = tmp_path / "sdk"
    gosdk.fetch(VERSION, PLATFORM, checksum, sdk)
    said = subprocess.run([sdk / "bin" / "go"], capture_output=True, text=True, check=True)
    assert said.stdout == "go\n"
    programs = {
        str(path.relative_to(sdk)) for path in sdk.rglob("*") if path.is_file() and os.access(path, 1)
    }
    assert programs == {
        "bin/go",
        "bin/gofmt",
        "lib/wasm/go_js_wasm_exec",
        "pkg/tool/linux_amd64/compile",
    }


@pytest.mark.usefixtures("proxy")
def test_restores_nested_module_files(tmp_path: Path, checksum: str) -> None:
    sdk = tmp_path / "sdk"
    gosdk.fetch(VERSION, PLATFORM, checksum, sdk)
    assert (sdk / "src" / "go.mod").read_text() == "module std\n"
    assert (sdk / "src" / "cmd" / "go.mod").read_text() == "module cmd\n"
    assert not list(sdk.rglob("_go.mod"))


@pytest.mark.usefixtures("proxy")
def test_refuses_an_archive_with_another_checksum(tmp_path: Path) -> None:
    sdk = tmp_path / "sdk"
    with pytest.raises(MissingTool, match=r"checksum h1:\S+ instead of h1:other= in questions/versions\.yml"):
        gosdk.fetch(VERSION, PLATFORM, "h1:other=", sdk)
    assert not sdk.exists()


@pytest.mark.parametrize("name", ["elsewhere/x", PREFIX + "../../x"])
def test_refuses_members_outside_of_the_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    proxy = served(tmp_path / "a" / "proxy", {name: "x"})
    monkeypatch.setenv("GOPROXY", f"file://{proxy}")
    with zipfile.ZipFile(next(proxy.rglob("*.zip"))) as archive:
        checksum = gosdk.module_checksum(archive)
    with pytest.raises(MissingTool, match="outside of"):
        gosdk.fetch(VERSION, PLATFORM, checksum, tmp_path / "b" / "c" / "sdk")
    assert not list(tmp_path.rglob("x"))


def test_asks_the_next_proxy_when_one_does_not_serve_it(
    tmp_path: Path, proxy: Path, checksum: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path}/none|file://{proxy},direct")
    gosdk.fetch(VERSION, PLATFORM, checksum, tmp_path / "sdk")
    assert (tmp_path / "sdk" / "VERSION").is_file()


def test_names_every_proxy_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path}/one,file://{tmp_path}/two")
    with pytest.raises(MissingTool) as failed:
        gosdk.fetch(VERSION, PLATFORM, "h1:any=", tmp_path / "sdk")
    assert "/one/" in failed.value.messages[0]
    assert "/two/" in failed.value.messages[1]


def test_says_so_when_no_proxy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", "off")
    with pytest.raises(MissingTool, match="GOPROXY=off: names no proxy"):
        gosdk.fetch(VERSION, PLATFORM, "h1:any=", tmp_path / "sdk")
