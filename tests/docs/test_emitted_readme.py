"""What the README of an emitted project tells its user to type, as written."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from shell import Cli

ANSWERS = {
    "an issuer": ("auth=oidc",),
    "PostgreSQL": ("database=postgres", "tracing=false"),
    "a file": ("database=sqlite", "tracing=false"),
}
LEADS_TO_COMMANDS = r"^To start without that example:\n+```sh\n(.*?)^```$"


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
@pytest.mark.parametrize("which", ANSWERS)
def test_what_is_left_without_the_example_compiles(cli: Cli, template_tree: Path, which: str) -> None:
    options = [part for answer in ANSWERS[which] for part in ("--set", answer)]
    made = cli.bedplate(
        "new", "it", "--domain", "http-api", "--defaults", "--source", template_tree, *options
    )
    assert made.returncode == 0, made.stderr
    project = cli.directory / "it"
    found = re.search(LEADS_TO_COMMANDS, (project / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found
    run(project, found[1] + 'go vet ./...\ntest -z "$(gofmt -l .)"\n')
    assert not [path for path in project.rglob("*.go") if "internal/reading" in path.read_text()]
    assert not list(project.rglob("*.bak"))


def test_the_settings_that_a_container_is_given_are_there_and_reach_both_listeners(
    cli: Cli, template_tree: Path
) -> None:
    options = ("--source", template_tree, "--set", "deploy=none")
    made = cli.bedplate("new", "it", "--domain", "http-gateway", "--defaults", *options)
    assert made.returncode == 0, made.stderr
    project = cli.directory / "it"
    readme = (project / "README.md").read_text()
    before = re.search(r"^## Deploy it\n.*?^```sh\n(.*?)^docker run ", readme, re.MULTILINE | re.DOTALL)
    mounted = re.search(r'--volume "\$PWD/(\S+):/etc/it:ro"', readme)
    assert before and mounted
    run(project, before[1])
    settings = tomllib.loads((project / mounted[1] / "config.toml").read_text())
    assert (settings["listen"], settings["admin"]["listen"]) == ("0.0.0.0:8080", "0.0.0.0:9090")


def run(project: Path, script: str) -> None:
    """Run commands as they would be pasted into a terminal, up to the first that fails."""
    finished = subprocess.run(
        ["sh", "-eux"], cwd=project, input=script, capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.returncode == 0, finished.stderr
