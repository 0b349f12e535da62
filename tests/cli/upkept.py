"""A small template, projects of it in all the places where git keeps them, and a user at work in one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shell import Cli

QUESTIONS = """\
_subdirectory: template
_skip_if_exists: [notes.md]
domain:
  type: str
  choices: [one]
port:
  type: int
  default: 80
  validator: "{% if port > 65535 %}at most 65535{% endif %}"
"""
FIRST = {
    "{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers|to_nice_yaml }}",
    "ports.txt.jinja": "http {{ port }}\n",
    "title.txt": "The title\n",
    "poem.txt": "".join(f"line {number}\n" for number in range(20)),
    "old.txt": "old\n",
    "notes.md": "Write here.\n",
}


@dataclass(frozen=True)
class Place:
    """A project in its repository, the template that it came from, and a user at work in the project."""

    template: Cli
    repository: Cli
    project: Cli

    def write(self, path: str, text: str) -> None:
        """Write a file of the project and commit it."""
        (self.project.directory / path).write_text(text)
        commit(self.repository, f"Write {path}")

    def remove(self, path: str) -> None:
        """Remove a file of the project and commit that."""
        (self.project.directory / path).unlink()
        commit(self.repository, f"Remove {path}")

    def read(self, path: str) -> str:
        """The text of a file of the project."""
        return (self.project.directory / path).read_text()


def commit(repository: Cli, subject: str) -> None:
    repository.git("add", "--all")
    repository.git("commit", "--quiet", f"--message={subject}")


def started(directory: Path, environment: dict[str, str]) -> Cli:
    directory.mkdir(parents=True, exist_ok=True)
    repository = Cli(directory, environment)
    repository.git("init", "--quiet", "--initial-branch=stem")
    return repository


def placed(template: Cli, directory: Path, environment: dict[str, str], prefix: str = "") -> Place:
    repository = started(directory, environment)
    project = repository.directory / prefix
    given = ("--vcs-ref=1.0.0", "--data=domain=one", "--defaults", "--quiet")
    made = repository.copier("copy", *given, template.directory, project)
    assert made.returncode == 0, made.stderr
    commit(repository, "Start")
    return Place(template, repository, Cli(project, environment))


def state(repository: Cli) -> tuple[str, ...]:
    """What must not change: files with their states, branches and tags, worktrees, what is staged."""
    return (
        repository.git("status", "--porcelain", "--ignored"),
        repository.git("for-each-ref"),
        repository.git("rev-parse", "HEAD"),
        repository.git("worktree", "list"),
        repository.git("ls-files", "--stage"),
        repository.git("stash", "list"),
    )
