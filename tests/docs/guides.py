"""Pages of docs/ as their readers use them: commands pasted into a terminal, in a checkout of Bedplate."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from shell import ROOT, Cli


def blocks(page: str, language: str) -> list[str]:
    """What stands between fences of a language on a page of docs/."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def follow(reader: Cli, script: str) -> str:
    """Run commands in one shell, up to the first that fails, and return what they print."""
    finished = reader.run("sh", "-euxc", script)
    assert finished.returncode == 0, f"{finished.stdout[-4000:]}\n{finished.stderr[-4000:]}"
    return finished.stdout


def checkout(place: Path, template_tree: Path, environment: dict[str, str]) -> Cli:
    """A reader with a checkout in `place`, whose tools are those of these tests."""
    directory = place / "bedplate"
    shutil.copytree(template_tree, directory)
    for part in ("Makefile", "README.md", "LICENSE", "pyproject.toml"):
        shutil.copy2(ROOT / part, directory)
    for part in ("ci", "examples", "generator"):
        shutil.copytree(ROOT / part, directory / part)
    tools = Path(sys.executable).parent
    # The virtual environment of these tests stands in for the one that make would make.
    (directory / ".venv").symlink_to(tools.parent)
    made = {"MAKEFLAGS": "PACKAGE=", "PATH": f"{tools}:{environment['PATH']}"}
    return Cli(directory, environment | made | {"PYTHONPATH": str(directory / "generator")}, within=1800)


def committed(reader: Cli) -> Cli:
    """The same reader, whose checkout is a git repository on the branch main, with nothing to commit."""
    shutil.copy2(ROOT / ".gitignore", reader.directory)
    reader.git("init", "--quiet", "--initial-branch=main")
    reader.git("add", "--all")
    reader.git("commit", "--quiet", "--message=One")
    return reader
