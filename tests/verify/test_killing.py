"""However a run ends, nothing of it stays: no container, network, volume, image, process or directory."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bedplate.verify import sweep
from output import told
from tiny_project import TinyProject
from verify_user import Engine, User

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]

# Starts what a probe starts, labelled like the image, and then waits to be killed.
BUSY = """\
run=$($DOCKER image inspect --format '{{ index .Config.Labels "bedplate.run" }}' "$IMAGE")
$DOCKER network create --label "bedplate.run=$run" "net-$run" >/dev/null
$DOCKER volume create --label "bedplate.run=$run" "vol-$run" >/dev/null
$DOCKER run --detach --network "net-$run" --volume "vol-$run:/data" "$IMAGE" >/dev/null
mktemp
sleep 600"""
WITHIN = 60.0


def wait_for(condition: Callable[[], object], what: str) -> None:
    until = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < until, f"{what}: not within {WITHIN:.0f} s"
        time.sleep(0.1)


def sleeping(seconds: str) -> set[int]:
    """Processes of this machine, containers included, that are a `sleep` of so many seconds."""
    wanted = b"\0".join((b"sleep", seconds.encode(), b""))
    found = set()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if command.read_bytes() == wanted:
                found.add(int(command.parent.name))
        except OSError:
            continue
    return found


def run_id(process: subprocess.Popen[str]) -> str:
    """The id that the first line of its output names."""
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[:1] == ["run"], words
    return words[1]


@contextmanager
def busy(user: User, engine: Engine, project: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A verifier half-way through level run, with one thing of each kind in the engine."""
    with user.verifying("--project", project, "--level", "run") as process:
        run = run_id(process)
        wait_for(lambda: engine.labelled(run).get("containers"), "a container")
        assert engine.labelled(run) == {"containers": 1, "networks": 1, "volumes": 1, "images": 1}
        yield process, run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """It stays at level run until it is killed."""
    return TinyProject(smoke=BUSY).write(tmp_path / "tiny")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_end_cleans_up_before_it_does(
    user: User, engine: Engine, project: Path, signum: signal.Signals
) -> None:
    with busy(user, engine, project) as (process, run):
        process.send_signal(signum)
        _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 128 + signum
    assert err == "bedplate: interrupted\n"
    assert engine.labelled(run) == {}
    assert user.directories() == set()


def test_impatience_does_not_cut_the_clean_up_short(user: User, engine: Engine, project: Path) -> None:
    with busy(user, engine, project) as (process, run):
        for _ in range(3):
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=WITHIN)
    assert process.returncode == 128 + signal.SIGINT
    assert engine.labelled(run) == {}


def test_a_run_that_is_killed_is_cleaned_up_after(user: User, engine: Engine, project: Path) -> None:
    with busy(user, engine, project) as (process, run):
        process.kill()
        process.communicate(timeout=WITHIN)
        wait_for(lambda: not engine.labelled(run), "an engine without it")
        wait_for(lambda: not user.directories(), "no directory of it")
    assert not sweep.lives(run)


def test_a_run_with_another_directory_for_temporary_files_is_not_swept(
    user: User, engine: Engine, project: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with busy(user, engine, project) as (_, run):
        assert User(user.cli, elsewhere).verify("--sweep").returncode == 0
        assert engine.labelled(run) == {"containers": 1, "networks": 1, "volumes": 1, "images": 1}


def test_what_is_left_when_all_were_killed_is_swept(user: User, engine: Engine, project: Path) -> None:
    with busy(user, engine, project) as (process, run), busy(user, engine, project) as (other, living):
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        process.kill()
        process.communicate(timeout=WITHIN)
        assert engine.labelled(run)
        assert len(user.directories()) == 2
        swept = user.verify("--sweep")
        assert swept.returncode == 0, swept.stderr
        assert f"{run}: removed 1 container, 1 network, 1 volume, 1 image, 1 directory" in swept.stdout
        assert living not in swept.stdout
        assert engine.labelled(run) == {}
        assert engine.labelled(living)
        assert len(user.directories()) == 1
        other.send_signal(signal.SIGTERM)
        other.communicate(timeout=WITHIN)
    assert told(user.verify("--sweep", "--json"), "sweep").keys().isdisjoint({run, living})


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_a_build_ends_with_the_run(user: User, tmp_path: Path, signum: signal.Signals) -> None:
    seconds = f"{600 + os.getpid() / 1e7:.7f}"
    project = TinyProject(lint=f"sleep {seconds}").write(tmp_path / "tiny")
    with user.verifying("--project", project, "--level", "static") as process:
        wait_for(lambda: sleeping(seconds), "a build")
        process.send_signal(signum)
        process.communicate(timeout=WITHIN)
    wait_for(lambda: not sleeping(seconds), "the end of the build")
    wait_for(lambda: not user.directories(), "no directory of it")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_emitting_ends_with_the_run(user: User, signum: signal.Signals) -> None:
    with user.verifying("--level", "render", "--jobs", "3") as process:
        run = run_id(process)
        wait_for(lambda: list(user.temporary.glob(f"*{run}/rows/*/answers.yml")), "a row")
        process.send_signal(signum)
        process.communicate(timeout=WITHIN)
    wait_for(lambda: not user.directories(), "no directory of it")
    wait_for(lambda: not working_for(run), "no program of it")


def working_for(run: str) -> set[int]:
    """Processes of this machine that name a run in their environment or command."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if run.encode() in text and int(process.name) != os.getpid():
            found.add(int(process.name))
    return found
