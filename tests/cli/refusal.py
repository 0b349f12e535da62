"""What a refusal of `bedplate new` looks like to a user."""

from __future__ import annotations

from pathlib import Path

from shell import Cli

BAD_INPUT = 2
REFUSED = 4


def everything_in(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def assert_refused(cli: Cli, code: int, *lines: str, arguments: tuple[object, ...]) -> None:
    before = everything_in(cli.directory)
    finished = cli.bedplate("new", *arguments)
    assert (finished.returncode, finished.stdout) == (code, "")
    assert finished.stderr.splitlines() == [f"bedplate: {line}" for line in lines]
    assert everything_in(cli.directory) == before
