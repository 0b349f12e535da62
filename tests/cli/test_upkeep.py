"""`update`, `preview` and `drift`: projects of a small template, in all the places where git keeps them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
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


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, user_environment: dict[str, str]) -> Cli:
    """A template with the releases 1.0.0 and 1.1.0, which changes one file, adds one and removes one."""
    repository = started(tmp_path_factory.mktemp("template") / "template", user_environment)
    files = repository.directory / "template"
    files.mkdir()
    (repository.directory / "copier.yml").write_text(QUESTIONS)
    for name, text in FIRST.items():
        (files / name).write_text(text)
    commit(repository, "One")
    repository.git("tag", "1.0.0")
    (files / "title.txt").write_text("The new title\n")
    (files / "poem.txt").write_text(FIRST["poem.txt"].replace("line 2\n", "line two\n"))
    (files / "notes.md").write_text("Write something here.\n")
    (files / "new.txt").write_text("new\n")
    (files / "old.txt").unlink()
    commit(repository, "Two")
    repository.git("tag", "1.1.0")
    return repository


def placed(template: Cli, directory: Path, environment: dict[str, str], prefix: str = "") -> Place:
    repository = started(directory, environment)
    project = repository.directory / prefix
    given = ("--vcs-ref=1.0.0", "--data=domain=one", "--defaults", "--quiet")
    made = repository.copier("copy", *given, template.directory, project)
    assert made.returncode == 0, made.stderr
    commit(repository, "Start")
    return Place(template, repository, Cli(project, environment))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, template: Cli, user_environment: dict[str, str]) -> Path:
    """A project of 1.0.0, to be copied."""
    place = tmp_path_factory.mktemp("start") / "project"
    placed(template, place, user_environment)
    return place


@pytest.fixture
def place(tmp_path: Path, start: Path, template: Cli, user_environment: dict[str, str]) -> Place:
    """A project of 1.0.0, committed, which the test may change."""
    shutil.copytree(start, tmp_path / "project")
    repository = Cli(tmp_path / "project", user_environment)
    return Place(template, repository, repository)


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


def test_an_update_brings_the_new_files_and_keeps_the_users_lines(place: Place) -> None:
    place.write("poem.txt", FIRST["poem.txt"].replace("line 17\n", "line seventeen\n"))
    finished = place.project.bedplate("update")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == [
        "1.0.0 to 1.1.0: 1 new, 1 removed, 3 changed",
        "  M .copier-answers.yml",
        "  D old.txt",
        "  M poem.txt",
        "  M title.txt",
        "  A new.txt",
        "",
        "Next:  git diff",
    ]
    poem = place.read("poem.txt")
    assert "line two\n" in poem
    assert "line seventeen\n" in poem
    assert place.read("notes.md") == "Write here.\n"
    assert not (place.project.directory / "old.txt").exists()


def test_an_update_to_the_same_release_has_nothing_to_change(place: Place) -> None:
    assert place.project.bedplate("update").returncode == 0
    commit(place.repository, "Update")
    finished = place.project.bedplate("update")
    assert (finished.returncode, finished.stdout) == (0, "1.1.0: nothing to change\n")


def test_a_conflict_is_named_and_ends_with_one(place: Place) -> None:
    place.write("title.txt", "Our title\n")
    finished = place.project.bedplate("update")
    assert finished.returncode == 1
    assert "  C title.txt  conflict" in finished.stdout
    assert "resolve the conflicts" in finished.stdout
    assert "Our title" in place.read("title.txt")
    assert "The new title" in place.read("title.txt")
    commit(place.repository, "Take it as it is")
    place.repository.git("config", "grep.patternType", "fixed")
    again = place.project.bedplate("update")
    assert (again.returncode, again.stdout) == (4, "")
    assert "conflicts of an earlier update are left in title.txt" in again.stderr


def test_an_answer_can_be_changed_with_the_update(place: Place) -> None:
    assert place.project.bedplate("update", "--set", "port=8080").returncode == 0
    assert place.read("ports.txt") == "http 8080\n"


def test_answers_that_cannot_stand_are_told_together_and_nothing_is_done(place: Place) -> None:
    before = state(place.repository)
    finished = place.project.bedplate("update", "--set", "port=65536", "--set", "prot=1")
    assert finished.returncode == 2
    assert finished.stderr.splitlines() == [
        "bedplate: --set prot=1: no such question; did you mean port?",
        "bedplate: --set port=65536: at most 65535",
    ]
    assert state(place.repository) == before


def test_a_preview_is_the_diff_of_the_update_and_changes_nothing(place: Place) -> None:
    place.write("poem.txt", FIRST["poem.txt"].replace("line 17\n", "line seventeen\n"))
    before = state(place.repository)
    preview = place.project.bedplate("preview")
    assert preview.returncode == 0, preview.stderr
    assert state(place.repository) == before
    assert preview.stderr.startswith("1.0.0 to 1.1.0: 1 new, 1 removed, 3 changed\n")
    (place.repository.directory.parent / "patch").write_text(preview.stdout)
    other = place.repository.directory.parent / "patched"
    place.repository.git("clone", "--quiet", ".", other)
    patched = Cli(other, place.repository.environment)
    patched.git("apply", "--index", "../patch")
    assert place.project.bedplate("update").returncode == 0
    place.repository.git("add", "--all")
    assert patched.git("write-tree") == place.repository.git("write-tree")


def test_a_preview_is_exact_for_every_kind_of_line_and_name(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.template.directory, tmp_path / "template")
    newer = Cli(tmp_path / "template", place.template.environment)
    contents = {"ends.txt": b"a\r\nb\rc\x0cd\n", "name with ü.bin": b"\x00\xff\x01" * 50}
    for name, content in contents.items():
        (newer.directory / "template" / name).write_bytes(content)
    commit(newer, "Three")
    newer.git("tag", "1.2.0")
    with (tmp_path / "patch").open("wb") as patch:
        command = [sys.executable, "-m", "bedplate", "preview", "--source", str(newer.directory)]
        subprocess.run(
            command, cwd=place.project.directory, env=place.project.environment, stdout=patch, check=True
        )
    place.project.git("apply", "../patch")
    assert {name: (place.project.directory / name).read_bytes() for name in contents} == contents


def test_a_preview_names_conflicts_as_the_update_would(place: Place) -> None:
    place.write("title.txt", "Our title\n")
    before = state(place.repository)
    finished = place.project.bedplate("preview", "--json")
    assert finished.returncode == 1
    told = json.loads(finished.stdout)
    assert told["conflicts"] == ["title.txt"]
    assert "+>>>>>>> after updating" in told["diff"]
    assert state(place.repository) == before


def test_a_preview_of_unfinished_work_says_what_it_leaves_out(place: Place) -> None:
    (place.project.directory / "poem.txt").write_text("mine\n")
    before = state(place.repository)
    finished = place.project.bedplate("preview")
    assert finished.returncode == 0
    assert "what is not committed is not in this preview" in finished.stderr
    assert state(place.repository) == before
    assert place.read("poem.txt") == "mine\n"


def test_unfinished_work_is_not_updated(place: Place) -> None:
    for number in range(5):
        (place.project.directory / f"{number}.txt").write_text("mine\n")
    before = state(place.repository)
    finished = place.project.bedplate("update")
    assert finished.returncode == 4
    assert "not committed: 0.txt, 1.txt, 2.txt and 2 more; commit or stash first" in finished.stderr
    assert state(place.repository) == before


def test_a_project_within_a_larger_repository_is_updated_alone(
    tmp_path: Path, template: Cli, user_environment: dict[str, str]
) -> None:
    place = placed(template, tmp_path / "all", user_environment, "services/one")
    place.write("title.txt", "Our title\n")
    (place.repository.directory / "beside.txt").write_text("not committed, and not of this project\n")
    preview = place.repository.bedplate("preview", "services/one", "--json")
    assert json.loads(preview.stdout)["conflicts"] == ["title.txt"]
    finished = place.repository.bedplate("update", "services/one", "--json")
    assert finished.returncode == 1, finished.stderr
    told = json.loads(finished.stdout)
    assert told["conflicts"] == ["title.txt"]
    assert ["A", "new.txt"] in told["changes"]
    assert place.read("new.txt") == "new\n"
    assert not (place.repository.directory / "new.txt").exists()


def test_without_a_branch_and_in_a_linked_worktree_it_works_as_well(place: Place, tmp_path: Path) -> None:
    place.repository.git("worktree", "add", "--quiet", "--detach", tmp_path / "linked")
    linked = Cli(tmp_path / "linked", place.repository.environment)
    preview = linked.bedplate("preview")
    assert preview.returncode == 0, preview.stderr
    finished = linked.bedplate("update")
    assert finished.returncode == 0, finished.stderr
    assert (linked.directory / "new.txt").is_file()


def test_a_shallow_clone_of_the_project_is_enough(place: Place, tmp_path: Path) -> None:
    place.write("poem.txt", FIRST["poem.txt"].replace("line 17\n", "line seventeen\n"))
    place.repository.git("clone", "--quiet", "--depth=1", f"file://{place.project.directory}", tmp_path / "s")
    shallow = Cli(tmp_path / "s", place.repository.environment)
    assert shallow.bedplate("preview").returncode == 0
    finished = shallow.bedplate("update")
    assert finished.returncode == 0, finished.stderr
    assert "line seventeen\n" in (shallow.directory / "poem.txt").read_text()


def test_a_template_without_its_history_is_told(place: Place, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    place.repository.git("clone", "--quiet", "--depth=1", f"file://{place.template.directory}", shallow)
    before = state(place.repository)
    for command in ("update", "preview", "drift"):
        finished = place.project.bedplate(command, "--source", shallow)
        assert finished.returncode == 2, finished.stdout
        assert f"{shallow}: has no 1.0.0, of which the project was made; fetch its history" in finished.stderr
    assert state(place.repository) == before


def test_a_sparse_checkout_without_a_part_of_the_project_is_refused(
    tmp_path: Path, template: Cli, user_environment: dict[str, str]
) -> None:
    place = placed(template, tmp_path / "all", user_environment, "services/one")
    place.repository.git("sparse-checkout", "set", "--no-cone", "/*", "!/services/one/poem.txt")
    for command in ("update", "preview", "drift"):
        finished = place.project.bedplate(command)
        assert finished.returncode == 4, finished.stdout
        assert (
            "a sparse checkout leaves out poem.txt; get it: git sparse-checkout add services/one/"
            in finished.stderr
        )
    place.repository.git("sparse-checkout", "set", "services/one")
    assert place.project.bedplate("preview").returncode == 0


def test_a_template_that_moved_is_named_with_source(place: Place, tmp_path: Path) -> None:
    record = place.read(".copier-answers.yml")
    gone = record.replace(str(place.template.directory), str(tmp_path / "gone"))
    assert gone != record
    place.write(".copier-answers.yml", gone)
    finished = place.project.bedplate("update")
    assert finished.returncode == 2
    assert "the template is not there any more; say where it is with --source REPO" in finished.stderr
    finished = place.project.bedplate("update", "--source", place.template.directory)
    assert finished.returncode == 0, finished.stderr
    now = yaml.safe_load(place.read(".copier-answers.yml"))
    assert (now["_src_path"], now["_commit"]) == (str(place.template.directory), "1.1.0")


def test_an_update_that_fails_half_way_leaves_the_project_as_it_was(place: Place, tmp_path: Path) -> None:
    place.write(".gitignore", "build\n")
    (place.project.directory / "build").write_text("of an hour\n")
    shutil.copytree(place.template.directory, tmp_path / "template")
    broken = Cli(tmp_path / "template", place.template.environment)
    (broken.directory / "template/zoo.txt.jinja").write_text("{{ port.what.is_this }}\n")
    commit(broken, "Three")
    broken.git("tag", "1.2.0")
    before = state(place.repository)
    finished = place.project.bedplate("update", "--source", broken.directory)
    assert finished.returncode == 2, finished.stdout
    assert "has no attribute 'what'" in finished.stderr
    assert state(place.repository) == before
    assert place.read("build") == "of an hour\n"


def test_what_is_beside_the_project_is_left_alone(
    tmp_path: Path, template: Cli, user_environment: dict[str, str]
) -> None:
    place = placed(template, tmp_path / "all", user_environment, "services/one")
    beside = place.repository.directory / "beside.txt"
    beside.write_text("committed\n")
    commit(place.repository, "Beside")
    beside.write_text("not committed\n")
    beside.with_suffix(".txt.rej").write_text("rejected\n")
    assert place.project.bedplate("update").returncode == 0
    assert beside.read_text() == "not committed\n"
    assert beside.with_suffix(".txt.rej").read_text() == "rejected\n"


def test_a_file_that_git_ignores_is_left_alone_and_named(place: Place) -> None:
    place.write(".gitignore", "new.txt\nnode_modules\n")
    (place.project.directory / "new.txt").write_text("my own\n")
    modules = place.project.directory / "node_modules"
    modules.mkdir()
    (modules / "fixture.txt").write_text("<<<<<<< before updating\n>>>>>>> after updating\n")
    (modules / "a.rej").write_text("")
    finished = place.project.bedplate("update")
    assert finished.returncode == 0, finished.stdout
    assert place.read("new.txt") == "my own\n"
    assert "note: new.txt: git ignores it, and it was left as it is" in finished.stderr
    assert sorted(path.name for path in modules.iterdir()) == ["a.rej", "fixture.txt"]


def test_a_file_that_was_changed_and_is_given_no_more_is_a_conflict_and_stays(place: Place) -> None:
    place.write("old.txt", "old, and ours\n")
    for command in ("preview", "update"):
        finished = place.project.bedplate(command)
        assert finished.returncode == 1
        assert "C old.txt  conflict" in finished.stdout + finished.stderr
    assert place.read("old.txt") == "old, and ours\n"


def test_a_conflict_is_one_for_git_as_well(place: Place) -> None:
    place.write("title.txt", "Our title\n")
    assert place.project.bedplate("update").returncode == 1
    assert "UU title.txt" in place.repository.git("status", "--porcelain")


def test_a_hook_may_ask_for_drift(place: Place) -> None:
    hook = place.project.directory / ".git/hooks/pre-commit"
    hook.write_text(f"#!/bin/sh\n{sys.executable} -m bedplate drift --json > ../told.json\n:\n")
    hook.chmod(0o755)
    (place.project.directory / "title.txt").write_text("Our title\n")
    place.repository.git("commit", "--quiet", "--message=Ours", "title.txt")
    told = json.loads((place.project.directory.parent / "told.json").read_text())
    assert (told["changed"], told["own"]) == (["title.txt"], [])


def test_a_renamed_question_takes_over_the_old_answer(place: Place, tmp_path: Path) -> None:
    assert place.project.bedplate("update", "--set", "port=8443").returncode == 0
    commit(place.repository, "Update")
    shutil.copytree(place.template.directory, tmp_path / "template")
    newer = Cli(tmp_path / "template", place.template.environment)
    renamed = (
        QUESTIONS.replace("port:", "http_port:")
        .replace("default: 80", 'default: "{{ port | default(80) }}"')
        .replace("port > 65535 %}at most 65535", "http_port < 1000 %}at least 1000")
    )
    (newer.directory / "copier.yml").write_text(renamed)
    (newer.directory / "template/ports.txt.jinja").write_text("http {{ http_port }}\n")
    commit(newer, "Three")
    newer.git("tag", "1.2.0")
    finished = place.project.bedplate("update", "--source", newer.directory)
    assert finished.returncode == 0, finished.stderr
    assert place.read("ports.txt") == "http 8443\n"


def test_an_older_release_is_refused(place: Place) -> None:
    assert place.project.bedplate("update").returncode == 0
    commit(place.repository, "Update")
    before = state(place.repository)
    finished = place.project.bedplate("update", "--ref", "1.0.0")
    assert finished.returncode == 2
    assert "downgrading from 1.1.0 to 1.0.0" in finished.stderr
    assert state(place.repository) == before


@pytest.mark.parametrize("command", ["update", "preview", "drift"])
def test_a_place_without_a_project_is_told(cli: Cli, command: str) -> None:
    finished = cli.bedplate(command)
    assert finished.returncode == 2
    assert "not an emitted project: .copier-answers.yml can't be read" in finished.stderr


@pytest.mark.parametrize("command", ["update", "preview"])
def test_a_project_without_a_repository_or_a_commit_is_refused(place: Place, command: str) -> None:
    shutil.rmtree(place.project.directory / ".git")
    finished = place.project.bedplate(command)
    assert (finished.returncode, "not in a git repository" in finished.stderr) == (4, True)
    place.project.git("init", "--quiet")
    finished = place.project.bedplate(command)
    assert (finished.returncode, "nothing is committed yet" in finished.stderr) == (4, True)


@pytest.mark.parametrize("command", ["update", "preview"])
def test_a_release_that_is_not_there_is_told(place: Place, command: str) -> None:
    before = state(place.repository)
    finished = place.project.bedplate(command, "--ref", "9.9.9")
    assert finished.returncode == 2
    assert "--ref 9.9.9: no such branch, tag or commit" in finished.stderr
    assert state(place.repository) == before


def test_drift_tells_whose_files_are_whose(place: Place) -> None:
    assert place.project.bedplate("drift").returncode == 0
    place.write("title.txt", "Our title\n")
    place.write("notes.md", "Written.\n")
    place.write("ours.txt", "ours\n")
    (place.project.directory / "old.txt").unlink()
    (place.project.directory / "poem.txt").chmod(0o755)
    finished = place.project.bedplate("drift", "--json")
    assert finished.returncode == 1
    told = json.loads(finished.stdout)
    assert told["version"] == "1.0.0"
    assert told["same"] == ["ports.txt"]
    assert told["changed"] == ["poem.txt", "title.txt"]
    assert told["removed"] == ["old.txt"]
    assert told["kept"] == ["notes.md"]
    assert told["own"] == ["ours.txt"]
    shown = place.project.bedplate("drift", "--diff").stdout
    assert "poem.txt: is executable now" in shown
    assert "--- a/title.txt\n+++ b/title.txt\n" in shown
    assert "-The title\n+Our title\n" in shown
    assert place.project.bedplate("drift").stdout.splitlines()[-1] == "Your own: 1 files."


def test_drift_does_without_git_history(place: Place) -> None:
    shutil.rmtree(place.project.directory / ".git")
    place.project.directory.joinpath("title.txt").write_text("Our title\n")
    finished = place.project.bedplate("drift", "--json")
    assert json.loads(finished.stdout)["changed"] == ["title.txt"]
