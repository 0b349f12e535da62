"""What a rename in the questionnaire costs projects: of a question nothing, of a domain one answer."""

from __future__ import annotations

from pathlib import Path

from copier_user import User, answers, copy, release
from shell import Cli

OWNER = "default: The {{ project_name }} authors"
KEPT = "default: \"{{ owner | default('The ' ~ project_name ~ ' authors') }}\""


def substitute(template: Cli, file: str, *pairs: tuple[str, str]) -> None:
    path: Path = template.directory / file
    text = path.read_text()
    for search, replacement in pairs:
        assert search in text, (file, search)
        text = text.replace(search, replacement)
    path.write_text(text)


def rename_the_owner(template: Cli, default: str) -> None:
    """Ask for the `holder` where the `owner` was asked for."""
    substitute(
        template,
        "questions/project.yml",
        ("\nowner:\n", "\nholder:\n"),
        ("    owner:", "    holder:"),
        ("rules.owner", "rules.holder"),
        ("not owner ", "not holder "),
        ("in owner ", "in holder "),
        ("or owner ", "or holder "),
        (OWNER, default),
    )
    substitute(template, "templates/_partials/licences/Apache-2.0", ("{{ owner }}", "{{ holder }}"))
    substitute(template, "templates/_partials/licences/MIT", ("{{ owner }}", "{{ holder }}"))


def rename_the_domain(template: Cli) -> None:
    substitute(template, "questions/domains.yml", ("    http-api:\n", "    http-service:\n"))
    locks = template.directory / "locks/index.yml"
    locks.write_text(locks.read_text().replace("http-api", "http-service"))


def test_a_question_that_was_renamed_keeps_its_answer_through_its_default(
    user: User, template_repository: Cli
) -> None:
    project = copy(user, template_repository.directory, "--data", "owner=Ada Lovelace")
    rename_the_owner(template_repository, KEPT)
    release(template_repository, "2.0.0")
    finished = project.copier("update", "--defaults")
    assert finished.returncode == 0, finished.stderr
    recorded = answers(project)
    assert recorded["holder"] == "Ada Lovelace"
    assert "owner" not in recorded
    assert "Copyright Ada Lovelace" in (project.directory / "LICENSE").read_text()
    changed = project.git("status", "--porcelain").split()
    assert changed == ["M", ".copier-answers.yml"]


def test_the_answer_of_a_renamed_question_outlives_the_next_update_as_well(
    user: User, template_repository: Cli
) -> None:
    project = copy(user, template_repository.directory, "--data", "owner=Ada Lovelace")
    rename_the_owner(template_repository, KEPT)
    for version in ("2.0.0", "2.1.0"):
        (template_repository.directory / "templates/go-service/NEWS.md").write_text(f"{version}\n")
        release(template_repository, version)
        assert project.copier("update", "--defaults").returncode == 0
        project.git("add", "--all")
        project.git("commit", "--quiet", f"--message={version}")
    assert answers(project)["holder"] == "Ada Lovelace"


def test_a_domain_that_was_renamed_stops_the_update_until_it_is_answered_anew(
    user: User, template_repository: Cli
) -> None:
    """With a default for the domain, the project would silently become one of another language."""
    project = copy(user, template_repository.directory)
    rename_the_domain(template_repository)
    release(template_repository, "2.0.0")
    stopped = project.copier("update", "--defaults")
    assert stopped.returncode != 0
    assert 'Question "domain" is required' in stopped.stderr
    assert project.git("status", "--porcelain") == ""
    finished = project.copier("update", "--defaults", "--data", "domain=http-service")
    assert finished.returncode == 0, finished.stderr
    assert answers(project)["domain"] == "http-service"
    changed = project.git("status", "--porcelain").split()
    assert changed == ["M", ".copier-answers.yml", "M", "README.md"]  # which names the domain
