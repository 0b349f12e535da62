"""What a command does that takes more than a moment, for whoever waits for it at a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer

_UNMOVING: Final = ("dumb", "unknown")
"""What TERM is where nothing can be drawn over: in an editor, or for a reader of the screen."""


def moves() -> bool:
    """Whether what was printed on this terminal can be drawn over."""
    return os.environ.get("TERM", "") not in _UNMOVING


@contextmanager
def waiting(doing: str) -> Iterator[Callable[[], None]]:
    """Show what is done while the context lasts, or until what it gives is called. It leaves no trace.

    That is on standard error, since standard output may be kept. Without a terminal nobody waits, and
    standard error has only what needs to be known afterwards.
    """
    if not sys.stderr.isatty():
        yield lambda: None
    elif not moves():
        typer.echo(f"{doing} …", err=True)
        yield lambda: None
    else:
        from rich.console import Console

        # Whatever becomes of sys.stderr meanwhile: what copier and git say is caught there.
        with Console(file=sys.stderr).status(doing) as status:
            yield status.stop
