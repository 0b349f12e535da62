"""An engine that fails, and a user who stops: the report says what happened, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bedplate.verify.report import SCHEMA
from second_engine import SecondEngine, load_bases, second_engine
from test_killing import BUSY, WITHIN, run_id, sleeping, wait_for
from tiny_project import DOCKERFILE, TinyProject
from verify_user import User

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("second engine")]

LEVELS = ("render", "static", "build", "run")
# A `sleep` that no other test starts, and that outlasts every wait.
LONG = f"{700 + os.getpid() / 1e7:.7f}"
SLEEP = f"sleep {LONG}"


@pytest.fixture(scope="module")
def spare() -> Iterator[SecondEngine]:
    """An engine that tests use one after the other, with all images that they need."""
    with second_engine() as engine:
        load_bases(engine)
        yield engine


@dataclass(frozen=True)
class Verifying:
    """A verification that has begun, on an engine that is not everybody's."""

    user: User
    engine: SecondEngine
    process: subprocess.Popen[str]
    run: str
    place: Path

    def ended(self) -> Outcome:
        """Wait for its end, and read its report."""
        out, err = self.process.communicate(timeout=WITHIN)
        assert "Traceback" not in out + err
        assert (self.place / "report.json").exists(), err
        report = json.loads((self.place / "report.json").read_text())
        jsonschema.validate(report, json.loads(SCHEMA.read_text()))
        return Outcome(self.process.returncode, err, report)

    def left(self) -> tuple[dict[str, int], set[str], set[int]]:
        """What is left of it: in its engine, as files, and as processes."""
        return self.engine.content.labelled(self.run), self.user.directories(), sleeping(LONG)


NOTHING: tuple[dict[str, int], set[str], set[int]] = ({}, set(), set())


@dataclass(frozen=True)
class Outcome:
    """How a verification ended, and its report."""

    code: int
    err: str
    report: dict[str, Any]

    @property
    def levels(self) -> dict[str, str]:
        """The status of each level of its row."""
        return {level["level"]: level["status"] for level in self.report["rows"][0]["levels"]}

    def told(self, status: str) -> dict[str, str]:
        """The checks with one status, and what is told of them."""
        checks = [check for level in self.report["rows"][0]["levels"] for check in level["checks"]]
        return {check["name"]: check["detail"] for check in checks if check["status"] == status}


@contextmanager
def verifying(
    user: User, engine: SecondEngine, place: Path, project: TinyProject, *options: str
) -> Iterator[Verifying]:
    """Verify a project through all levels."""
    tree, report = project.write(place / "tiny"), place / "report"
    arguments = ("--project", tree, "--bases", "local", "--report", report, *options)
    with user.verifying(*arguments, DOCKER_HOST=engine.endpoint) as process:
        yield Verifying(user, engine, process, run_id(process), report)


def asleep(_: Verifying) -> object:
    return sleeping(LONG)


def probed(verification: Verifying) -> object:
    return verification.engine.content.labelled(verification.run).get("containers")


IN_IMAGE = DOCKERFILE.replace("FROM gcr", f"FROM lint AS slow\nRUN {SLEEP}\n\nFROM gcr").replace(
    "--from=lint", "--from=slow"
)
MOMENTS: dict[str, tuple[TinyProject, int]] = {
    "linting": (TinyProject(lint=SLEEP), 1),
    "checking": (TinyProject(check=SLEEP), 2),
    "building the image": (TinyProject(files={"Dockerfile": IN_IMAGE}), 2),
    "trying the image": (TinyProject(smoke=BUSY.replace("sleep 600", SLEEP)), 3),
}
"""Where a run is asleep, and how many levels have ended by then."""


@pytest.mark.parametrize(("project", "done"), MOMENTS.values(), ids=MOMENTS)
def test_an_interrupted_run_reports_how_far_it_came(
    user: User,
    spare: SecondEngine,
    tmp_path: Path,
    project: TinyProject,
    done: int,
) -> None:
    with verifying(user, spare, tmp_path, project) as verification:
        wait_for(lambda: asleep(verification), "the moment")
        verification.process.send_signal(signal.SIGINT)
        outcome = verification.ended()
        assert (outcome.code, outcome.err) == (130, "bedplate: interrupted\n")
        assert outcome.report["status"] == "interrupted"
        assert list(outcome.levels.values()) == ["passed"] * done + ["skipped"] * (4 - done)
        assert outcome.told("skipped") == dict.fromkeys(LEVELS[done:], "interrupted")
        wait_for(lambda: verification.left() == NOTHING, "an end of everything")


