"""Text for people to read: within their terminal, and never wider than is read with ease."""

from __future__ import annotations

import textwrap
from shutil import get_terminal_size
from typing import Final

import typer

_WIDEST: Final = 96
_NARROWEST: Final = 30
"""Below that, lines of one word each would be harder to read than lines that the terminal breaks."""


def say(text: str, first: str = "", rest: str = "") -> None:
    """Print a paragraph. Its first line begins with `first`, all others with `rest`.

    Words stay whole, for names of files and commands are copied. Where there is no terminal, lines are as
    wide as they may be, or as COLUMNS says.
    """
    width = max(_NARROWEST, min(_WIDEST, get_terminal_size((_WIDEST, 24)).columns))
    filled = textwrap.fill(
        text,
        width,
        initial_indent=first,
        # A margin of more than half a line leaves no room for words.
        subsequent_indent=rest if len(rest) <= width // 2 else rest[: width // 5],
        break_long_words=False,
        break_on_hyphens=False,
    )
    typer.echo(filled)
