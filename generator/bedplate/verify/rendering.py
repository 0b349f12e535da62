"""Level render: emit a row, hold it against the invariants, emit it again, update it to where it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any, Final

from bedplate.errors import BadInput, BedplateError
from bedplate.project import ANSWERS_FILE, Project
from bedplate.questionnaire import Questionnaire
from bedplate.render import checkout, render
from bedplate.verify.client import execute
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.invariants import Tree, examine, verdict
from bedplate.verify.rows import Row, settled

_GIT: Final = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "bedplate",
    "GIT_AUTHOR_EMAIL": "bedplate@localhost",
    "GIT_COMMITTER_NAME": "bedplate",
    "GIT_COMMITTER_EMAIL": "bedplate@localhost",
}
_WITHIN: Final = 120.0
"""Seconds for one command of git or copier; each takes about one."""


@dataclass(frozen=True)
class Snapshot:
    """The template as it was when the run began, committed to a repository of its own.

    So a run sees one template even while someone works on it, and a project can be updated from it.
    """

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
        source = origin or checkout()
        if source is None:
            raise BadInput("rows are emitted from a checkout of bedplate; --project PATH needs none")
        source, root = source.resolve(), directory / "template"
        copy_project(source, root)
        questionnaire = Questionnaire.load(root)
        _git(root, "init", "--quiet")
        _git(root, "add", "--all", "--force")
        _git(root, "commit", "--quiet", "--no-verify", "--message=As it is")
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
        """Files of the templates that none of these rows emits."""
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


@dataclass(frozen=True)
class Emission:
    """A row that was emitted: where, with all its answers, and what level render found out."""

    row: Row
    root: Path
    values: Mapping[str, Any]
    findings: Findings


def emit(snapshot: Snapshot, row: Row, directory: Path) -> Emission:
    """Emit a row below `directory` and work off level render.

    Raises:
        BadInput: when the answers of the row can't stand together.
    """
    values = settled(snapshot.questionnaire, row)
    project = directory / str(values["project_name"])
    started = time.monotonic()
    try:
        _render(snapshot, values, project)
    except BedplateError as error:
        failed = Check("render", Status.FAILED, str(error), time.monotonic() - started)
        return Emission(row, project, values, Findings((failed,)))
    rendered = Findings((Check("render", Status.PASSED, seconds=time.monotonic() - started),))
    tree = replace(
        Tree.read(project, str(values["template"])),
        expected=frozenset(snapshot.sources(values).values()),
        names=frozenset(snapshot.questionnaire.questions),
        machine_paths=_places(snapshot, directory),
    )
    repeated = Findings(
        (_same_bytes(snapshot, values, project, directory), _no_op_update(project, directory))
    )
    return Emission(row, project, values, rendered + examine(tree) + repeated)


def copy_project(source: Path, destination: Path) -> None:
    """Copy a directory: of a git repository what git would commit, else everything."""
    listed = execute(
        ("git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        timeout=_WITHIN,
    )
    if listed.returncode != 0:
        shutil.copytree(source, destination, symlinks=True)
        return
    destination.mkdir(parents=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (source / name).is_file() or (source / name).is_symlink():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, destination / name, follow_symlinks=False)


def _render(snapshot: Snapshot, values: Mapping[str, Any], destination: Path) -> None:
    """Every answer is given, so that no personal default of copier's settings gets in."""
    given = {
        name: values[name] for name in snapshot.questionnaire.evaluate(values_given(snapshot, values)).asked
    }
    render(given, destination, source=snapshot.root, ref="HEAD")


def values_given(snapshot: Snapshot, values: Mapping[str, Any]) -> dict[str, Any]:
    """The answers among all values: what can be given, without what is computed."""
    return {
        name: value for name, value in values.items() if not snapshot.questionnaire.questions[name].computed
    }


def _same_bytes(snapshot: Snapshot, values: Mapping[str, Any], project: Path, directory: Path) -> Check:
    started = time.monotonic()
    again = directory / "again" / project.name
    _render(snapshot, values, again)
    first, second = _contents(project), _contents(again)
    differing = (path for path in sorted(first.keys() | second.keys()) if first.get(path) != second.get(path))
    return verdict("same answers, same bytes", differing, time.monotonic() - started)


def _contents(root: Path) -> dict[str, tuple[bytes, bool]]:
    return {file.path: (file.content, file.executable) for file in Tree.read(root, "").files}


def _no_op_update(project: Path, directory: Path) -> Check:
    """Commit the project as a user would, and update it to the template that it came from."""
    started = time.monotonic()
    copy = directory / "update" / project.name
    shutil.copytree(project, copy)
    Project(copy).start_repository()
    _git(copy, "commit", "--quiet", "--no-verify", "--message=Start")
    update = (
        sys.executable,
        "-m",
        "copier",
        "update",
        "--quiet",
        "--defaults",
        "--vcs-ref",
        "HEAD",
        str(copy),
    )
    updated = execute(update, timeout=_WITHIN, environment=os.environ | _GIT)
    if updated.returncode != 0:
        complaints = updated.stderr.strip().splitlines()[-1:]
    else:
        complaints = _git(copy, "status", "--porcelain").splitlines()
    return verdict("an update to the same template is empty", complaints, time.monotonic() - started)


def _places(snapshot: Snapshot, directory: Path) -> tuple[str, ...]:
    places = {str(snapshot.root), str(snapshot.origin), str(directory)}
    home = Path.home()
    # A build stage may well name root's home directory: it is the same on every machine.
    return tuple(sorted(places | ({str(home)} if home != Path("/root") else set())))


def _state(repository: Path) -> tuple[str | None, bool]:
    """The commit of a repository and whether there is more in its working tree; nothing outside git."""
    if not (repository / ".git").exists():
        return None, False
    try:
        return _git(repository, "rev-parse", "HEAD").strip(), bool(_git(repository, "status", "--porcelain"))
    except subprocess.CalledProcessError:
        return None, False


def _git(directory: Path, *arguments: str) -> str:
    finished = execute(
        ("git", "-C", str(directory), *arguments), timeout=_WITHIN, environment=os.environ | _GIT
    )
    if finished.returncode != 0:
        raise subprocess.CalledProcessError(finished.returncode, ["git", *arguments], stderr=finished.stderr)
    return finished.stdout
