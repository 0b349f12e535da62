"""A project and the template that it came from, later: an update, and what was changed since.

With `render` and `newcomer` the only module that calls copier, in the calling process.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from difflib import unified_diff
from io import StringIO
from pathlib import Path, PurePosixPath
from shutil import copy2
from stat import S_IXUSR
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bedplate.answers import Collected, complaints
from bedplate.errors import BadInput
from bedplate.project import ANSWERS_FILE, BUNDLE, BUNDLED, Project
from bedplate.questionnaire import Questionnaire
from bedplate.render import Source, notes, opened, told_plainly
from bedplate.repository import Repository

if TYPE_CHECKING:
    from copier._template import Template


@dataclass(frozen=True)
class Origin:
    """Where a project came from: the template's source and the commit of it, and the answers.

    The `ref` of the source is what an update goes to unless another is named.
    """

    source: Source
    commit: str
    answers: Mapping[str, Any]

    @classmethod
    def of(cls, project: Path, source: str | None) -> Origin:
        """Read the record of a project; `source` is where its template is now, if that was moved.

        For a project of an installation that is the releases of this one, or what BEDPLATE_SOURCE names.

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
        named = source or (os.environ.get("BEDPLATE_SOURCE") or None if recorded == BUNDLED else recorded)
        try:
            place = Source.resolve(named)
        except BadInput as error:
            if source or recorded == BUNDLED:
                raise
            raise BadInput(f"{_missing(recorded, project)}; say where it is with --source REPO") from error
        ref = "HEAD" if place.location == str(BUNDLE) else None
        return cls(Source(place.location, ref), commit, answers)


def _missing(recorded: str, project: Path) -> str:
    """What is wrong with the place that a project names for its template."""
    if Path(recorded).expanduser().is_absolute():
        return f"{recorded}: the template is not there any more"
    return (
        f"{project / ANSWERS_FILE}: names its template {recorded}, seen from wherever copier was run, "
        "which is not here"
    )


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


