"""Record `bedplate new` on a terminal, as a picture that moves: docs/images/new.svg.

    python ci/docs/recording.py

A shell runs in a pseudo-terminal, keys are typed, and the screen is kept each time a question is there to
be answered. What is drawn is what the terminal showed; only the time between the screens is made up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from io import StringIO
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pexpect
import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT: Final = Path(__file__).resolve().parents[2]
PICTURE: Final = ROOT / "docs/images/new.svg"
COLUMNS: Final = 88
ROWS: Final = 20
COMMAND: Final = "bedplate new orders"
ENTER: Final = "\r"
QUESTIONS: Final = (
    "What are you building",
    "Name of the project",
    "One sentence",
    "Who holds the copyright",
    "Licence",
    "Prefix of the Go module path",
    "Where readings",
    "Whose tokens",
    "Trace requests",
    "What it is deployed with",
    "What runs its verbs",
)
"""How the questions begin that are put for the first domain; each is answered by its default."""
WITHIN: Final = 60.0
QUIET: Final = 0.3
"""Seconds that anything may take to be shown, and after which nothing more of it comes."""
SHOWN_FOR: Final = 1.5
LAST_SHOWN_FOR: Final = 8.0

Cells = Sequence[Sequence[Char]]
"""A screen, row by row."""

LINE: Final = 24.4
"""Height of a row as rich draws it."""
PICTURE_OF_A_TERMINAL: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} HEIGHT" role="img">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
transform: translateY(-LASTpx); animation: {unique_id}-screens LENGTHs step-end infinite }}
@keyframes {unique_id}-screens {{ KEYFRAMES }}
@media (prefers-reduced-motion) {{ .{unique_id}-matrix {{ animation: none }} }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-screen"><rect width="{terminal_width}" height="SCREEN"/></clipPath>
{lines}
</defs>
<rect width="{width}" height="HEIGHT" rx="8" fill="#292929"/>
<g fill="#7a7a7a">
<circle cx="22" cy="20" r="6"/><circle cx="42" cy="20" r="6"/><circle cx="62" cy="20" r="6"/>
</g>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-screen)">
<g class="{unique_id}-matrix">{backgrounds}{matrix}</g>
</g>
</svg>
"""


def play(source: Path) -> list[Cells]:
    """Make a project from the template in `source` on a terminal, and give the screens in their order."""
    with TemporaryDirectory(prefix="bedplate-recording-") as directory:
        terminal = _Terminal(Path(directory), source)
        try:
            terminal.wait_for("$")
            terminal.type(COMMAND)
            screens = [terminal.wait_for(COMMAND)]
            terminal.type(ENTER)
            for question in QUESTIONS:
                screens.append(terminal.wait_for(question))
                terminal.type(ENTER)
            return [*screens, terminal.wait_for("make image", last="$")]
        finally:
            terminal.end()


class _Terminal:
    """A shell whose user has `bedplate` and nothing else, and what its screen shows."""

    def __init__(self, home: Path, source: Path) -> None:
        (home / "rc").write_text(f"PS1='$ '\nbedplate() {{ '{sys.executable}' -m bedplate \"$@\"; }}\n")
        (home / "settings.yml").write_text("{}\n")
        (home / "work").mkdir()
        settings = {
            "BEDPLATE_SOURCE": str(source),
            "COPIER_SETTINGS_PATH": str(home / "settings.yml"),
            "ENV": str(home / "rc"),
            "HOME": str(home),
            "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody here answers where the cursor is
            "PYTHONPATH": str(ROOT / "generator"),
            "TERM": "xterm-256color",
        }
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._shell = pexpect.spawn(
            "sh",
            ["-i"],
            cwd=str(home / "work"),
            env=kept | settings,
            dimensions=(ROWS, COLUMNS),
            timeout=QUIET,
        )

    def type(self, keys: str) -> None:
        self._shell.send(keys)

    def wait_for(self, text: str, last: str = "") -> Cells:
        """The screen as soon as it shows a text, `last` in its last row, and nothing more comes."""
        end = time.monotonic() + WITHIN
        while time.monotonic() < end:
            try:
                self._stream.feed(self._shell.read_nonblocking(size=65536, timeout=QUIET))
            except pexpect.TIMEOUT:
                shown = [line.rstrip() for line in self._screen.display if line.strip()]
                if any(text in line for line in shown) and shown[-1].startswith(last):
                    return [
                        [self._screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)
                    ]
        raise SystemExit(f"nothing shows {text!r}, only:\n" + "\n".join(self._screen.display))

    def end(self) -> None:
        self._shell.close(force=True)


def drawn(screens: Sequence[Cells]) -> str:
    """An SVG that shows the screens one after the other; the last where nothing should move."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), legacy_windows=False)
    for cells in screens:
        for row in cells:
            console.print(_line(row), no_wrap=True, crop=True)
    last = len(screens) - 1
    height, length = ROWS * LINE, last * SHOWN_FOR + LAST_SHOWN_FOR
    begins = [f"{100 * number * SHOWN_FOR / length:.2f}%" for number in range(len(screens))]
    values = {
        "HEIGHT": f"{height + 48:g}",
        "SCREEN": f"{height:g}",
        "LAST": f"{last * height:g}",
        "LENGTH": f"{length:g}",
        "KEYFRAMES": " ".join(
            f"{begin} {{{{ transform: translateY(-{number * height:g}px) }}}}"
            for number, begin in enumerate(begins)
        ),
        "TITLE": f"{COMMAND}, on a terminal: questions with their defaults, and what to do next",
    }
    form = PICTURE_OF_A_TERMINAL
    for name, value in values.items():
        form = form.replace(name, value)
    return console.export_svg(code_format=form, unique_id="new")


def _line(row: Iterable[Char]) -> Text:
    line = Text()
    for style, cells in groupby(row, key=_style):
        line.append("".join(cell.data for cell in cells), style)
    return line


def _style(cell: Char) -> Style:
    return Style(
        color=_colour(cell.fg),
        bgcolor=_colour(cell.bg),
        bold=cell.bold,
        italic=cell.italics,
        underline=cell.underscore,
        reverse=cell.reverse,
    )


def _colour(name: str) -> str | None:
    """A colour of pyte by its name in rich."""
    if name == "default":
        return None
    if name.startswith("bright"):
        return f"bright_{name.removeprefix('bright').replace('brown', 'yellow')}"
    return {"brown": "yellow"}.get(
        name, name if name.isalpha() and len(name) != len("rrggbb") else f"#{name}"
    )


def main() -> None:
    """Record what is committed, and write the picture."""
    with TemporaryDirectory(prefix="bedplate-recording-") as directory:
        source = Path(directory) / "template"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
        screens = play(source)
    PICTURE.write_text(drawn(screens), encoding="utf-8")


if __name__ == "__main__":
    main()
