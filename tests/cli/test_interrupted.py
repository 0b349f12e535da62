"""Signals end a command with the code of the signal, in one line, and leave nothing half-done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from refusal import everything_in
from shell import Cli

BEDPLATE = (sys.executable, "-m", "bedplate")


def start(cli: Cli, *command: object, **extra: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=cli.directory,
        env=cli.environment | extra,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def slow_template(template_tree: Path, copy: Path) -> Path:
    """A template whose last file ends when the test closes it."""
    subprocess.run(["cp", "-r", template_tree, copy], check=True)
    os.mkfifo(copy / "templates/go-service/zzz")
    return copy


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("destination", ["not/yet/there", "empty"])
def test_new_leaves_nothing_when_interrupted_half_way(
    cli: Cli, template_tree: Path, tmp_path: Path, destination: str, signum: int, code: int
) -> None:
    source = slow_template(template_tree, tmp_path / "slow")
    (cli.directory / "empty").mkdir()
    arguments = ("new", destination, "--domain", "http-api", "--defaults", "--source", source)
    with start(cli, *BEDPLATE, *arguments) as running:
        # Opens as soon as copier reads the pipe.
        pipe = os.open(source / "templates/go-service/zzz", os.O_WRONLY)
        written = everything_in(cli.directory)
        running.send_signal(signum)
        _, errors = running.communicate(timeout=30)
        os.close(pipe)
    assert any("/.bedplate-" in f"/{path}" for path in written)
    assert (running.returncode, errors) == (code, "bedplate: interrupted\n")
    assert everything_in(cli.directory) == {"empty"}


def test_goes_on_after_its_terminal_is_gone_when_told_to(
    cli: Cli, template_tree: Path, tmp_path: Path
) -> None:
    source = slow_template(template_tree, tmp_path / "slow")
    arguments = ("new", "demo", "--domain", "http-api", "--defaults", "--source", source)
    with start(cli, "nohup", *BEDPLATE, *arguments) as running:
        pipe = os.open(source / "templates/go-service/zzz", os.O_WRONLY)
        running.send_signal(signal.SIGHUP)
        os.close(pipe)
        running.communicate(timeout=30)
    assert running.returncode == 0
    assert (cli.directory / "demo/README.md").exists()


def test_tells_an_interrupt_plainly_while_it_is_still_starting(cli: Cli, tmp_path: Path) -> None:
    slow = tmp_path / "typer.py"
    slow.write_text("from pathlib import Path\nPath(__file__).with_name('pipe').read_text()\n")
    os.mkfifo(tmp_path / "pipe")
    path = f"{tmp_path}:{cli.environment['PYTHONPATH']}"
    with start(cli, *BEDPLATE, "list", PYTHONPATH=path) as running:
        pipe = os.open(tmp_path / "pipe", os.O_WRONLY)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
        os.close(pipe)
    assert (running.returncode, errors) == (130, "bedplate: interrupted\n")
