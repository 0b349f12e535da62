"""`update`: what a newer release brings, merged with what users made of the older one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from shell import Cli
from upkept import FIRST, QUESTIONS, Place, commit, placed, state


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
    assert place.repository.git("status", "--porcelain", "old.txt") == "UD old.txt\n"
    assert unmerged(place, "old.txt") == {"1": "old\n", "2": "old, and ours\n"}


def test_a_file_that_was_removed_and_is_given_anew_is_a_conflict_and_there(place: Place) -> None:
    place.remove("title.txt")
    before = state(place.repository)
    preview = place.project.bedplate("preview", "--json")
    assert (preview.returncode, json.loads(preview.stdout)["conflicts"]) == (1, ["title.txt"])
    assert state(place.repository) == before
    finished = place.project.bedplate("update")
    assert finished.returncode == 1
    assert "  C title.txt  conflict" in finished.stdout
    assert place.read("title.txt") == "The new title\n"
    assert place.repository.git("status", "--porcelain", "title.txt") == "DU title.txt\n"
    assert unmerged(place, "title.txt") == {"1": "The title\n", "3": "The new title\n"}


def test_a_conflict_over_a_removed_file_is_git_s_and_ends_as_the_user_decides(place: Place) -> None:
    place.remove("title.txt")
    assert place.project.bedplate("update").returncode == 1
    refused = place.project.bedplate("update")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "conflicts of an earlier update are left in title.txt; `git add` or `git rm`" in refused.stderr
    place.repository.git("rm", "--quiet", "title.txt")
    commit(place.repository, "Update")
    finished = place.project.bedplate("update")
    assert (finished.returncode, finished.stdout) == (0, "1.1.0: nothing to change\n")


@pytest.mark.parametrize("target", ["title.txt", "nowhere"])
def test_a_link_in_place_of_a_file_that_is_given_no_more_is_a_conflict_as_it_is(
    place: Place, target: str
) -> None:
    place.remove("old.txt")
    (place.project.directory / "old.txt").symlink_to(target)
    commit(place.repository, "Link")
    finished = place.project.bedplate("update")
    assert finished.returncode == 1, finished.stderr
    assert "  C old.txt  conflict" in finished.stdout
    assert (place.project.directory / "old.txt").readlink() == Path(target)
    assert unmerged(place, "old.txt") == {"1": "old\n", "2": target}
    stages = place.repository.git("ls-files", "--unmerged", "old.txt").splitlines()
    assert [stage.split()[0] for stage in stages] == ["100644", "120000"]


@pytest.mark.parametrize("instead", ["a file", "a link", "a link within"])
def test_nothing_is_brought_to_where_a_directory_was_replaced(
    place: Place, tmp_path: Path, instead: str
) -> None:
    outside, replaced = tmp_path / "outside", place.project.directory / "texts"
    outside.mkdir()
    (place.project.directory / "ours").mkdir()
    place.write("ours/guide.txt", "our own\n")
    newer = with_a_directory(place, tmp_path / "template")
    shutil.rmtree(replaced)
    if instead == "a file":
        replaced.write_text("in one file\n")
    else:
        replaced.symlink_to(outside if instead == "a link" else "ours")
    commit(place.repository, "Replace")
    for command in ("preview", "update"):
        finished = place.project.bedplate(command, "--source", newer, "--ref=2.1.0")
        assert finished.returncode == 0, finished.stderr
        told = [line for line in finished.stderr.splitlines() if "note: " in line]
        assert told == [
            f"bedplate: note: texts/{name}.txt: left out, since texts is no directory here"
            for name in ("guide", "more")
        ]
        assert list(outside.iterdir()) == []
    assert place.repository.git("status", "--porcelain").splitlines() == [" M .copier-answers.yml"]
    assert place.read("ours/guide.txt") == "our own\n"


def with_a_directory(place: Place, directory: Path) -> Path:
    """Update a project to a release that gives a directory, with a later one that changes what is in it."""
    shutil.copytree(place.template.directory, directory)
    newer = Cli(directory, place.template.environment)
    texts = directory / "template/texts"
    texts.mkdir()
    for name in ("gone", "guide", "same"):
        (texts / f"{name}.txt").write_text(f"{name}\n")
    commit(newer, "A directory")
    newer.git("tag", "2.0.0")
    finished = place.project.bedplate("update", "--source", directory, "--ref=2.0.0")
    assert finished.returncode == 0, finished.stderr
    commit(place.repository, "Update")
    (texts / "gone.txt").unlink()
    for name in ("guide", "more"):
        (texts / f"{name}.txt").write_text(f"new {name}\n")
    commit(newer, "What is in it")
    newer.git("tag", "2.1.0")
    return directory


def test_a_directory_in_place_of_a_file_is_left_as_it_is(place: Place) -> None:
    place.remove("title.txt")
    (place.project.directory / "title.txt").mkdir()
    place.write("title.txt/first", "Our title\n")
    finished = place.project.bedplate("update")
    assert finished.returncode == 0, finished.stderr
    assert "note: title.txt: left out, since title.txt is a directory here" in finished.stderr
    assert place.read("title.txt/first") == "Our title\n"


def test_nothing_is_brought_through_a_link_that_git_ignores(place: Place, tmp_path: Path) -> None:
    newer = with_a_directory(place, tmp_path / "template")
    (newer / "template/build").mkdir()
    (newer / "template/build/new.txt").write_text("new\n")
    commit(Cli(newer, place.template.environment), "Build")
    place.write(".gitignore", "build\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (place.project.directory / "build").symlink_to(outside)
    finished = place.project.bedplate("update", "--source", newer, "--ref=stem")
    assert finished.returncode == 0, finished.stderr
    assert "note: build/new.txt: git ignores it, and it was left as it is" in finished.stderr
    assert list(outside.iterdir()) == []


def test_a_file_that_was_removed_and_is_given_as_before_stays_away(place: Place) -> None:
    for path in ("ports.txt", "old.txt"):
        place.remove(path)
    finished = place.project.bedplate("update")
    assert finished.returncode == 0, finished.stdout
    assert not {"ports.txt", "old.txt"} & {path.name for path in place.project.directory.iterdir()}


def test_removed_files_are_conflicts_below_the_top_of_a_repository_as_well(
    tmp_path: Path, template: Cli, user_environment: dict[str, str]
) -> None:
    place = placed(template, tmp_path / "all", user_environment, "services/one")
    place.remove("title.txt")
    place.write("old.txt", "old, and ours\n")
    finished = place.project.bedplate("update")
    assert finished.returncode == 1
    assert [line for line in finished.stdout.splitlines() if line.startswith("  C ")] == [
        "  C old.txt  conflict",
        "  C title.txt  conflict",
    ]
    listed = place.repository.git("status", "--porcelain").splitlines()
    assert {"UD services/one/old.txt", "DU services/one/title.txt"} <= set(listed)


def test_a_file_that_was_removed_and_is_ignored_now_is_left_alone(place: Place) -> None:
    place.remove("title.txt")
    place.write(".gitignore", "title.txt\n")
    (place.project.directory / "title.txt").write_text("my own\n")
    finished = place.project.bedplate("update")
    assert finished.returncode == 0, finished.stdout
    assert place.read("title.txt") == "my own\n"
    assert "note: title.txt: git ignores it, and it was left as it is" in finished.stderr
    assert place.repository.git("ls-files", "--unmerged") == ""


def unmerged(place: Place, path: str) -> dict[str, str]:
    """What git has of a file in conflict: 1 what both had, 2 what is here, 3 what the template gives."""
    listed = place.repository.git("ls-files", "--unmerged", path).split("\n")[:-1]
    entries = [entry.partition("\t")[0].split() for entry in listed]
    return {stage: place.repository.git("cat-file", "blob", blob) for _, blob, stage in entries}


def test_a_conflict_is_one_for_git_as_well(place: Place) -> None:
    place.write("title.txt", "Our title\n")
    assert place.project.bedplate("update").returncode == 1
    assert "UU title.txt" in place.repository.git("status", "--porcelain")


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
