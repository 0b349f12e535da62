"""The contenders as programs: built in copies of an emitted project, and what each consists of."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).resolve().parent
OURS = "telemetry"
MODULE = f"example.com/{OURS}"


@dataclass(frozen=True)
class Program:
    """A contender that is built: `modules` and `lines` are those of it that are not Go's own."""

    name: str
    binary: Path
    direct_modules: int
    modules: int
    own_lines: int
    lines: int

    @property
    def size(self) -> float:
        """Of the stripped program, in MB. The image is this on a base of 1.8 MB."""
        return self.binary.stat().st_size / 1e6


def build(name: str, modules: list[str], project: Path, place: Path) -> Program:
    """Build a contender in its own copy of the project, with what it requires."""
    tree = place / f"{name}-tree"
    shutil.copytree(project, tree)
    environment = os.environ | {"GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}

    def go(*arguments: str) -> str:
        command = ("go", *arguments)
        return subprocess.run(
            command, cwd=tree, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    if name != OURS:
        strip(tree, name)
        if modules:
            go("get", *modules)
        go("mod", "tidy")
    binary = place / name
    go("build", "-trimpath", "-ldflags", "-s -w", "-o", str(binary), f"./cmd/{name}")
    return described(
        name, binary, len(modules), go("list", "-deps", "-json=Module,Dir,GoFiles", f"./cmd/{name}")
    )


def strip(tree: Path, name: str) -> None:
    """Leave the readings and their store of an emitted project, and put a contender's program in."""
    for directory in [path for path in tree.iterdir() if path.is_dir() and path.name != "internal"]:
        shutil.rmtree(directory)
    shutil.copytree(PEERS / name, tree / "cmd" / name)
    for package in (tree / "internal").iterdir():
        if package.name != "reading":
            shutil.rmtree(package)
    for file in (tree / "internal" / "reading").rglob("*"):
        if file.is_file() and (file.name.endswith("_test.go") or f"{MODULE}/internal" in file.read_text()):
            file.unlink()
    (tree / "internal" / "peer").mkdir()
    shutil.copy2(PEERS / "peer.go", tree / "internal" / "peer")
    (tree / "go.sum").unlink()
    (tree / "go.mod").write_text(f"module {MODULE}\n\ngo 1.26.0\n")


def described(name: str, binary: Path, direct: int, listed: str) -> Program:
    """What a program consists of, by what `go list -deps` says of its packages."""
    lines: dict[str, int] = defaultdict(int)
    text = listed.strip()
    while text:
        package, end = json.JSONDecoder().raw_decode(text)
        text = text[end:].lstrip()
        if "Module" in package:
            files = [Path(package["Dir"]) / file for file in package["GoFiles"]]
            lines[package["Module"]["Path"]] += sum(len(file.read_bytes().splitlines()) for file in files)
    own = lines.pop(MODULE)
    return Program(name, binary, direct, len(lines), own, sum(lines.values()))
