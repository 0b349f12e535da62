"""An emitted project on disk: how it gets there in one step, and what it records about itself."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree, which
from typing import Any

import yaml

from bedplate.errors import BadInput, MissingTool, Refused

ANSWERS_FILE = ".copier-answers.yml"


@dataclass(frozen=True)
class File:
    """One file of a project, its path relative to the root in POSIX form and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Project:
    """A directory that holds an emitted project."""

    root: Path

    def files(self) -> tuple[File, ...]:
        """All files but git's, sorted by path."""
        found = (path for path in self.root.rglob("*") if path.is_file() or path.is_symlink())
        files = (File(path.relative_to(self.root).as_posix(), path.lstat().st_size) for path in found)
        return tuple(
            sorted((file for file in files if not file.path.startswith(".git/")), key=lambda f: f.path)
        )

    def answers(self) -> dict[str, Any]:
        """The recorded answers; keys with an underscore are copier's own.

        Raises:
            BadInput: when the directory was not made from a template.
        """
        record = self.root / ANSWERS_FILE
        try:
            answers = yaml.safe_load(record.read_bytes())
        except (OSError, yaml.YAMLError) as error:
            raise BadInput(f"{self.root}: not an emitted project: {ANSWERS_FILE} can't be read") from error
        if not isinstance(answers, dict):
            raise BadInput(f"{record}: not a mapping of answers")
        return answers

    def start_repository(self) -> None:
        """Make the project a git repository with everything staged; the first commit is the user's."""
        if which("git") is None:
            raise MissingTool("--git: git is not installed")
        for command in (["git", "init", "--quiet"], ["git", "add", "--all"]):
            subprocess.run(command, cwd=self.root, check=True, capture_output=True)


def check_free(destination: Path) -> None:
    """Raise `Refused` unless a project can be put at `destination`: nothing there, or an empty directory."""
    if destination.is_dir():
        if any(destination.iterdir()):
            raise Refused(f"{destination}: the directory is not empty")
    elif destination.exists() or destination.is_symlink():
        raise Refused(f"{destination}: a file of that name is in the way")
    for parent in destination.parents:
        if parent.exists():
            if not parent.is_dir():
                raise Refused(f"{destination}: {parent} is not a directory")
            return


@contextmanager
def staging(beside: Path) -> Iterator[Path]:
    """A directory on the file system of `beside` to build a project in, removed whatever happens.

    Directories above `beside` that had to be made are removed again unless they were put to use.
    """
    made = [parent for parent in beside.parents if not parent.exists()]
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bedplate-", dir=beside.parent) as directory:
            yield Path(directory) / "project"
    except OSError as error:
        raise Refused(f"{beside.parent}: {error.strerror or error}") from error
    finally:
        for parent in made:
            _remove_if_empty(parent)


def publish(staged: Path, destination: Path) -> Project:
    """Move a finished project to its place in one rename; `Refused` when the place was taken meanwhile."""
    try:
        staged.replace(destination)
    except OSError as error:
        raise Refused(f"{destination}: {error.strerror}") from error
    return Project(destination)


def _remove_if_empty(directory: Path) -> None:
    if directory.is_dir() and not any(directory.iterdir()):
        rmtree(directory)
