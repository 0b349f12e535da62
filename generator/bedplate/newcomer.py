"""Copier's worker, as a generator needs it that may bring its template with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from shutil import copytree
from typing import Any

from copier._main import Worker

from bedplate.project import BUNDLE, BUNDLED, Project


class Recorder(Worker):
    """Keeps the place of an installation out of what a project records."""

    def _answers_to_remember(self) -> Mapping[str, Any]:
        answers = super()._answers_to_remember()
        if answers.get("_src_path") != str(BUNDLE):
            return answers
        return {**answers, "_src_path": BUNDLED}


def witness(project: Path, before: Path, after: Path) -> type[Recorder]:
    """A worker whose update of `project` leaves copies of what it compares.

    That is the project as its version of the template gave it, and as the new one gives it. Copier makes
    both elsewhere, the older first, and removes them. In `project` it gives nothing that has something
    in its way: through a link that took the place of a directory it would write elsewhere.
    """
    copies = iter((before, after))

    class Witness(Recorder):
        def run_copy(self) -> None:
            super().run_copy()
            if self.dst_path != project:
                copytree(self.dst_path, next(copies), symlinks=True)
                return
            # Copier stops at files that took the place of a directory, and applies what users did later.
            for file in Project(before).files():
                obstacle = Project(project).obstacle(PurePosixPath(file.path))
                if obstacle and not (project / obstacle).is_dir():
                    (project / obstacle).unlink()

        def _render_path(self, relpath: Path) -> Iterator[tuple[Path, dict[str, Any] | None]]:
            directory = (self.template_copy_root / relpath).is_dir()
            for path, context in super()._render_path(relpath):
                inside = PurePosixPath(path.as_posix())
                if self.dst_path != project or not Project(project).obstacle(inside, directory=directory):
                    yield path, context

    return Witness


class Newcomer(Recorder):
    """Renders into a directory that is new.

    Copier asks git after each file whether its mode has to go into the index of the project's repository.
    There is no such repository yet, and the question takes a process for each of some hundred files. It also
    renders the name of the answers file for each part of each path, although nothing changes it.
    """

    @cached_property
    def answers_relpath(self) -> Path:
        """Where the record of the answers goes."""
        return super().answers_relpath

    def _sync_git_index_executable_bit(self, dst_relpath: Path, src_mode: int) -> None:
        """Leave the index alone, which there is none of."""
