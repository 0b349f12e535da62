"""Every command of the README works as written, for someone who has just cloned the repository."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import pytest
from bedplate.verify.bases import resolve
from bedplate.verify.client import Client
from bedplate.verify.dockerfile import named_images
from shell import ROOT, Cli, caches, free_addresses

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SPOKEN_OF = set(re.findall(r"`((?:make|bedplate|copier) [^`]+)`", README))
# `make` takes ARGS from the environment. The commands that would run these tests once more, or
# take as long as all of them, get a smaller task and are otherwise run as written. Those of an emitted
# project are run whole.
SMALLER = {
    "make test": "tests/unit/test_project.py -n 0",
    "make check": "tests/unit/test_project.py -n 0",
    "make verify": "http-api --level render",
}

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("readme")]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, user_environment: dict[str, str]) -> Cli:
    """Someone in a fresh clone, with copier and pipx installed and nothing of this checkout near."""
    home = tmp_path_factory.mktemp("newcomer")
    clone = home / "bedplate"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True, timeout=120)
    ours = re.compile(r"PYTEST_|PYTHON|MAKE|MFLAGS|ARGS$|CI$|VIRTUAL_ENV")
    environment = {name: value for name, value in user_environment.items() if not ours.match(name)}
    tools = Path(sys.executable).parent
    return Cli(
        clone,
        environment
        | caches()
        | {
            "PATH": f"{home}/bin:{tools}:{os.environ['PATH']}",
            "PIPX_BIN_DIR": f"{home}/bin",
            "PIPX_HOME": f"{home}/pipx",
        },
    )


@pytest.fixture(scope="module")
def build_flags(newcomer: Cli) -> Callable[[Path], dict[str, str]]:
    """What `make image` needs to know where no registry is reached, as environment variables."""
    client = Client.find()

    def flags(project: Path) -> dict[str, str]:
        images = named_images((project / "Dockerfile").read_text(encoding="utf-8"))
        bases = resolve("auto", images, client=client)
        return {"DOCKER": client.path, "DOCKER_BUILD_FLAGS": " ".join([*bases.flags_for(project), "--load"])}

    return flags


def run(newcomer: Cli, script: str, **extra: str) -> str:
    """Run commands as they would be pasted into a terminal, up to the first that fails."""
    finished = subprocess.run(
        ["sh", "-eux"],
        cwd=newcomer.directory,
        env=newcomer.environment | extra,
        input=script,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert finished.returncode == 0, f"{finished.stdout[-4000:]}\n{finished.stderr[-4000:]}"
    return finished.stdout


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_the_commands_of_a_block_work_as_written(
    newcomer: Cli, build_flags: Callable[[Path], dict[str, str]], block: str
) -> None:
    in_project = block.startswith("cd ../orders\n")
    smaller = [command for command in block.splitlines() if command in SMALLER and not in_project]
    whole = [command for command in block.splitlines() if command not in smaller]
    extra = {}
    if in_project:
        needs_go()
        extra = build_flags(newcomer.directory.parent / "orders")
    run(newcomer, "\n".join(whole) + "\n", **extra)
    for command in smaller:
        run(newcomer, command, ARGS=SMALLER[command])


@pytest.mark.parametrize("command", ["make check", "make docs", "bedplate list --json"])
def test_a_command_in_a_sentence_works_as_written(newcomer: Cli, command: str) -> None:
    assert command in SPOKEN_OF
    run(newcomer, command, BEDPLATE_SOURCE=str(newcomer.directory), ARGS=SMALLER.get(command, ""))


def test_make_bench_says_each_figure_with_its_limit(newcomer: Cli) -> None:
    """Not whether it is kept: how busy this machine is decides nothing about the code."""
    patient = Cli(newcomer.directory, newcomer.environment, within=900)
    finished = patient.run("make", "bench", ARGS="--runs 1")
    figures = re.findall(r"^(bedplate .+?)  +[\d.]+ [sx]  \(limit [\d.]+\)", finished.stdout, re.MULTILINE)
    assert {"bedplate list", "bedplate explain", "bedplate new, http-api"} <= set(figures), finished.stderr


def test_make_run_serves_at_once(newcomer: Cli) -> None:
    needs_go()
    http, admin = free_addresses(2)
    served = subprocess.Popen(
        ["make", "run"],
        cwd=newcomer.directory.parent / "orders",
        env=newcomer.environment | {"HTTP_ADDR": http, "ADMIN_ADDR": admin},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while not answers(f"http://{http}/v1/readings"):
            assert served.poll() is None, "make run ended"
            assert time.monotonic() < deadline, "make run serves nothing"
            time.sleep(0.05)
    finally:
        os.killpg(served.pid, signal.SIGINT)
        served.wait(timeout=60)


def test_no_command_of_the_readme_goes_untested() -> None:
    run_in_blocks = {line for block in BLOCKS for line in block.splitlines()}
    run_in_sentences = {"make bench", "make check", "make docs", "make run", "bedplate list --json"}
    assert run_in_blocks | {"make new"} >= SPOKEN_OF - run_in_sentences


def needs_go() -> None:
    if shutil.which("go") is None:
        pytest.skip("the verbs of a Go service that don't run in an image need Go, which isn't here")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
            return bool(response.status == HTTPStatus.OK)
    except OSError:
        return False
