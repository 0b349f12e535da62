"""`bedplate new` on a terminal."""

from __future__ import annotations

import re

import pytest
import yaml
from shell import Cli
from terminal import DOWN, ENTER, INTERRUPT, asked, finish

# Sets the foreground to one of 8, 16 or 256 colours.
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:[39][0-7]|38;5;\d+)[;m]")


def test_asks_the_domain_first_and_then_what_it_needs(cli: Cli) -> None:
    with asked(cli, "new", "demo") as terminal:
        terminal.expect("What are you building")
        terminal.send(4 * DOWN + ENTER)
        questions = ("Name of the project", "One sentence", "Who holds", "Licence")
        own = ("speak TLS", "speak HTTP/2", "each client asks for", "Trace requests", "deployed with", "runs")
        for help_text in (*questions, *own):
            terminal.expect(help_text)
            terminal.send(ENTER)
        assert finish(terminal) == 0
    answers = yaml.safe_load((cli.directory / "demo/.copier-answers.yml").read_text())
    assert (answers["domain"], answers["project_name"]) == ("http-gateway", "demo")


def test_asks_nothing_that_was_answered(cli: Cli) -> None:
    with asked(cli, "new", "demo", "--domain", "sensor-node", "--defaults") as terminal:
        assert finish(terminal) == 0
        assert "Name of the project" not in terminal.before


def test_tells_a_bad_name_before_going_on(cli: Cli) -> None:
    with asked(cli, "new", "demo", "--domain", "sensor-node") as terminal:
        terminal.expect("Name of the project")
        terminal.send("\x15" + "crate" + ENTER)
        terminal.expect("crate is a keyword of Rust")
        terminal.send(INTERRUPT)
        assert finish(terminal) == 130
    assert list(cli.directory.iterdir()) == []


def test_leaves_nothing_when_interrupted_at_a_question(cli: Cli) -> None:
    with asked(cli, "new", "a/b/demo") as terminal:
        terminal.expect("What are you building")
        terminal.send(INTERRUPT)
        assert finish(terminal) == 130
    assert list(cli.directory.iterdir()) == []


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_leaves_colours_out_when_asked_to(cli: Cli, no_color: str, coloured: bool) -> None:
    with asked(cli, "new", "demo", "--domain", "sensor-node", NO_COLOR=no_color) as terminal:
        terminal.expect("Name of the project")
        terminal.send(INTERRUPT)
        assert finish(terminal) == 130
        assert bool(COLOUR.search(terminal.before)) == coloured


def test_refuses_an_answer_that_turns_out_to_be_hidden(cli: Cli) -> None:
    with asked(cli, "new", "demo", "--set", "module_prefix=example.com") as terminal:
        terminal.expect("What are you building")
        terminal.send(7 * DOWN + ENTER)
        questions = (
            "Name of the project",
            "One sentence",
            "Who holds",
            "Licence",
            "Which board",
            "What calls",
            "debug probe",
            "protection unit",
            "milliseconds",
            "bytes",
            "runs",
        )
        for help_text in questions:
            terminal.expect(help_text)
            terminal.send(ENTER)
        terminal.expect("bedplate: --set module_prefix=example.com: not asked with these answers")
        assert finish(terminal) == 2
    assert list(cli.directory.iterdir()) == []


def test_refuses_a_bad_answer_before_it_asks_the_first_question(cli: Cli) -> None:
    with asked(cli, "new", "demo", "--set", "licence=GPL") as terminal:
        terminal.expect("bedplate: --set licence=GPL: not one of Apache-2.0, MIT")
        assert finish(terminal) == 2
        assert "What are you building" not in terminal.before
