"""From what became of a command to its exit code, and to what is said on standard error."""

from __future__ import annotations

import os
from collections.abc import Callable

import typer

from bedplate.errors import BedplateError

_OF_A_REPOSITORY = (
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE"),
)
"""What git sets for its hooks, and would have every other repository taken for that of the hook."""


def finish(work: Callable[[], int], debug: bool) -> None:
    """Run a command and turn its outcome into an exit code, messages on standard error."""
    for name in _OF_A_REPOSITORY:
        os.environ.pop(name, None)
    try:
        code = work()
    except BedplateError as error:
        if debug:
            raise
        for message in error.messages:
            typer.echo(f"bedplate: {message}", err=True)
        code = error.exit_code
    except Exception as error:
        # Whoever closes a pipe, as `head` does, has read enough: typer ends without a word then.
        if debug or isinstance(error, BrokenPipeError):
            raise
        reason = " ".join(str(error).split())
        typer.echo(f"bedplate: {type(error).__name__}: {reason} (--debug shows where)", err=True)
        code = 1
    raise typer.Exit(code)
