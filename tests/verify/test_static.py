"""Level static as far as it only reads: the linters, and that build steps accept authorities."""

from __future__ import annotations

from pathlib import Path

import pytest
from bedplate.verify import static
from bedplate.verify.findings import Check, Status
from bedplate.verify.invariants import Tree
from bedplate.verify.static import Linter, lint
from tiny_project import MOUNT, TinyProject

AUTHORITIES = "build steps accept certificate authorities"


def checks(root: Path) -> dict[str, Check]:
    return {check.name: check for check in lint(root, Tree.read(root, "go-service")).checks}


def failed(root: Path) -> dict[str, str]:
    return {name: check.detail for name, check in checks(root).items() if check.status is Status.FAILED}


def test_a_faultless_project_passes_every_linter(tmp_path: Path) -> None:
    found = checks(TinyProject().write(tmp_path / "tiny"))
    assert {name: check.status for name, check in found.items()} == dict.fromkeys(
        ("hadolint", "shellcheck", "yamllint", AUTHORITIES), Status.PASSED
    )


@pytest.mark.parametrize(
    ("name", "text", "linter", "told"),
    [
        ("Dockerfile", "FROM a:1\nRUN cd /x && ls\n", "hadolint", "DL3003"),
        ("tools.Dockerfile", "FROM debian\n", "hadolint", "DL3006"),
        ("smoke.sh", "#!/bin/sh\nrm -rf $1/\n", "shellcheck", "SC2086"),
        ("run", "#!/usr/bin/env bash\nfor i in $(ls); do echo $i; done\n", "shellcheck", "SC2045"),
        ("deploy.yaml", "a: 1\na: 2\n", "yamllint", "duplication"),
        ("values.yml", "a:  1\n", "yamllint", "too many spaces"),
    ],
)
def test_a_fault_is_told_by_its_linter(tmp_path: Path, name: str, text: str, linter: str, told: str) -> None:
    found = failed(TinyProject(files={name: text}).write(tmp_path / "tiny"))
    assert set(found) == {linter}
    assert told in found[linter]
    assert name in found[linter]


@pytest.mark.parametrize(
    "step",
    [
        "make lint",
        "CGO_ENABLED=0 go build ./...",
        "apt-get update && cargo build --locked",
        "cd x; curl -O https://example.com",
        "--mount=type=cache,target=/root/.cache go test ./...",
        "--mount=type=secret,id=token,target=/run/token rustup target add x",
    ],
)
def test_a_step_that_fetches_has_to_accept_authorities(tmp_path: Path, step: str) -> None:
    dockerfile = f"FROM a:1\nRUN {step}\n"
    assert AUTHORITIES in failed(TinyProject(files={"Dockerfile": dockerfile}).write(tmp_path / "without"))
    accepting = f"FROM a:1\nRUN {MOUNT} \\\n    {step}\n"
    assert AUTHORITIES not in failed(TinyProject(files={"Dockerfile": accepting}).write(tmp_path / "with"))


@pytest.mark.parametrize("step", ["--network=none make dist", "install -d /make /go", "rm -rf /root/.cargo"])
def test_a_step_that_fetches_nothing_need_not(tmp_path: Path, step: str) -> None:
    project = TinyProject(files={"Dockerfile": f"FROM a:1\nRUN {step}\n"}).write(tmp_path / "tiny")
    assert AUTHORITIES not in failed(project)


def test_a_linter_that_is_not_installed_is_skipped_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = Linter("no-such-linter", "its-package", lambda file: True, lambda files: files)
    monkeypatch.setattr(static, "LINTERS", (absent,))
    found = checks(TinyProject().write(tmp_path / "tiny"))["no-such-linter"]
    assert (found.status, found.detail) == (Status.SKIPPED, "not installed: pip install its-package")
