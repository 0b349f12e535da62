"""A project and the template that it came from, later: an update, and what was changed since.

With `render` and `newcomer` the only module that calls copier, in the calling process.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from difflib import unified_diff
from io import StringIO
from pathlib import Path
from stat import S_IXUSR
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bedplate.answers import Collected, complaints
from bedplate.errors import BadInput
from bedplate.project import ANSWERS_FILE, BUNDLED, Project
from bedplate.questionnaire import Questionnaire
from bedplate.render import Source, notes, opened, told_plainly
from bedplate.repository import Repository

if TYPE_CHECKING:
    from copier._template import Template


@dataclass(frozen=True)
class Origin:
    """Where a project came from: the template's source and the commit of it, and the answers."""

    source: Source
    commit: str
    answers: Mapping[str, Any]

    @classmethod
    def of(cls, project: Path, source: str | None) -> Origin:
        """Read the record of a project; `source` is where its template is now, if that was moved.

        Raises:
            BadInput: when the directory is no emitted project, or its template had no version.
        """
        record = Project(project).answers()
        recorded, commit = record.get("_src_path"), record.get("_commit")
        if not (isinstance(recorded, str) and isinstance(commit, str)):
            raise BadInput(
                f"{project / ANSWERS_FILE}: names no version of a template; the project was made from a "
                "directory that is not in git, and can't be compared or updated"
            )
        answers = {name: value for name, value in record.items() if not name.startswith("_")}
        try:
            place = Source.resolve(source or (None if recorded == BUNDLED else recorded))
        except BadInput as error:
            if source or recorded == BUNDLED:
                raise
            raise BadInput(
                f"{recorded}: the template is not there any more; say where it is with --source REPO"
            ) from error
        return cls(Source(place.location), commit, answers)


@dataclass(frozen=True)
class Updated:
    """What an update did: the versions of the template, files with `A`, `D` or `M`, those in conflict."""

    before: str
    after: str
    changes: tuple[tuple[str, str], ...]
    conflicts: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Drift:
    """The files of a project by what became of them since the template gave them; paths in the project.

    `changed` and `removed` are the template's to change with an update. `kept` are those that it gives
    once and leaves alone then, when they were changed; `own` were never in it.
    """

    version: str
    same: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    own: tuple[str, ...]
    diff: str


def update(repository: Repository, origin: Origin, ref: str | None, given: Collected) -> Updated:
    """Bring a clean project to another version of its template, merging what its users changed.

    `ref` is a branch, tag or commit; without one the latest release. New questions take their defaults.

    Raises:
        BadInput: when the template or its version is not there, or an answer can't stand.
    """
    from copier._template import Template

    from bedplate.newcomer import Recorder

    source = Source(origin.source.location, ref)
    with (
        told_plainly(source),
        warnings.catch_warnings(record=True) as caught,
        redirect_stderr(StringIO()),
        Recorder(
            src_path=source.location,
            dst_path=repository.project,
            data=given.values,
            vcs_ref=ref,
            defaults=True,
            overwrite=True,
            quiet=True,
        ) as worker,
    ):
        warnings.simplefilter("always")
        _check(given, origin, Questionnaire.load(worker.template.local_abspath))
        made_from = Template(url=source.location, ref=origin.commit)
        worker.subproject.template = made_from
        try:
            _fetch(made_from, origin)
            worker.run_update()
        finally:
            made_from._cleanup()
        after = str(worker.template.commit)
        told = tuple(notes(worker, [warning.category for warning in caught]))
    return Updated(origin.commit, after, repository.changes(), repository.conflicts(), told)


def drift(project: Path, origin: Origin) -> Drift:
    """Compare a project with what its own version of the template gives for its answers.

    Raises:
        BadInput: when that version is not there, or can't be rendered with the answers.
        Refused: when a part of the project is not checked out.
    """
    repository = Repository.find(project)
    with TemporaryDirectory(prefix="bedplate-") as directory:
        given = Path(directory) / "project"
        with _of(origin), opened(Source(origin.source.location, origin.commit), given) as template:
            template.render(origin.answers)
            before = {file.path for file in Project(given).files()} - {ANSWERS_FILE}
            once = {path for path in before if template.given_once(path)}
        now = repository.own_files() if repository else [file.path for file in Project(project).files()]
        states = {path: _state(given / path, project / path) for path in sorted(before)}
        changed = [path for path, state in states.items() if state == "changed"]
        ours = tuple(path for path in changed if path not in once)
        return Drift(
            version=origin.commit,
            same=tuple(path for path, state in states.items() if state == "same"),
            changed=ours,
            removed=tuple(path for path, state in states.items() if state == "removed" and path not in once),
            kept=tuple(path for path in changed if path in once),
            own=tuple(sorted(set(now) - before - {ANSWERS_FILE})),
            diff="".join(line for path in ours for line in _difference(given / path, project / path, path)),
        )


def _state(before: Path, after: Path) -> str:
    if not (after.is_file() or after.is_symlink()):
        return "removed"
    if _content(before) == _content(after) and _executable(before) == _executable(after):
        return "same"
    return "changed"


def _content(path: Path) -> bytes:
    return str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()


def _executable(path: Path) -> bool:
    return not path.is_symlink() and bool(path.stat().st_mode & S_IXUSR)


def _difference(before: Path, after: Path, path: str) -> Iterator[str]:
    """A unified diff of one file."""
    if _executable(before) != _executable(after):
        yield f"{path}: is {'' if _executable(after) else 'not '}executable now\n"
    try:
        old, new = _content(before).decode(), _content(after).decode()
    except UnicodeDecodeError:
        yield f"{path}: differs, and is not text\n"
        return
    lines = unified_diff(old.splitlines(True), new.splitlines(True), f"a/{path}", f"b/{path}")
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _fetch(template: Template, origin: Origin) -> None:
    """Fetch the version that a project was made of; `BadInput` when it is not there."""
    with _of(origin), told_plainly(Source(template.url, template.ref)):
        template.local_abspath  # noqa: B018 (reading it fetches the template)


@contextmanager
def _of(origin: Origin) -> Iterator[None]:
    """Say of a version that is not there that the project was made of it."""
    try:
        yield
    except BadInput as error:
        if "no such branch, tag or commit" not in str(error):
            raise
        raise BadInput(
            f"{origin.source.location}: has no {origin.commit}, of which the project was made; fetch its "
            "history (git fetch --unshallow --tags), or name the right template with --source REPO"
        ) from error


def _check(given: Collected, origin: Origin, questionnaire: Questionnaire) -> None:
    kept = {name: value for name, value in origin.answers.items() if name in questionnaire.questions}
    evaluation = questionnaire.evaluate(given.values, suggested=kept)
    if problems := tuple(complaints(given, evaluation, questionnaire, evaluation.missing)):
        raise BadInput(*problems)
