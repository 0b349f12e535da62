"""An emitted project on disk: how it gets there in one step, and what it records about itself."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import rmtree, which
from typing import Any, Final

import yaml

from bedplate.errors import BadInput, MissingTool, Refused, shown

ANSWERS_FILE: Final = ".copier-answers.yml"
BUNDLE: Final = Path(__file__).with_name("template.bundle")
"""The template that comes with an installation; a checkout has none."""
BUNDLED: Final = "bedplate"
"""What projects record as their source then, in place of a path on the machine where they were made."""


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

    def obstacle(self, path: PurePosixPath, *, directory: bool = False) -> str | None:
        """What keeps a file, or a directory, from being put at a path: that, or a part above it.

        It is a file or a link where a directory has to be, or a directory where a file has to be.
        """
        for part in (*reversed(path.parents[:-1]), path):
            here = self.root / part
            if here.is_symlink() or here.exists():
                is_directory = here.is_dir() and not here.is_symlink()
                if is_directory != (directory or part != path):
                    return part.as_posix()
        return None

    def answers(self) -> dict[str, Any]:
        """The recorded answers; keys with an underscore are copier's own.

        Raises:
            BadInput: when the directory was not made from a template, or the record of it is damaged.
        """
        record = self.root / ANSWERS_FILE
        try:
            answers = yaml.safe_load(record.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadInput(f"{self.root}: not an emitted project: {ANSWERS_FILE} can't be read") from error
        except UnicodeDecodeError as error:
            raise BadInput(f"{record}: can't be read: not UTF-8 text") from error
        except yaml.YAMLError as error:
            raise BadInput(f"{record}: not YAML: {shown(' '.join(str(error).split()), 250)}") from error
        if not isinstance(answers, dict):
            raise BadInput(f"{record}: not a mapping of answers")
        return answers

    def start_repository(self) -> None:
        """Make the project a git repository with everything staged; the first commit is the user's."""
        if which("git") is None:
            raise MissingTool("--git: git is not installed")
        for command in (["git", "init", "--quiet"], ["git", "add", "--all"]):
            subprocess.run(command, cwd=self.root, check=True, capture_output=True)


def tree(files: Iterable[File]) -> Iterator[str]:
    """Draw files under their directories, one line each, with sizes in bytes."""
    drawn: set[PurePosixPath] = set()
    for file in files:
        path = PurePosixPath(file.path)
        for parent in reversed(path.parents[:-1]):
            if parent not in drawn:
                drawn.add(parent)
                yield f"{'  ' * len(parent.parts)}{parent.name}/"
        indented = f"{'  ' * len(path.parts)}{path.name}"
        yield f"{indented:<60} {file.size:>9,}"


def check_free(destination: Path) -> None:
    """Raise `Refused` unless a project can be put at `destination`: nothing there, or an empty directory."""
    try:
        if destination.is_dir():
            if any(destination.iterdir()):
                raise Refused(f"{destination}: the directory is not empty")
        elif destination.exists() or destination.is_symlink():
            raise Refused(f"{destination}: a file of that name is in the way")
        nearest = next((parent for parent in destination.parents if parent.exists()), None)
    except OSError as error:
        raise Refused(f"{destination}: {error.strerror}") from error
    if nearest is not None and not nearest.is_dir():
        raise Refused(f"{destination}: {nearest} is not a directory")


@contextmanager
def staging(destination: Path) -> Iterator[Path]:
    """A place to build a project on the file system of its destination, removed whatever happens.

    It is beside the destination, or inside it when that is an (empty) directory already. Directories
    above the destination that had to be made are removed again unless they were put to use.
    """
    workplace = (destination if destination.is_dir() else destination.parent).absolute()
    made = [directory for directory in (workplace, *workplace.parents) if not directory.exists()]
    try:
        workplace.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=".bedplate-", dir=workplace))
    except OSError as error:
        raise Refused(f"{workplace}: {error.strerror}") from error
    try:
        yield directory / "project"
    finally:
        rmtree(directory)
        for parent in made:
            if not any(parent.iterdir()):
                parent.rmdir()


def publish(staged: Path, destination: Path) -> Project:
    """Move a finished project to its place; raises `Refused` when the place was taken meanwhile.

    One rename where nothing is there yet. A directory that is there stays the directory that it is,
    since it may be mounted or some shell's working directory: then its content is moved, or none of it.
    """
    try:
        if destination.is_dir():
            if set(destination.iterdir()) - {destination / staged.parent.name}:
                raise Refused(f"{destination}: the directory is not empty any more")
            _fill(destination, staged)
        else:
            staged.rename(destination)
    except OSError as error:
        raise Refused(f"{destination}: {error.strerror}") from error
    return Project(destination)


def _fill(destination: Path, staged: Path) -> None:
    moved: list[str] = []
    try:
        for entry in sorted(staged.iterdir()):
            entry.rename(destination / entry.name)
            moved.append(entry.name)
    except BaseException:
        for name in moved:
            (destination / name).rename(staged / name)
        raise
