"""A project on disk: what it is made of, and how it gets to its place or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from bedplate.errors import BadInput, Refused
from bedplate.project import File, Project, check_free, publish, staging, tree


def staged(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "README.md").write_text("read\n")
    (directory / "cmd").mkdir()
    (directory / "cmd/main.go").write_text("package main\n")
    return directory


def test_lists_its_files_without_those_of_git(tmp_path: Path) -> None:
    project = Project(staged(tmp_path / "demo"))
    (project.root / ".git").mkdir()
    (project.root / ".git/HEAD").write_text("ref\n")
    (project.root / ".gitignore").write_text("bin\n")
    assert project.files() == (File(".gitignore", 4), File("README.md", 5), File("cmd/main.go", 13))


def test_draws_files_under_their_directories() -> None:
    lines = list(tree([File("a.txt", 1), File("b/c/d.txt", 12345), File("b/c/e.txt", 2)]))
    assert [line.split() for line in lines] == [
        ["a.txt", "1"],
        ["b/"],
        ["c/"],
        ["d.txt", "12,345"],
        ["e.txt", "2"],
    ]
    assert [len(line) - len(line.lstrip()) for line in lines] == [2, 2, 4, 6, 6]


def test_reads_the_recorded_answers(tmp_path: Path) -> None:
    (tmp_path / ".copier-answers.yml").write_text("_commit: 1.0.0\ndomain: http-api\n")
    assert Project(tmp_path).answers() == {"_commit": "1.0.0", "domain": "http-api"}


@pytest.mark.parametrize("record", [None, "- a\n", "a: [\n"])
def test_a_directory_without_a_record_is_no_project(tmp_path: Path, record: str | None) -> None:
    if record is not None:
        (tmp_path / ".copier-answers.yml").write_text(record)
    with pytest.raises(BadInput):
        Project(tmp_path).answers()


def test_takes_its_place_in_one_step(tmp_path: Path) -> None:
    with staging(tmp_path / "deep/demo") as workplace:
        project = publish(staged(workplace), tmp_path / "deep/demo")
    assert [file.path for file in project.files()] == ["README.md", "cmd/main.go"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["demo"]


def test_a_place_that_was_taken_meanwhile_stays_as_it_is(tmp_path: Path) -> None:
    destination = tmp_path / "demo"
    with pytest.raises(Refused, match="demo: "), staging(destination) as workplace:
        staged(workplace)
        destination.mkdir()
        (destination / "mine.txt").write_text("mine\n")
        publish(workplace, destination)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert [path.name for path in destination.iterdir()] == ["mine.txt"]


def test_a_directory_that_is_filled_gets_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = tmp_path / "demo"
    destination.mkdir()
    rename = Path.rename

    def fails_on_the_second(path: Path, target: Path) -> Path:
        if path.name == "cmd":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails_on_the_second)
    with pytest.raises(Refused, match="No space left on device"), staging(destination) as workplace:
        publish(staged(workplace), destination)
    assert list(destination.iterdir()) == []


def test_a_dangling_link_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "demo").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refused):
        check_free(tmp_path / "demo")
