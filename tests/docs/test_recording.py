"""The recording in the documentation shows what `bedplate new` prints today."""

from __future__ import annotations

import re
import runpy
from xml.etree import ElementTree

from rich.cells import cell_len
from shell import ROOT, Cli

PICTURE = (ROOT / "docs/images/new.svg").read_text(encoding="utf-8")
RECORDING = runpy.run_path(str(ROOT / "ci/docs/recording.py"))
COLUMNS, ROWS = RECORDING["COLUMNS"], RECORDING["ROWS"]
# How rich draws: letters of 20 units, 0.61 of that wide, in lines of 1.22 of it.
SIZE, ADVANCE, LINE = 20, 12.2, 24.4


def drawn() -> list[list[str]]:
    """The lines of each screen, by where their parts are in the picture."""
    lines: dict[int, list[str]] = {}
    for part in ElementTree.fromstring(PICTURE).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314 (ours)
        row = round((float(part.attrib["y"]) - SIZE) / LINE)
        column = round(float(part.attrib["x"]) / ADVANCE)
        line = lines.setdefault(row, [" "] * COLUMNS)
        for letter in (part.text or "").rstrip("\n").replace("\N{NO-BREAK SPACE}", " "):
            line[column] = letter
            column += cell_len(letter)
    rows = ["".join(lines.get(row, [])).rstrip() for row in range(-(-(max(lines) + 1) // ROWS) * ROWS)]
    return [rows[first : first + ROWS] for first in range(0, len(rows), ROWS)]


def test_the_recording_shows_what_is_printed_today(template_repository: Cli) -> None:
    screens = RECORDING["play"](template_repository.directory)
    printed = [["".join(cell.data or " " for cell in row).rstrip() for row in screen] for screen in screens]
    assert drawn() == printed, "make recording"
    assert "  make image" in printed[-1]


def test_the_last_screen_is_shown_where_nothing_should_move() -> None:
    last = (len(drawn()) - 1) * ROWS * LINE
    at_rest = re.search(r"\.new-matrix {[^}]*transform: translateY\(-([0-9.]+)px\)", PICTURE)
    assert at_rest
    assert float(at_rest[1]) == round(last, 1)
    assert "@media (prefers-reduced-motion) { .new-matrix { animation: none } }" in PICTURE


def test_the_recording_fetches_nothing() -> None:
    assert re.findall(r"href|@import|@font-face|url\((?!#)", PICTURE) == []