def update(place: Repository, origin: Origin, ref: str | None, given: Collected) -> Updated:
    """Bring a project to another version of its template, merging what its users changed.

    `place` is its last commit, apart from where anybody works. `ref` is a branch, tag or commit; without
    one the latest release. New questions take their defaults. A file that one side removed and the other
    changed is there, as a conflict.

    Raises:
        BadInput: when the template or its version is not there, or an answer can't stand.
    """
    from copier._template import Template

    from bedplate.newcomer import witness

    source = Source(origin.source.location, ref or origin.source.ref)
    with (
        TemporaryDirectory(prefix="bedplate-") as temporary,
        told_plainly(source),
        warnings.catch_warnings(record=True) as caught,
        redirect_stderr(StringIO()),
        witness(place.project, before := Path(temporary, "before"), after := Path(temporary, "after"))(
            src_path=source.location,
            dst_path=place.project,
            data=given.values,
            vcs_ref=source.ref,
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
        version = str(worker.template.commit)
        told = [*notes(worker, [warning.category for warning in caught])]
        kept = _keep_what_was_changed(place, before, after)
        told += _bring_what_was_removed(place, before, after)
    changes = tuple(change for change in place.changes() if change[1] not in kept)
    return Updated(origin.commit, version, changes, place.conflicts(), tuple(told))


def _keep_what_was_changed(place: Repository, before: Path, after: Path) -> list[str]:
    """Of the files that are given no more keep, as conflicts, those that were not as they were given.

    The update removed them, unless they are links now.
    """
    project = Project(place.project)
    removed = [path for state, path in place.changes() if state == "D"]
    for path in _paths(before) - _paths(after):
        if (place.project / path).is_symlink() and not project.obstacle(PurePosixPath(path)):
            removed.append(path)
    kept = [path for path in removed if not _is_as_given(before / path, place.committed(path))]
    for path in kept:
        place.keep(path)
        given = before / path
        if not given.is_dir() or given.is_symlink():
            place.contest(path, given if _is_file(given) else None, place.project / path, theirs=False)
    return kept


def _bring_what_was_removed(place: Repository, before: Path, after: Path) -> list[str]:
    """Bring, as conflicts, the files that users removed and that the template gives in another form now.

    Notes tell what is new or changed in the template and can't be where it belongs.
    """
    project = Project(place.project)
    left_out = []
    for path in sorted(_paths(after)):
        old, new, here = before / path, after / path, place.project / path
        if _is_file(old) and _state(old, new) != "changed":
            continue
        if obstacle := project.obstacle(PurePosixPath(path)):
            what = "a directory" if obstacle == path else "no directory"
            left_out.append(f"{path}: left out, since {obstacle} is {what} here")
        elif _is_file(old) and not _is_file(here):
            here.parent.mkdir(parents=True, exist_ok=True)
            copy2(new, here, follow_symlinks=False)
            place.contest(path, old, new, theirs=True)
    return left_out


def _paths(directory: Path) -> set[str]:
    return {file.path for file in Project(directory).files()}


def _is_as_given(path: Path, committed: bytes) -> bool:
    return _is_file(path) and _plain(_content(path)) == _plain(committed)


def drift(project: Path, origin: Origin) -> Drift:
    """Compare a project with what its own version of the template gives for its answers.

    Raises:
        BadInput: when that version is not there, or can't be rendered with the answers.
        Refused: when a part of the project is not checked out.
    """
    repository = Repository.find(project)
    with as_given(origin) as (directory, once):
        before = {file.path for file in Project(directory).files()} - {ANSWERS_FILE}
        now = repository.own_files() if repository else [file.path for file in Project(project).files()]
        states = {path: _state(directory / path, project / path) for path in sorted(before)}
        changed = [path for path, state in states.items() if state == "changed"]
        ours = tuple(path for path in changed if path not in once)
        return Drift(
            version=origin.commit,
            same=tuple(path for path, state in states.items() if state == "same"),
            changed=ours,
            removed=tuple(path for path, state in states.items() if state == "removed" and path not in once),
            kept=tuple(path for path in changed if path in once),
            own=tuple(sorted(set(now) - before - {ANSWERS_FILE})),
            diff="".join(
                line for path in ours for line in _difference(directory / path, project / path, path)
            ),
        )


@contextmanager
def as_given(origin: Origin) -> Iterator[tuple[Path, Set[str]]]:
    """A project as its version of the template gave it, and which of its files are given only once.

    Raises:
        BadInput: when that version is not there, or can't be rendered with the answers.
    """
    with TemporaryDirectory(prefix="bedplate-") as temporary:
        directory = Path(temporary) / "project"
        with _of(origin), opened(Source(origin.source.location, origin.commit), directory) as template:
            template.render(origin.answers)
            paths = [file.path for file in Project(directory).files()]
            once = {path for path in paths if template.given_once(path)}
        yield directory, once


def _state(before: Path, after: Path) -> str:
    if not _is_file(after):
        return "removed"
    if _plain(_content(before)) == _plain(_content(after)) and _executable(before) == _executable(after):
        return "same"
    return "changed"


def _is_file(file: Path) -> bool:
    return file.is_file() or file.is_symlink()


def _content(path: Path) -> bytes:
    return str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()


def _plain(content: bytes) -> bytes:
    """Text with the ends of lines that git keeps, whatever those in a working tree are."""
    return content if b"\0" in content else content.replace(b"\r\n", b"\n")


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
    lines = unified_diff(_lines(old), _lines(new), f"a/{path}", f"b/{path}")
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    return StringIO(text, newline="\n").readlines()


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
            "history (git fetch --unshallow --tags), or name the right template with --source REPO; it is "
            "nowhere when the template was not committed then"
        ) from error


def _check(given: Collected, origin: Origin, questionnaire: Questionnaire) -> None:
    recorded = origin.answers
    evaluation = questionnaire.evaluate(given.values, suggested=recorded, recorded=recorded)
    if problems := tuple(complaints(given, evaluation, questionnaire, evaluation.missing)):
        raise BadInput(*problems)
