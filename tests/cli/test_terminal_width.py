"""What is printed for people keeps within their terminal."""

from __future__ import annotations

import pytest
from shell import Cli
from terminal import asked, finish

WIDEST = 96
"""Columns that are used of a wider terminal, and where there is none."""
COMMANDS = {
    "list": ("list",),
    "domain": ("explain", "sensor-node"),
    "question": ("explain", "database"),
    "advise": ("advise", "--need=does=firmware", "--need=does=json-api", "--need=team=changing"),
}


@pytest.mark.parametrize("columns", [40, 200])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_lines_fit_and_words_stay_whole(cli: Cli, command: tuple[str, ...], columns: int) -> None:
    with asked(cli, *command, columns=columns) as terminal:
        assert finish(terminal) == 0
        lines = terminal.before.splitlines()
    said = cli.bedplate(*command).stdout
    room = min(columns, WIDEST)
    assert any(room / 2 < len(line) for line in lines)
    assert [line for line in lines if len(line) > room and len(line.split()) > 1] == []
    assert max(map(len, said.splitlines())) <= WIDEST
    assert " ".join(lines).split() == said.split()
