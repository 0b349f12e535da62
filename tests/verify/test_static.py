"""Level static on this machine's own linters, which files each of them reads, and our own rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bedplate.verify import linters, static
from bedplate.verify.engine import Subject
from bedplate.verify.findings import Check, Status
from bedplate.verify.invariants import File, Tree
from bedplate.verify.static import Linter, Order, orders, rules
from linted_files import FAULTLESS, FAULTS
from shell import ROOT
from tiny_project import MOUNT, TinyProject

AUTHORITIES = "build steps accept certificate authorities"


def checks(root: Path) -> dict[str, Check]:
    own = rules(Tree.read(root, "go-service"))
    linted = linters.lint_here(Subject(root, "tiny", {"template": "go-service"})).checks
    return {check.name: check for check in (*linted, own)}


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
    absent = Linter("no-such-linter", lambda file: True, lambda files: files, "pip install its-package")
    monkeypatch.setattr(static, "LINTERS", (absent,))
    found = checks(TinyProject().write(tmp_path / "tiny"))["no-such-linter"]
    assert (found.status, found.detail) == (Status.SKIPPED, "not installed: pip install its-package")


def test_the_linters_of_this_machine_are_told_with_their_versions(tmp_path: Path) -> None:
    project = TinyProject().write(tmp_path / "tiny")
    notes = linters.lint_here(Subject(project, "tiny", {"template": "go-service"})).notes
    assert len(notes) == 1
    assert re.fullmatch(
        r"linters of this machine: hadolint [\d.]+, shellcheck [\d.]+, yamllint [\d.]+", notes[0]
    )


def ordered(**files: str) -> dict[str, Order]:
    tree = Tree(tuple(File(path, text.encode()) for path, text in files.items()), "go-service")
    return {order.linter.told_as: order for order in orders(tree)}


def test_each_linter_reads_the_files_that_it_is_for() -> None:
    read = {name: set(order.command) & FAULTLESS.keys() for name, order in ordered(**FAULTLESS).items()}
    assert read == {
        "yamllint": {path for path in FAULTLESS if path.endswith((".yml", ".yaml"))},
        "actionlint": {".github/workflows/ci.yml"},
        "zizmor": {".github/workflows/ci.yml", ".github/dependabot.yml"},
        "schema of Dependabot": {".github/dependabot.yml"},
        "schema of Compose": {"compose.yaml"},
        "schema of GitLab CI": {".gitlab-ci.yml"},
        "schema of Renovate": {"renovate.json"},
        "kubernetes-validate": {"deploy/base/service.yaml"},
        "kustomize": set(),
        "promtool": {"alerts.yml"},
        "systemd-analyze": {"tiny.service"},
        "golangci-lint": set(),
        "buf": set(),
    }


def test_overlays_are_built_and_what_they_have_in_common_is_not() -> None:
    assert ordered(**FAULTLESS)["kustomize"].command == ("build-overlays", "deploy/prod")


def test_every_linter_is_seen_to_find_a_fault() -> None:
    seen_here = {"hadolint", "shellcheck", "yamllint"}
    assert seen_here | {fault.check for fault in FAULTS} == {linter.told_as for linter in static.LINTERS}


@pytest.mark.parametrize("text", ["a: [\n", "", "- 1\n", "groups: 1\n", "apiVersion: v1\n"])
def test_other_yaml_is_read_for_its_form_alone(text: str) -> None:
    assert set(ordered(**{"values.yaml": text})) == {"yamllint"}


def test_crates_are_held_to_what_make_deny_holds_them_to() -> None:
    verb = (ROOT / "templates/_partials/make/deny").read_text().splitlines()[1].split("$(CARGO_DENY) ")[1]
    assert (ROOT / "ci/linters/deny.Dockerfile").read_text().splitlines()[-1].strip() == f"cargo-deny {verb}"
