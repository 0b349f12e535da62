"""Whoever waits for a command at a terminal sees what it does, and nothing of that afterwards."""

from __future__ import annotations

import pyte
import pytest
from shell import Cli
from terminal import INTERRUPT, asked, finish
from upkept import Place

MADE = ("new", "demo", "--domain", "sensor-node", "--defaults")
ENDINGS = {
    "new": (MADE, "making the project", 0),
    "preview": (("preview",), "trying the update on a copy", 0),
    "update": (("update",), "updating a copy, then the project", 0),
    "drift": (("drift",), "making the project as its template gave it", 0),
    "doctor": (("doctor",), "looking at this machine", 3),
}


@pytest.mark.parametrize(("command", "doing", "code"), ENDINGS.values(), ids=ENDINGS)
def test_what_is_done_is_shown_and_gone_at_the_end(
    place: Place, command: tuple[str, ...], doing: str, code: int
) -> None:
    user = place.project
    with asked(user, *command, DOCKER_HOST="unix:///no/such/engine.sock") as terminal:
        terminal.expect(doing)
        began = terminal.before + terminal.after
        assert finish(terminal) == code
    screen = pyte.Screen(160, 100)
    pyte.Stream(screen).feed(began + terminal.before)
    assert doing not in "\n".join(screen.display)
    assert not screen.cursor.hidden


def test_an_interrupt_leaves_nothing_of_it(cli: Cli) -> None:
    with asked(cli, *MADE) as terminal:
        terminal.expect("making the project")
        began = terminal.before + terminal.after
        terminal.send(INTERRUPT)
        assert finish(terminal) == 130
    screen = pyte.Screen(160, 100)
    pyte.Stream(screen).feed(began + terminal.before)
    assert [line.rstrip() for line in screen.display if line.strip()] == ["bedplate: interrupted"]
    assert not screen.cursor.hidden
    assert list(cli.directory.iterdir()) == []


def test_a_terminal_that_can_only_append_gets_lines(cli: Cli) -> None:
    with asked(cli, *MADE, TERM="dumb") as terminal:
        assert finish(terminal) == 0
        assert terminal.before.startswith("making the project …\r\nMade demo in demo: ")
    assert "\x1b" not in terminal.before


def test_a_terminal_that_can_only_append_gets_no_table_of_a_verification(cli: Cli) -> None:
    command = ("verify", "sensor-node", "--level", "render", "--engine", "host")
    with asked(cli, *command, TERM="dumb") as terminal:
        terminal.expect(r"^run \S+ on the host engine\r\n")
        terminal.send(INTERRUPT)
        assert finish(terminal) == 130
    assert "\x1b" not in terminal.before


def test_without_a_terminal_nothing_is_said_of_it(cli: Cli) -> None:
    finished = cli.bedplate(*MADE, "--json")
    assert finished.returncode == 0
    assert "making the project" not in finished.stdout + finished.stderr
