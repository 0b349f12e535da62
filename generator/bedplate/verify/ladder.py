"""The rungs of level update: earlier states of the template, and what users did to projects from them.

Both are data of the template's repository. The rungs are commits, so that no tag is needed: they are
tagged in a clone, below the template as it is now.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bedplate.errors import BadInput
from bedplate.project import Project
from bedplate.verify.snapshot import Snapshot, git

LADDER: Final = Path("tests/update/ladder.yml")
"""Where in a template's repository the rungs are named."""
_CATALOGUE: Final = "questions/domains.yml"


@dataclass(frozen=True)
class Rung:
    """A commit that projects are updated from, with the tag that it has in the clone."""

    commit: str
    title: str
    tag: str
    templates: Mapping[str, str]
    """The template of each domain that there was."""


@dataclass(frozen=True)
class Change:
    """An edit of a file that the template owns."""

    file: str
    search: str
    replace: str


@dataclass(frozen=True)
class Answer:
    """An answer that changes with the update, and a text by which a file of the project shows it."""

    name: str
    before: str
    after: str
    file: str
    shows: str


@dataclass(frozen=True)
class Work:
    """What a user did to a project: files edited, added with their content, and removed."""

    changed: tuple[Change, ...]
    added: Mapping[str, str]
    removed: tuple[str, ...]

    @property
    def files(self) -> frozenset[str]:
        """All paths that the user had a hand in."""
        return frozenset({*(change.file for change in self.changed), *self.added, *self.removed})

    def apply(self, project: Path) -> None:
        """Do it.

        Raises:
            BadInput: when the project is not as the ladder expects it.
        """
        for change in self.changed:
            path = project / change.file
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            if text.count(change.search) != 1:
                raise BadInput(f"{LADDER}: {change.search!r} is not exactly once in {change.file}")
            path.write_text(text.replace(change.search, change.replace), encoding="utf-8")
        for name, content in self.added.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(content, encoding="utf-8")
        for name in self.removed:
            if not (project / name).is_file():
                raise BadInput(f"{LADDER}: there is no {name} to remove")
            (project / name).unlink()

    def lost(self, project: Path) -> Iterator[str]:
        """What of it is not in a project any more."""
        files = {file.path for file in Project(project).files()}
        for change in self.changed:
            if change.file not in files or change.replace not in (project / change.file).read_text():
                yield f"{change.file}: the edit is lost"
        for name, content in self.added.items():
            if name not in files or (project / name).read_text() != content:
                yield f"{name}: not as it was added"
        yield from (f"{name}: is there again" for name in self.removed if name in files)


@dataclass(frozen=True)
class Ladder:
    """A clone of the template in which each rung has a tag, and the working tree the last one."""

    root: Path
    top: str
    rungs: tuple[Rung, ...]
    work: Mapping[str, Work]
    answer: Answer

    @classmethod
    def take(cls, snapshot: Snapshot, directory: Path) -> Ladder:
        """Clone the template that a snapshot was taken of, and tag the clone.

        Raises:
            BadInput: when the template has no ladder, its history does not reach to the first rung, or the
                ladder does not say what a user did to the projects of one of its templates.
        """
        origin, root = snapshot.origin, directory / "ladder" / "template"
        content = _read(origin / LADDER)
        _check_history(origin, [entry["commit"] for entry in content["rungs"]])
        git(origin, "clone", "--quiet", "--no-checkout", "--no-tags", str(origin), str(root))
        rungs = tuple(_tagged(root, number, entry) for number, entry in enumerate(content["rungs"], 1))
        top = f"v0.0.{len(rungs) + 1}"
        git(root, f"--work-tree={snapshot.root}", "add", "--all", "--force")
        git(root, "commit", "--quiet", "--no-verify", "--allow-empty", "--message=As it is")
        git(root, "tag", top)
        git(root, "checkout", "--quiet", "--force", "HEAD")
        work = {template: _work(entry) for template, entry in content["work"].items()}
        idle = {template for rung in rungs for template in rung.templates.values()} - work.keys()
        if idle:
            raise BadInput(f"{LADDER}: no work on projects of {', '.join(sorted(idle))}")
        return cls(root, top, rungs, work, Answer(**content["answer"]))

    def of(self, domain: str) -> Iterator[tuple[Rung, Work]]:
        """The rungs that had a domain, oldest first, each with what a user did to a project from it."""
        for rung in self.rungs:
            if domain in rung.templates:
                yield rung, self.work[rung.templates[domain]]


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        raise BadInput(f"level update: {path}: no such file; it names the commits to update from") from error


def _check_history(origin: Path, commits: list[str]) -> None:
    if not (origin / ".git").exists():
        raise BadInput(f"level update: {origin}: no git repository, so there is nothing to update from")
    for commit in commits:
        try:
            git(origin, "cat-file", "-e", f"{commit}^{{commit}}")
        except subprocess.CalledProcessError as error:
            raise BadInput(
                f"level update: {origin}: its history lacks commit {commit}; fetch it: git fetch --unshallow"
            ) from error


def _tagged(root: Path, number: int, entry: Mapping[str, str]) -> Rung:
    commit, tag = entry["commit"], f"v0.0.{number}"
    git(root, "tag", tag, commit)
    catalogue = yaml.safe_load(git(root, "show", f"{commit}:{_CATALOGUE}"))["domains"]["default"]
    templates = {domain: str(described["template"]) for domain, described in catalogue.items()}
    return Rung(commit, entry["title"], tag, templates)


def _work(entry: Mapping[str, Any]) -> Work:
    changed = tuple(Change(**change) for change in entry["changed"])
    return Work(changed, entry["added"], tuple(entry["removed"]))
