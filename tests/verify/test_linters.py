"""The image of linters: each of them runs in it, in the version that is named, and finds what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bedplate.catalogue import Catalogue
from bedplate.verify.findings import Findings, Status
from bedplate.verify.levels import Level
from bedplate.verify.settings import Settings
from bedplate.verify.static import LINTERS
from bedplate.verify.verification import Verification
from linted_files import FAULTLESS, FAULTS, Fault
from shell import ROOT
from tiny_project import DOCKERFILE, TinyProject

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]


def linted(place: Path, files: dict[str, str]) -> Findings:
    """What level static finds in a tiny project with these files."""
    project = TinyProject(files=files).write(place / "tiny")
    with Verification.open(Settings(engine="container")) as verification:
        return verification.tree(project, Level.STATIC).level(Level.STATIC).findings


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> dict[Fault, str]:
    """What the check of each fault said: as many trees as there are faults in one file."""
    said, left = {}, list(FAULTS)
    while left:
        together = {fault.file: fault for fault in reversed(left)}
        files = {fault.file: fault.text for fault in together.values()}
        findings = linted(tmp_path_factory.mktemp("faulty"), FAULTLESS | files)
        failed = {check.name: check.detail for check in findings.checks if check.status is Status.FAILED}
        said |= {fault: failed.get(fault.check, "") for fault in together.values()}
        left = [fault for fault in left if fault not in said]
    return said


def test_a_faultless_tree_passes_every_linter_in_the_version_that_is_named(tmp_path: Path) -> None:
    # The workflows of this repository are held to what those of projects are held to.
    own = {
        f".github/workflows/own-{path.name}": path.read_text()
        for path in (ROOT / ".github/workflows").iterdir()
    }
    findings = linted(tmp_path, FAULTLESS | own)
    assert {check.name: check.status for check in findings.checks if not check.name.startswith("stage ")} == {
        **{linter.told_as: Status.PASSED for linter in LINTERS},
        "build steps accept certificate authorities": Status.PASSED,
    }, findings
    told = re.fullmatch(r"linters in bedplate/linters:bookworm-[0-9a-f]{12}: (.+)", findings.notes[0])
    assert told
    assert dict(one.split() for one in told[1].split(", ")) == Catalogue.load(ROOT).linters


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}: {fault.wrong}")
def test_a_fault_is_told_with_its_file(faulty: dict[Fault, str], fault: Fault) -> None:
    assert fault.told in faulty[fault]
    assert Path(fault.file).name in faulty[fault]


@pytest.mark.parametrize(("allowed", "status"), [("MIT", Status.PASSED), ("Apache-2.0", Status.FAILED)])
def test_crates_are_held_to_the_rules_of_their_project(tmp_path: Path, allowed: str, status: Status) -> None:
    image = Catalogue.load(ROOT).versions["rust"]["image"]
    files = {
        "Cargo.toml": '[package]\nname = "tiny"\nedition = "2024"\nlicense = "MIT"\n',
        "Cargo.lock": 'version = 4\n\n[[package]]\nname = "tiny"\nversion = "0.0.0"\n',
        "Dockerfile": f"FROM {image} AS rust\n{DOCKERFILE}",
        "deny.toml": f'[licenses]\nallow = ["{allowed}"]\n',
        "src/lib.rs": "//! Nothing.\n",
    }
    checks = {check.name: check for check in linted(tmp_path, files).checks}
    assert checks["cargo-deny"].status is status
    assert ("licenses FAILED" in checks["cargo-deny"].detail) is (status is Status.FAILED)