def test_a_run_that_is_interrupted_while_it_makes_images_leaves_none(user: User, tmp_path: Path) -> None:
    with second_engine() as engine:
        load_bases(engine, tools=SLEEP, linters=False)
        before = {image.id for image in engine.content.api.images.list()}
        with verifying(user, engine, tmp_path, TinyProject()) as verification:
            wait_for(lambda: sleeping(LONG), "the making of an image")
            verification.process.send_signal(signal.SIGINT)
            outcome = verification.ended()
            assert (outcome.code, outcome.err) == (130, "bedplate: interrupted\n")
            assert list(outcome.levels.values()) == ["passed", *["skipped"] * 3]
            wait_for(lambda: verification.left() == NOTHING, "an end of everything")
        assert {image.id for image in engine.content.api.images.list()} == before


WATCHING = BUSY.replace("sleep 600", '$DOCKER wait "$($DOCKER ps --quiet --filter label=bedplate.run=$run)"')
FATES: dict[str, tuple[TinyProject, Callable[[Verifying], object], str, signal.Signals]] = {
    "shut down": (TinyProject(check=SLEEP), asleep, "build", signal.SIGTERM),
    "killed": (TinyProject(smoke=WATCHING), probed, "run", signal.SIGKILL),
}


@pytest.mark.parametrize(("project", "reached", "level", "signum"), FATES.values(), ids=FATES)
def test_an_engine_that_stops_is_told_and_what_it_holds_is_swept_later(
    user: User,
    spare: SecondEngine,
    tmp_path: Path,
    project: TinyProject,
    reached: Callable[[Verifying], object],
    level: str,
    signum: signal.Signals,
) -> None:
    with verifying(user, spare, tmp_path, project) as verification:
        wait_for(lambda: reached(verification), "the moment")
        spare.end(signum)
        outcome = verification.ended()
    assert outcome.code == 3
    assert outcome.err.startswith("bedplate: the container engine stopped answering before the end")
    assert outcome.report["status"] == "failed"
    assert outcome.levels[level] == "failed"
    assert outcome.told("failed")["container engine"] == "the container engine stopped answering"
    assert user.directories() == set()
    for orphan in sleeping(LONG):  # of the engine: one that ends leaves the steps of its builds running
        os.kill(orphan, signal.SIGKILL)
    spare.start()
    swept = user.verify("--sweep", DOCKER_HOST=spare.endpoint)
    assert swept.returncode == 0, swept.stderr
    wait_for(lambda: verification.left() == NOTHING, "an end of everything")


def test_a_full_disk_is_told_and_what_filled_it_is_gone(user: User, tmp_path: Path) -> None:
    greedy = TinyProject(check="dd if=/dev/zero of=/big bs=1M count=1000")
    with second_engine("250m") as engine:
        load_bases(engine)
        with verifying(user, engine, tmp_path, greedy) as verification:
            outcome = verification.ended()
        assert outcome.code == 1
        assert outcome.levels == dict(zip(LEVELS, ["passed", "passed", "failed", "skipped"], strict=True))
        assert "No space left on device" in outcome.told("failed")["stage check"]
        assert verification.left() == NOTHING
        engine.load("bedplate-test/small", ("sleep",), {})


def test_a_build_that_hangs_is_ended_at_its_deadline(user: User, spare: SecondEngine, tmp_path: Path) -> None:
    with verifying(user, spare, tmp_path, TinyProject(check=SLEEP), "--within", "20") as verification:
        outcome = verification.ended()
        assert outcome.code == 1
        assert outcome.levels == dict(zip(LEVELS, ["passed", "passed", "failed", "skipped"], strict=True))
        assert outcome.told("failed")["stage check"].startswith("no end within 20 s")
        wait_for(lambda: verification.left() == NOTHING, "an end of everything")


def test_two_verifications_of_one_project_do_not_disturb_each_other(
    user: User, spare: SecondEngine, tmp_path: Path
) -> None:
    project = TinyProject(check="sleep 1")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with (
        verifying(user, spare, tmp_path / "one", project, "--level", "build") as one,
        verifying(user, spare, tmp_path / "two", project, "--level", "build") as two,
    ):
        outcomes = (one.ended(), two.ended())
    assert [outcome.code for outcome in outcomes] == [0, 0], [outcome.err for outcome in outcomes]
    assert one.run != two.run
    assert [verification.left() for verification in (one, two)] == [NOTHING, NOTHING]
