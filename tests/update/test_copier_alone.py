"""Copier alone makes, remakes, checks and updates projects, and never asks for trust."""

from __future__ import annotations

import importlib.metadata
import os

import pytest
from copier_user import FLOOR, User, answers, commit, copy, release
from domains import DOMAINS
from shell import ROOT, Cli

UPDATE_AVAILABLE = 2


def improve(template: Cli) -> None:
    """A change of the template that reaches every project of the domain http-api."""
    fragment = template.directory / "templates/_partials/SECURITY.md"
    fragment.write_text(fragment.read_text() + "\nImproved.\n")
    (template.directory / "templates/go-service/NEWS.md").write_text("News.\n")


@pytest.mark.parametrize("domain", DOMAINS)
def test_copies_from_an_absolute_path(user: User, template_repository: Cli, domain: str) -> None:
    project = copy(user, template_repository.directory, domain=domain)
    assert answers(project)["_src_path"] == str(template_repository.directory)
    assert answers(project)["_commit"] == "1.0.0"


def test_copies_and_updates_from_a_git_url(user: User, template_repository: Cli) -> None:
    project = copy(user, f"git+file://{template_repository.directory}")
    improve(template_repository)
    release(template_repository, "1.1.0")
    assert project.copier("update", "--defaults").returncode == 0
    assert (project.directory / "NEWS.md").exists()
    assert answers(project)["_commit"] == "1.1.0"


def test_copies_and_updates_from_a_bundle(user: User, template_repository: Cli) -> None:
    bundle = user.directory / "template.bundle"
    template_repository.git("bundle", "create", bundle, "main", "--tags")
    project = copy(user, bundle)
    improve(template_repository)
    release(template_repository, "1.1.0")
    template_repository.git("bundle", "create", bundle, "main", "--tags")
    assert project.copier("update", "--defaults").returncode == 0
    assert (project.directory / "NEWS.md").exists()


def test_what_is_computed_is_not_recorded(user: User, template_repository: Cli) -> None:
    project = copy(user, template_repository.directory)
    assert {name for name in answers(project) if not name.startswith("_")} == {
        *("domain", "project_name", "description", "owner", "licence", "module_prefix"),
        *("database", "auth", "tracing", "deploy", "ci"),
    }


def test_an_update_keeps_what_the_user_changed(user: User, template_repository: Cli) -> None:
    project = copy(user, template_repository.directory, "--data", "licence=MIT")
    edited = project.directory / "SECURITY.md"
    edited.write_text(edited.read_text().replace("# Security\n", "# Security of the demo\n"))
    (project.directory / "mine.txt").write_text("mine\n")
    commit(project, "Edit")
    improve(template_repository)
    release(template_repository, "1.1.0")
    finished = project.copier("update", "--defaults")
    assert finished.returncode == 0, finished.stderr
    assert edited.read_text().startswith("# Security of the demo\n")
    assert edited.read_text().endswith("\nImproved.\n")
    assert (project.directory / "mine.txt").read_text() == "mine\n"
    assert (project.directory / "NEWS.md").read_text() == "News.\n"
    assert answers(project)["licence"] == "MIT"
    changed = project.git("status", "--porcelain").splitlines()
    assert sorted(line[3:] for line in changed) == [".copier-answers.yml", "NEWS.md", "SECURITY.md"]


def test_an_update_to_the_same_release_changes_nothing(user: User, template_repository: Cli) -> None:
    project = copy(user, template_repository.directory)
    assert project.copier("update", "--defaults").returncode == 0
    assert project.git("status", "--porcelain") == ""


def test_an_update_can_change_an_answer(user: User, template_repository: Cli) -> None:
    project = copy(user, template_repository.directory)
    finished = project.copier("update", "--defaults", "--data", "licence=MIT")
    assert finished.returncode == 0, finished.stderr
    assert (project.directory / "LICENSE").read_text().startswith("MIT License")


