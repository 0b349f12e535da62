"""Bash completes what is typed after `bedplate`, once that was installed."""

from __future__ import annotations

import shutil
import sys

import pytest
from shell import Cli

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


@pytest.fixture
def user(cli: Cli) -> Cli:
    """A user of bash, whose home is their directory, with `bedplate` on PATH."""
    program = cli.directory / "bin/bedplate"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bedplate "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{cli.environment['PATH']}"
    return Cli(cli.directory, cli.environment | {"HOME": str(cli.directory), "PATH": path})


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (("bedplate", "pre"), {"preview"}),
        (("bedplate", "new", "--an"), {"--answers"}),
        (("bedplate", "verify", "--level", ""), {"render", "static", "build", "run", "update"}),
    ],
    ids=["command", "option", "value"],
)
def test_completes_what_is_typed(user: Cli, typed: tuple[str, ...], completed: set[str]) -> None:
    # A shell of its own asks which shell that is; a last command would take its place.
    installed = user.run("bash", "-c", "bedplate --install-completion; exit $?")
    assert installed.returncode == 0, installed.stderr
    finished = user.run("bash", "-euc", COMPLETE, *typed)
    assert finished.returncode == 0, finished.stderr
    assert set(finished.stdout.split()) == completed


COMPLETE = """\
source ~/.bashrc
COMP_WORDS=("$0" "$@") COMP_CWORD=$#
complete -p bedplate | grep -q -- '-F _bedplate_completion'
_bedplate_completion "$0"
printf '%s\\n' "${COMPREPLY[@]}"
"""
