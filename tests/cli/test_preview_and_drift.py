"""`preview` and `drift`: what an update would do, and what was changed since, without doing anything."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from shell import Cli
from upkept import FIRST, Place, commit, state


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


def test_a_hook_may_ask_for_drift(place: Place) -> None:
    hook = place.project.directory / ".git/hooks/pre-commit"
    hook.write_text(f"#!/bin/sh\n{sys.executable} -m bedplate drift --json > ../told.json\n:\n")
    hook.chmod(0o755)
    (place.project.directory / "title.txt").write_text("Our title\n")
    place.repository.git("commit", "--quiet", "--message=Ours", "title.txt")
    told = json.loads((place.project.directory.parent / "told.json").read_text())
    assert (told["changed"], told["own"]) == (["title.txt"], [])


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