def test_a_recopy_restores_what_the_template_owns(user: User, template_repository: Cli) -> None:
    project = copy(user, template_repository.directory)
    (project.directory / "SECURITY.md").write_text("gone\n")
    commit(project, "Lose it")
    assert project.copier("recopy", "--defaults", "--overwrite").returncode == 0
    project.git("diff", "--exit-code", "HEAD~1")


def test_checks_for_an_update(user: User, template_repository: Cli) -> None:
    project = copy(user, template_repository.directory)
    assert project.copier("check-update", "--quiet").returncode == 0
    improve(template_repository)
    release(template_repository, "1.1.0")
    assert project.copier("check-update", "--quiet").returncode == UPDATE_AVAILABLE


def test_a_project_of_the_command_is_updated_by_copier(
    user: User, cli: Cli, template_repository: Cli
) -> None:
    made = cli.bedplate(
        *("new", "demo", "--domain", "http-api", "--defaults", "--git"),
        *("--source", template_repository.directory),
    )
    assert made.returncode == 0, made.stderr
    project = Cli(user.directory / "demo", user.environment)
    commit(project, "Start")
    improve(template_repository)
    release(template_repository, "1.1.0")
    assert project.copier("update", "--defaults").returncode == 0
    assert (project.directory / "NEWS.md").exists()


def test_the_command_works_on_every_copier_that_is_promised(user: User, template_repository: Cli) -> None:
    path = os.pathsep.join(filter(None, [user.environment["PYTHONPATH"], str(ROOT / "generator")]))
    source = template_repository.directory
    arguments = ("new", "demo", "--domain", "http-api", "--defaults", "--source", source)
    made = user.bedplate(*arguments, PYTHONPATH=path)
    assert made.returncode == 0, made.stderr
    refused = user.bedplate(*arguments[:-1], f"{source}-nowhere", PYTHONPATH=path)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr


def test_a_domain_must_be_given(user: User, template_repository: Cli) -> None:
    finished = user.copier("copy", "--defaults", template_repository.directory, "demo")
    assert finished.returncode != 0
    assert not (user.directory / "demo").exists()


@pytest.mark.parametrize(
    "answer",
    [
        "project_name=crate",
        "project_name=My Project",
        "project_name=v2",
        "module_prefix=Example.com",
        "module_prefix=gopkg.in",
        'description=The "best"',
        "owner=Ada\\",
        "licence=GPL",
    ],
)
def test_refuses_what_the_command_refuses(user: User, template_repository: Cli, answer: str) -> None:
    arguments = ("--data", "domain=http-api", "--data", answer)
    finished = user.copier("copy", "--defaults", *arguments, template_repository.directory, "demo")
    assert finished.returncode != 0
    assert not (user.directory / "demo").exists()


def test_the_working_tree_is_taken_only_when_asked_for(user: User, template_repository: Cli) -> None:
    improve(template_repository)
    copy(user, template_repository.directory)
    assert not (user.directory / "demo/NEWS.md").exists()
    finished = user.copier(
        *("copy", "--defaults", "--vcs-ref", "HEAD", "--data", "domain=http-api"),
        *(template_repository.directory, "dirty"),
    )
    assert finished.returncode == 0
    assert (user.directory / "dirty/NEWS.md").exists()


def test_an_older_copier_than_promised_is_refused(user: User, template_repository: Cli) -> None:
    spine = template_repository.directory / "copier.yml"
    spine.write_text(
        spine.read_text().replace('_min_copier_version: "9.19.1"', '_min_copier_version: "9.99.0"')
    )
    release(template_repository, "1.1.0")
    finished = user.copier(
        *("copy", "--defaults", "--data", "domain=http-api"), template_repository.directory, "demo"
    )
    assert finished.returncode != 0
    assert "requires Copier version >= 9.99.0" in finished.stderr


def test_the_floor_is_what_runs_as_the_floor(user: User, request: pytest.FixtureRequest) -> None:
    running = user.copier("--version").stdout.split()[-1]
    newest = importlib.metadata.version("copier")
    assert running == (FLOOR if request.node.callspec.params["user"] == "floor" else newest)
