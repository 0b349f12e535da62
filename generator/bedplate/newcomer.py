"""Copier's worker, for a project that is not there yet."""

from __future__ import annotations

from pathlib import Path

from copier._main import Worker


class Newcomer(Worker):
    """Renders into a directory that is new.

    Copier asks git after each file whether its mode has to go into the index of the project's repository.
    There is no such repository yet, and the question takes a process for each of some hundred files.
    """

    def _sync_git_index_executable_bit(self, dst_relpath: Path, src_mode: int) -> None:
        """Leave the index alone, which there is none of."""
