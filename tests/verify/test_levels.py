"""Levels on the container engine: what is built and run, and what a level that fails does to the next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bedplate.verify.findings import Status
from bedplate.verify.levels import Level
from bedplate.verify.settings import Settings
from bedplate.verify.verification import Verification
from tiny_project import DOCKERFILE, TinyProject
from verify_user import Engine, User

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]


def test_a_project_is_linted_checked_and_made_into_an_image(
    user: User, engine: Engine, tmp_path: Path
) -> None:
    project = TinyProject(lint="echo linted", check="echo checked").write(tmp_path / "tiny")
    before = {path: path.read_bytes() for path in project.iterdir()}
    report = tmp_path / "report"
    finished = user.verify("--project", project, "--level", "build", "--report", report)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    content = json.loads((report / "report.json").read_text())
    statuses = {level["level"]: level["status"] for level in content["rows"][0]["levels"]}
    assert statuses == {"render": "passed", "static": "passed", "build": "passed"}
    build = content["rows"][0]["levels"][2]
    assert [(check["name"], check["status"]) for check in build["checks"]] == [
        ("stage check", "passed"),
        ("make image", "passed"),
    ]
    assert {path: path.read_bytes() for path in project.iterdir()} == before
    assert engine.labelled(content["run"]) == {}
    assert user.directories() == set()


def test_what_a_stage_says_counts_each_time_though_the_builder_remembers_it(tmp_path: Path) -> None:
    """The stage takes none of the tree, so that only its own cache could spare it the second run."""
    fixed = DOCKERFILE.replace("COPY . .\n", "").replace("make lint", "echo ran; : make lint")
    fixed = fixed.replace("make drift", ": make drift")
    project = TinyProject(files={"Dockerfile": fixed}).write(tmp_path / "tiny")
    for _ in range(2):
        with Verification.open(Settings(engine="container")) as verification:
            result = verification.tree(project, Level.STATIC)
            log = next(verification.run.directory.glob("steps/*/stage-lint.log")).read_text()
        assert result.level(Level.STATIC).findings.passed, result
        assert " ran\n" in log


def test_an_image_over_its_budget_is_red(tmp_path: Path) -> None:
    fat = DOCKERFILE.replace("COPY --from=lint /bin/sleep", "COPY --from=lint /usr/bin/git /bin/sleep")
    project = TinyProject(files={"Dockerfile": fat.replace(" /sleep\nCMD", " /\nCMD")}).write(
        tmp_path / "tiny"
    )
    with Verification.open(Settings(engine="container")) as verification:
        level = verification.tree(project, Level.BUILD).level(Level.BUILD)
    assert (level.status, level.findings.figures[0].within) == (Status.FAILED, False)
    assert all(check.status is Status.PASSED for check in level.findings.checks)


@pytest.mark.parametrize(
    ("project", "failed"),
    [
        (TinyProject(lint="echo unformatted; exit 1"), Level.STATIC),
        (TinyProject(drift="echo out of date; exit 1"), Level.STATIC),
        (TinyProject(files={"smoke.sh": "rm -rf $1/\n"}), Level.STATIC),
        (TinyProject(check="echo out of order; exit 1"), Level.BUILD),
        (TinyProject(files={"Dockerfile": DOCKERFILE + "RUN false\n"}), Level.BUILD),
        (TinyProject(files={"Dockerfile": DOCKERFILE.replace("make lint", "make")}), Level.STATIC),
        (TinyProject(files={"Dockerfile": DOCKERFILE.replace("make drift", "true")}), Level.STATIC),
        (TinyProject(files={"answers.json": "{\n"}), Level.RENDER),
    ],
    ids=["lint", "drift", "shellcheck", "check", "image", "no lint", "no drift", "JSON"],
)
def test_after_a_level_that_fails_the_others_are_skipped_with_that_reason(
    tmp_path: Path, project: TinyProject, failed: Level
) -> None:
    tree = project.write(tmp_path / "tiny")
    with Verification.open(Settings(engine="container")) as verification:
        result = verification.tree(tree, Level.RUN)
    assert result.failed is failed
    later = [level for level in Level.RUN.including if level not in failed.including]
    assert [result.level(level).status for level in later] == [Status.SKIPPED] * len(later)
    reasons = {check.detail for level in later for check in result.level(level).findings.checks}
    assert reasons == {f"level {failed} failed"}


def test_the_log_of_a_failed_step_is_kept_with_the_report(user: User, tmp_path: Path) -> None:
    project = TinyProject(lint="for i in $$(seq 100); do echo line $$i; done; exit 9").write(
        tmp_path / "tiny"
    )
    report = tmp_path / "report"
    finished = user.verify("--project", project, "--level", "static", "--report", report)
    assert finished.returncode == 1
    checks = json.loads((report / "report.json").read_text())["rows"][0]["levels"][1]["checks"]
    failed = next(check for check in checks if check["status"] == "failed")
    assert "line 1\n" in (report / failed["log"]).read_text()
    assert "line 1\n" in (report / "report.html").read_text()
    assert "line 100" in failed["detail"]
    assert "bedplate verify --project" in finished.stdout


def test_two_verifiers_at_once_do_not_disturb_each_other(user: User, engine: Engine, tmp_path: Path) -> None:
    slow = TinyProject(check="sleep 2; echo checked").write(tmp_path / "tiny")
    broken = TinyProject(check="sleep 1; exit 1").write(tmp_path / "broken")
    arguments = ("--level", "build", "--report")
    with (
        user.verifying("--project", slow, *arguments, tmp_path / "one") as one,
        user.verifying("--project", broken, *arguments, tmp_path / "two") as two,
    ):
        one.communicate(timeout=300)
        two.communicate(timeout=300)
    builds, runs = [], set()
    for name in ("one", "two"):
        content = json.loads((tmp_path / name / "report.json").read_text())
        builds.append({check["name"]: check["status"] for check in content["rows"][0]["levels"][2]["checks"]})
        runs.add(content["run"])
    assert builds == [{"stage check": "passed", "make image": "passed"}, {"stage check": "failed"}]
    assert len(runs) == 2
    assert [engine.labelled(run) for run in runs] == [{}, {}]
    assert user.directories() == set()
