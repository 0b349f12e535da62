"""The repository's own verbs, and what continuous integration calls."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shell import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
VERBS = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)


def test_make_alone_lists_every_verb() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert VERBS is not None
    assert re.findall(r"^  make ([\w-]+) ", listed.stdout, re.MULTILINE) == VERBS[1].split()


def test_recipes_are_at_most_two_lines() -> None:
    recipes = re.findall(r"^[\w$()]+:.*\n((?:\t.*\n?)+)", MAKEFILE, re.MULTILINE)
    assert recipes
    assert max(recipe.count("\n\t") + 1 for recipe in recipes) <= 2


def test_make_new_passes_a_destination_on_as_one_word() -> None:
    arguments = ["--no-print-directory", "--dry-run", "new", "DOMAIN=http-api"]
    named = subprocess.run(
        ["make", *arguments, "DEST=../two words"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "bedplate new '../two words' --domain http-api" in named.stdout
    unnamed = subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "bedplate new  --domain http-api" in unnamed.stdout


def test_make_verify_takes_every_pair_of_answers_unless_told_otherwise() -> None:
    arguments = ["make", "--no-print-directory", "--dry-run", "verify"]
    # `make test ARGS=…` hands its own on to every make below it.
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in {"ARGS", "MAKEFLAGS", "MAKEOVERRIDES"}
    }
    alone = subprocess.run(arguments, cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    assert "bedplate verify --rows pairwise --keep-going\n" in alone.stdout
    told = subprocess.run(
        [*arguments, "ARGS=http-api --level build"],
        cwd=ROOT,
        env=own,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bedplate verify http-api --level build\n" in told.stdout


@pytest.mark.parametrize("code", [0, 1, 7])
def test_ci_runs_make_test_with_nothing_to_read_and_keeps_its_exit_code(tmp_path: Path, code: int) -> None:
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "$PWD $* CI=$CI"\nread -r line && echo "read $line"\nexit {code}\n')
    make.chmod(0o755)
    ran = subprocess.run(
        [ROOT / ".ci" / "run"],
        cwd="/",
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        input="something\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (code, f"{ROOT} test CI=true\n")


@pytest.mark.parametrize(
    "script",
    ["ci/provision", ".ci/run", "ci/bases/debian/import.sh", "ci/bases/rust/rustup"],
)
def test_shell_scripts_are_clean_and_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run([shellcheck, script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.stdout == ""
