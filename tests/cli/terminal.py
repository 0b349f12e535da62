"""A terminal on which `bedplate` asks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect
from shell import Cli

DOWN = "\x1b[B"
ENTER = "\r"
INTERRUPT = "\x03"


@contextmanager
def asked(cli: Cli, *arguments: str, columns: int = 160, **extra: str) -> Iterator[pexpect.spawn]:
    # How wide it is it says itself: processes of pytest are told the width of the terminal that pytest has.
    environment = {name: value for name, value in cli.environment.items() if name not in {"COLUMNS", "LINES"}}
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "bedplate", *arguments],
        cwd=cli.directory,
        # The terminal of a test answers no question about where its cursor is.
        env=environment | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"} | extra,
        dimensions=(40, columns),
        encoding="utf-8",
        timeout=30,
    )
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def finish(terminal: pexpect.spawn) -> int:
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus
