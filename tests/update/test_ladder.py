"""Projects from every rung of the ladder take in the template as it is, with their users' work."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from bedplate.errors import BadInput
from bedplate.questionnaire import Questionnaire
from bedplate.verify.climb import Climb
from bedplate.verify.engine import Subject
from bedplate.verify.engine_container import Container
from bedplate.verify.findings import Findings, Status
from bedplate.verify.ladder import LADDER, Ladder
from bedplate.verify.levels import Level
from bedplate.verify.rows import Row, default_rows
from bedplate.verify.run import Docker, Run
from bedplate.verify.snapshot import Snapshot
from bedplate.verify.verification import Settings, Silence, Verification
from copier_user import commit
from shell import ROOT, Cli

DOMAINS = [row.domain for row in default_rows(Questionnaire.load(ROOT))]
RUNGS = yaml.safe_load((ROOT / LADDER).read_bytes())["rungs"]
WORK = {
    "changed": [{"file": "SECURITY.md", "search": "# Security\n", "replace": "# Security of ours\n"}],
    "added": {"mine.txt": "mine\n"},
    "removed": ["AGENTS.md"],
}
ANSWER = {
    "name": "licence",
    "before": "Apache-2.0",
    "after": "MIT",
    "file": "LICENSE",
    "shows": "MIT License",
}


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.start(None, None) as run:
        yield run


@pytest.fixture
def template(template_repository: Cli) -> Cli:
    """A repository whose ladder has its first commit as the only rung."""
    rung = {"commit": template_repository.git("rev-parse", "HEAD").strip(), "title": "one"}
    work = dict.fromkeys(("go-service", "rust-service", "rust-embedded"), WORK)
    path = template_repository.directory / LADDER
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"rungs": [rung], "work": work, "answer": ANSWER}))
    return template_repository


def security(template: Cli) -> Path:
    return template.directory / "templates/_partials/SECURITY.md"


def climbs(run: Run, origin: Path, domain: str) -> list[Climb]:
    snapshot = Snapshot.take(origin, run.directory)
    ladder = Ladder.take(snapshot, run.directory)
    return [
        Climb.of(run, ladder, snapshot.questionnaire, Row(domain), rung, work, {})
        for rung, work in ladder.of(domain)
    ]


def failures(climb: Climb) -> dict[str, str]:
    checks = climb.update(Subject(Path(), "", {})).checks
    return {check.name: check.detail for check in checks if check.status is not Status.PASSED}


def domains_of(commit: str) -> set[str]:
    """What could be built as of a commit."""
    command = ("git", "-C", str(ROOT), "show", f"{commit}:questions/domains.yml")
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return set(yaml.safe_load(shown)["domains"]["default"])


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_project_of_each_rung_is_updated_with_its_users_work(run: Run, domain: str) -> None:
    climbed = climbs(run, ROOT, domain)
    assert [climb.rung.commit for climb in climbed] == [
        rung["commit"] for rung in RUNGS if domain in domains_of(rung["commit"])
    ]
    for climb in climbed:
        assert failures(climb) == {}
        assert (climb.project / "LICENSE").read_text().startswith("MIT License")
        assert [name for name in climb.work.removed if (climb.project / name).exists()] == []


class Builder(Container):
    """An engine that goes through level build only, so that it is the update's turn soon."""

    def steps(self, level: Level) -> Sequence[Callable[[Subject], Findings]]:
        return super().steps(level) if level is Level.BUILD else ()


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
def test_level_update_builds_what_it_has_updated() -> None:
    docker = Docker.connect()
    with Run.start(docker, None) as run:
        engine = Builder(run, docker, "auto")
        verification = Verification(run, engine, Settings(source=ROOT), Silence())
        result = verification.row(Row("http-api"), Level.UPDATE).level(Level.UPDATE)
    told = {check.name: check.detail for check in result.findings.checks}
    assert result.status is Status.PASSED, told
    first, *others = (rung["title"] for rung in RUNGS)
    assert [name for name in told if name.endswith((": stage check", ": make image"))] == [
        f"{first}: stage check",
        f"{first}: make image",
    ]
    assert set(result.findings.notes) >= {f"{other}: alike, file by file, to {first}" for other in others}


def test_an_updated_project_is_built_unless_one_before_is_alike(run: Run, template: Cli) -> None:
    (climb,) = climbs(run, template.directory, "http-api")
    twin = replace(climb, rung=replace(climb.rung, title="two"), directory=climb.directory / "two")
    other = replace(
        twin,
        rung=replace(climb.rung, title="three"),
        work=replace(climb.work, added={"mine.txt": "otherwise\n"}),
        directory=climb.directory / "three",
    )
    built: list[Path] = []

    def build(subject: Subject) -> Findings:
        built.append(subject.root)
        return Findings()

    for one in (climb, twin, other):
        assert failures(one) == {}
        one.built(build, Subject(Path(), "", {}))
    assert built == [climb.project, other.project]


def test_a_change_of_the_template_and_the_users_work_meet(run: Run, template: Cli) -> None:
    security(template).write_text(security(template).read_text() + "\nImproved.\n")
    (climb,) = climbs(run, template.directory, "http-api")
    assert failures(climb) == {}
    text = (climb.project / "SECURITY.md").read_text()
    assert text.startswith("# Security of ours\n")
    assert text.endswith("\nImproved.\n")


def test_a_conflict_is_told_with_its_file(run: Run, template: Cli) -> None:
    security(template).write_text(security(template).read_text().replace("# Security", "# Safety"))
    (climb,) = climbs(run, template.directory, "http-api")
    told = failures(climb)
    assert "SECURITY.md: a conflict between the update and the user's work" in told["one: no conflict"]


def test_a_file_that_the_update_passed_over_is_told(run: Run, template: Cli) -> None:
    spine = template.directory / "copier.yml"
    spine.write_text(spine.read_text().replace("_exclude:", "_skip_if_exists: [.editorconfig]\n_exclude:"))
    settings = template.directory / "templates/_partials/editorconfig"
    settings.write_text(settings.read_text() + "# more\n")
    (climb,) = climbs(run, template.directory, "http-api")
    assert failures(climb) == {"one: for the rest like a new project": ".editorconfig"}


def test_work_that_a_rung_has_no_place_for_is_told(run: Run, template: Cli) -> None:
    path = template.directory / LADDER
    path.write_text(path.read_text().replace("- AGENTS.md", "- NONE.md"))
    (climb,) = climbs(run, template.directory, "http-api")
    assert failures(climb) == {"one: copier update": f"{LADDER}: there is no NONE.md to remove"}


def test_a_commit_beyond_a_shallow_clone_is_asked_for(run: Run, template: Cli, tmp_path: Path) -> None:
    commit(template, "Two")
    template.git("clone", "--quiet", "--depth=1", f"file://{template.directory}", tmp_path / "shallow")
    with pytest.raises(BadInput, match=r"lacks commit [0-9a-f]{40}; fetch it: git fetch --unshallow$"):
        climbs(run, tmp_path / "shallow", "http-api")


def test_a_template_without_a_ladder_is_told(run: Run, template_repository: Cli) -> None:
    with pytest.raises(BadInput, match=f"{LADDER}: no such file; it names the commits to update from"):
        climbs(run, template_repository.directory, "http-api")


def test_a_template_outside_git_is_told(run: Run, template: Cli) -> None:
    (template.directory / ".git").rename(template.directory.parent / "history")
    with pytest.raises(BadInput, match="no git repository, so there is nothing to update from"):
        climbs(run, template.directory, "http-api")


def test_a_template_whose_projects_nobody_works_on_is_told(run: Run, template: Cli) -> None:
    path = template.directory / LADDER
    path.write_text(path.read_text().replace("rust-service:", "rust-servant:"))
    with pytest.raises(BadInput, match="no work on projects of rust-service"):
        climbs(run, template.directory, "http-api")
