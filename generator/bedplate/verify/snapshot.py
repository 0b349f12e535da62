"""The template as it was when a run began, so that nobody's work on it changes what is verified."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from bedplate.errors import BadInput
from bedplate.project import ANSWERS_FILE
from bedplate.questionnaire import Questionnaire
from bedplate.render import checkout
from bedplate.verify.client import execute

GIT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_AUTHOR_NAME": "bedplate",
        "GIT_AUTHOR_EMAIL": "bedplate@localhost",
        "GIT_COMMITTER_NAME": "bedplate",
        "GIT_COMMITTER_EMAIL": "bedplate@localhost",
    }
)
"""What makes git do the same for everyone."""
_WITHIN: Final = 120.0
"""Seconds for one command of git; each takes less than one."""


@dataclass(frozen=True)
class Snapshot:
    """A copy of a template, committed to a repository of its own, from which projects can be updated."""

    root: Path
    origin: Path
    questionnaire: Questionnaire
    commit: str | None = None
    modified: bool = False

    @classmethod
    def take(cls, origin: Path | None, directory: Path) -> Snapshot:
        """Copy the template in `origin`, this checkout by default, with what is not committed yet.

        Raises:
            BadInput: when there is no template.
        """
        source, root = origin_of(origin), directory / "template"
        Questionnaire.load(source)  # whatever is wrong with it is told by the paths of the original
        copy_project(source, root)
        questionnaire = Questionnaire.load(root)
        git(root, "init", "--quiet")
        git(root, "add", "--all", "--force")
        git(root, "commit", "--quiet", "--no-verify", "--message=As it is")
        git(root, "repack", "-a", "-d", "--quiet")  # each project is made from a clone: of one file then
        return cls(root, source, questionnaire, *_state(source))

    def sources(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Files of the template that the answers choose, each with the path that it is emitted to."""
        directory = self.root / "templates" / str(values["template"])
        context = {**values, "_copier_conf": {"answers_file": ANSWERS_FILE}}
        emitted = {}
        for path in sorted(directory.rglob("*")):
            relative = path.relative_to(directory).as_posix()
            if path.is_file() and not self._excluded(relative):
                rendered = self.questionnaire.template(relative).render(context)
                if all(rendered.removesuffix(".jinja").split("/")):
                    emitted[path.relative_to(self.root).as_posix()] = rendered.removesuffix(".jinja")
        return emitted

    def unused(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """Files of the templates that none of these rows emits; raises Jinja's errors for their paths."""
        used = {source for values in rows for source in self.sources(values)}
        for path in sorted((self.root / "templates").glob("[!_]*/**/*")):
            name = path.relative_to(self.root).as_posix()
            inside = PurePosixPath(*PurePosixPath(name).parts[2:]).as_posix()
            if path.is_file() and name not in used and not self._excluded(inside):
                yield name

    def _excluded(self, relative: str) -> bool:
        patterns = self.questionnaire.settings.get("exclude", ())
        parts = PurePosixPath(relative).parts
        return any(
            fnmatch(parts[0], pattern[1:])
            if pattern.startswith("/")
            else any(fnmatch(p, pattern) for p in parts)
            for pattern in patterns
        )


def origin_of(named: Path | None) -> Path:
    """The template that is verified: the one that is named, or else this checkout.

    Raises:
        BadInput: when there is none.
    """
    source = named or checkout()
    if source is None:
        raise BadInput("rows are emitted from a checkout of bedplate; --project PATH needs none")
    return source.resolve()


def copy_project(source: Path, destination: Path) -> None:
    """Copy a directory: of a git repository what git would commit, else everything."""
    listed = execute(
        ("git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        timeout=_WITHIN,
    )
    if listed.returncode != 0 or not listed.stdout:  # no repository, or one that ignores the directory
        shutil.copytree(source, destination, symlinks=True)
        return
    destination.mkdir(parents=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (source / name).is_file() or (source / name).is_symlink():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, destination / name, follow_symlinks=False)


def git(directory: Path, *arguments: str) -> str:
    """Run one command of git and return what it prints; `CalledProcessError` when it fails."""
    finished = execute(
        ("git", "-C", str(directory), *arguments), timeout=_WITHIN, environment=os.environ | GIT
    )
    if finished.returncode != 0:
        raise subprocess.CalledProcessError(finished.returncode, ["git", *arguments], stderr=finished.stderr)
    return finished.stdout


def _state(repository: Path) -> tuple[str | None, bool]:
    """The commit of a repository and whether there is more in its working tree; nothing outside git."""
    if not (repository / ".git").exists():
        return None, False
    try:
        return git(repository, "rev-parse", "HEAD").strip(), bool(git(repository, "status", "--porcelain"))
    except subprocess.CalledProcessError:
        return None, False
