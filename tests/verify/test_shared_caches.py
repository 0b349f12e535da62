"""Builds share the engine's caches, and never a binary: two projects that differ in one line of source."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bedplate.verify import sweep
from bedplate.verify.bases import Bases, resolve
from bedplate.verify.client import Client
from bedplate.verify.dockerfile import named_images
from shell import Cli

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]

# The file with the line, and what the line prints, up to where the two differ.
LINES = {
    "http-api": ("cmd/telemetry/main.go", "telemetry %s (revision"),
    "http-gateway": ("src/main.rs", "{} {VERSION} (revision"),
}


@pytest.mark.parametrize("domain", LINES)
def test_each_image_has_the_program_of_its_own_source(
    tmp_path: Path, user_environment: dict[str, str], domain: str
) -> None:
    """Built at the same time, with files of the same age, from caches that are warm for the first."""
    user = Cli(tmp_path, user_environment, within=1200)
    made = user.bedplate("new", "first", "--domain", domain, "--defaults", "--set", named(domain))
    assert made.returncode == 0, made.stderr
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(first, second)
    file, line = LINES[domain]
    change(second / file, line, line.replace("revision", "changed"))
    client = Client.find()
    bases = resolve("auto", named_images((first / "Dockerfile").read_text()), client=client)
    run = sweep.new_run_id()
    try:
        build(user, client, bases, first, run)
        with ThreadPoolExecutor() as pool:
            tags = list(pool.map(lambda project: build(user, client, bases, project, run), (first, second)))
        said = [user.run(client.path, "run", "--rm", tag, "version").stdout for tag in tags]
    finally:
        for project in (first, second):
            user.run(client.path, "image", "rm", "--force", tag_of(project, run))
    assert ["(revision" in said[0], "(changed" in said[0]] == [True, False]
    assert ["(revision" in said[1], "(changed" in said[1]] == [False, True]


def named(domain: str) -> str:
    return f"project_name={'telemetry' if domain == 'http-api' else 'gateway'}"


def change(path: Path, before: str, after: str) -> None:
    """Change a file, and leave its times as they were: cargo goes by them."""
    text, times = path.read_text(), path.stat()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def tag_of(project: Path, run: str) -> str:
    return f"bedplate-run-{run}:{project.name}"


def build(user: Cli, client: Client, bases: Bases, project: Path, run: str) -> str:
    tag = tag_of(project, run)
    flags = [*bases.flags_for(project), f"--label={sweep.LABEL}={run}", "--load", f"--tag={tag}"]
    built = user.run(client.path, "buildx", "build", *flags, project)
    assert built.returncode == 0, built.stderr[-2000:]
    return tag
