"""A user of plain copier, in any version that is promised."""

from __future__ import annotations

import yaml
from shell import ROOT, Cli

# 9.19.0 can't check out a local repository with the git of Debian 12.
FLOOR = yaml.safe_load((ROOT / "copier.yml").read_text().split("\n---\n")[0])["_min_copier_version"]


class User(Cli):
    """A user of plain copier in one version, without Bedplate's package."""


def copy(user: User, source: object, *arguments: str, domain: str = "http-api") -> Cli:
    """Make `demo` and commit it, as a user would."""
    finished = user.copier("copy", "--defaults", "--data", f"domain={domain}", *arguments, source, "demo")
    assert finished.returncode == 0, finished.stderr
    project = Cli(user.directory / "demo", user.environment)
    project.git("init", "--quiet")
    commit(project, "Start")
    return project


def commit(repository: Cli, subject: str) -> None:
    repository.git("add", "--all")
    repository.git("commit", "--quiet", f"--message={subject}")


def release(template: Cli, version: str) -> None:
    commit(template, version)
    template.git("tag", version)


def answers(project: Cli) -> dict[str, object]:
    return yaml.safe_load((project.directory / ".copier-answers.yml").read_text())
