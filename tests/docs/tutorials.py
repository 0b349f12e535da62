"""A tutorial as its reader follows it: from top to end of the page, in as many terminals as it takes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from shell import ROOT, Cli

STOPPED_WITHIN = 30.0
"""Seconds, of which a drain takes up to 25."""
PATIENCE = 1200.0
"""Seconds that a command may take, and a program until it prints what is shown: both may compile first."""

# What starts a program that goes on until it is ended.
GOES_ON = re.compile(
    r"(?:^|\n)(?:\w+=\S+ )*(?:make run|cargo run --locked -- --config \w+\.toml|"
    r"qemu-system-arm (?:.*\\\n)*.*)\n$"
)

# What asks for something that another program is still at work on, and may be asked again.
ASKS = re.compile(r"^sqlite3 ", re.MULTILINE)
SOON = 60.0
"""Seconds within which it has to answer what is shown."""

# A block, or in the text between blocks what is typed into a program, the key that ends it and where, and
# where the next output is to be seen.
STEP = re.compile(
    r"^```(\w+)\n(.*?)^```$|Type `([^`]+)`|(Ctrl-C)(?:\s+in\s+the\s+(\w+)\s+terminal)?|"
    r"The (\w+) terminal says",
    re.MULTILINE | re.DOTALL,
)
TERMINALS = ("first", "second", "third")


def pattern(shown: str) -> str:
    """A regular expression for the output in a block: `…` stands for some of a line, or for some lines."""
    lines = (
        r"(?:.*\n)*?" if line.strip() == "…" else re.escape(line).replace("…", ".*?") + r"\n"
        for line in shown.splitlines()
    )
    return "".join(lines)


class Program:
    """What was started in a terminal and goes on, such as a service."""

    def __init__(self, script: str, directory: Path, environment: Mapping[str, str], log: Path) -> None:
        with log.open("w") as output:
            self.process = subprocess.Popen(
                ["sh", "-euc", script],
                cwd=directory,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.log = log
        self.seen = 0

    def printed(self) -> str:
        """What it printed since it was last typed into."""
        return self.log.read_text(encoding="utf-8")[self.seen :]

    def wait_for(self, shown: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not re.search(f"^{pattern(shown)}", self.printed(), re.MULTILINE):
            assert self.process.poll() is None, f"it ended:\n{self.printed()}"
            assert time.monotonic() < deadline, f"not printed:\n{shown}\nbut:\n{self.printed()}"
            time.sleep(0.05)

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.seen += len(self.printed())
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        """Press Ctrl-C, which reaches each process of the terminal, and again if that does not end it.

        A shell goes on when what it was about to run has missed the first one. Nothing is left in any case.
        """
        for key in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, key)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=STOPPED_WITHIN)
                assert key != signal.SIGKILL, "it did not end when it was asked to"
                return


class Session:
    """A reader at work on a page, beginning in the directory that the reader is in.

    Blocks with one of the words in `left_out` are passed over, with what they print. `addresses` are other
    ones than those of the page, for a machine on which these may be in use.
    """

    def __init__(
        self, reader: Cli, left_out: Collection[str] = (), addresses: Mapping[str, str] | None = None
    ) -> None:
        self.reader = reader
        self.left_out = left_out
        self.addresses = addresses or {}
        self.directory = reader.directory
        self.programs: dict[str, Program] = {}
        """Those that go on, by their terminals: each is started in the first one that is free."""
        self.last: Program | str | None = None
        """What the next block of output is of; nothing when that was left out."""
        self.script = ""
        """What printed it, when that was no program that goes on."""

    def follow(self, page: str) -> None:
        """Do and see all that is on a page of docs/."""
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        for before, after in self.addresses.items():
            text = text.replace(before, after)
        try:
            for language, block, typed, key, where, speaking in STEP.findall(text):
                kind = language or (typed and "typed") or (key and "stop") or "says"
                self._take(kind, block or typed or where or speaking)
        finally:
            while self.programs:
                self._stop()

    def _take(self, kind: str, text: str) -> None:
        match kind:
            case "sh":
                self._run(text)
            case "diff":
                self._finish(["git", "apply", "-"], text)
            case "text" if isinstance(self.last, Program):
                self.last.wait_for(text)
            case "text" if self.last is not None:
                self._compare(text)
            case "typed" if self.last is not None:
                self.last = next(reversed(self.programs.values()))
                self.last.type(text)
            case "says" if self.programs:
                self.last = self.programs[text]
            case "stop" if self.programs:
                self._stop(text)

    def _compare(self, shown: str) -> None:
        deadline = time.monotonic() + SOON
        while not re.fullmatch(pattern(shown), str(self.last)):
            waits = ASKS.search(self.script) and time.monotonic() < deadline
            assert waits, f"shown:\n{shown}\nprinted:\n{self.last}"
            time.sleep(0.2)
            self._run(self.script)

    def _stop(self, terminal: str = "") -> None:
        """End what is in this terminal, or what was started last."""
        self.programs.pop(terminal or next(reversed(self.programs))).stop()

    def _run(self, script: str) -> None:
        if any(word in script for word in self.left_out):
            self.last = None
        elif GOES_ON.search(script):
            terminal = next(name for name in TERMINALS if name not in self.programs)
            log = self.reader.directory.parent / f"{terminal}-terminal.log"
            self.last = Program(script, self.directory, self.reader.environment, log)
            self.programs[terminal] = self.last
        else:
            *lines, place = self._finish(["sh", "-euc", f"{script}printf '\\n%s\\n' \"$PWD\""]).splitlines()
            self.directory, self.script = Path(place), script
            self.last = "".join(f"{line}\n" for line in lines).rstrip("\n") + "\n"

    def _finish(self, command: list[str], given: str = "") -> str:
        """Run a command to its end, which has to be a good one, and return what it prints."""
        finished = subprocess.run(
            command,
            cwd=self.directory,
            env=self.reader.environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert finished.returncode == 0, f"{command} {given}\n{finished.stdout[-4000:]}"
        return finished.stdout
