"""Proofs: kept of what passed as a whole, found for exactly the same, and told as what they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bedplate.verify.findings import Check, Figure, Findings, Status
from bedplate.verify.levels import Level, LevelResult, Proof
from bedplate.verify.proofs import Claim, Proofs, tree_digest, verifier_digest
from bedplate.verify.report import junit
from bedplate.verify.report_table import footer, plain
from bedplate.verify.rows import Row
from test_report import report, row
from tiny_project import TinyProject
from verify_user import User

CLAIM = Claim("tree", "answers", "verifier", "container: Docker 26, amd64", {"golang:1.26": "sha256:1"})
PROOF = Proof("here.0123abcd", datetime(2026, 11, 24, 12, 30, tzinfo=UTC))
OK = Check("make check", Status.PASSED, seconds=1.5)
SIZE = Figure("image size", 11.8, "MB", 18)
GREEN = (
    LevelResult(Level.RENDER, Findings((OK,)), 1.0),
    LevelResult(Level.STATIC, Findings((OK,), notes=("said",)), 2.0),
    LevelResult(Level.BUILD, Findings((OK, OK), (SIZE,)), 3.0),
)
SKIP = Check("hadolint", Status.SKIPPED, "not installed")
RED = Check("make image", Status.FAILED, "exit code 2")


@pytest.fixture
def proofs(tmp_path: Path) -> Proofs:
    return Proofs(tmp_path / "cache/proofs")


def changed(level: int, findings: Findings) -> tuple[LevelResult, ...]:
    return (*GREEN[:level], replace(GREEN[level], findings=findings), *GREEN[level + 1 :])


def test_what_was_proved_is_found_again_with_the_run_that_did(proofs: Proofs) -> None:
    assert proofs.find(CLAIM, Level.BUILD) == ()
    proofs.keep(CLAIM, GREEN, PROOF)
    found = proofs.find(CLAIM, Level.BUILD)
    assert found == tuple(replace(result, seconds=0.0, proof=PROOF) for result in GREEN[1:])
    assert proofs.find(CLAIM, Level.STATIC) == found[:1]


def test_level_update_is_done_anew_on_what_was_proved(proofs: Proofs) -> None:
    rest = (LevelResult(Level.RUN, Findings((OK,))), LevelResult(Level.UPDATE, Findings((OK,))))
    proofs.keep(CLAIM, (*GREEN, *rest), PROOF)
    found = proofs.find(CLAIM, Level.UPDATE)
    assert [result.level for result in found] == [Level.STATIC, Level.BUILD, Level.RUN]


def test_a_row_is_taken_as_a_whole(proofs: Proofs) -> None:
    """What is proved up to build does not spare level run its build, which leaves an image behind."""
    proofs.keep(CLAIM, GREEN, PROOF)
    assert proofs.find(CLAIM, Level.RUN) == ()


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize(
    "findings",
    [Findings((OK, SKIP)), Findings((OK, RED)), Findings((OK,), (replace(SIZE, value=18.1),)), Findings()],
    ids=["skipped", "failed", "over budget", "nothing tried"],
)
def test_a_row_that_is_not_proved_as_a_whole_leaves_no_proof(
    proofs: Proofs, level: int, findings: Findings
) -> None:
    proofs.keep(CLAIM, changed(level, findings), PROOF)
    assert not proofs.directory.exists()


@pytest.mark.parametrize(
    "other",
    [
        replace(CLAIM, tree="other"),
        replace(CLAIM, answers="other"),
        replace(CLAIM, verifier="other"),
        replace(CLAIM, engine="container: Docker 27, amd64"),
        replace(CLAIM, bases={"golang:1.26": "sha256:2"}),
        replace(CLAIM, bases={}),
    ],
    ids=["tree", "answers", "verifier", "engine", "base image", "no base image"],
)
def test_a_proof_holds_for_the_same_only(proofs: Proofs, other: Claim) -> None:
    proofs.keep(CLAIM, GREEN, PROOF)
    assert proofs.find(other, Level.BUILD) == ()


def test_a_proof_under_another_name_does_not_hold(proofs: Proofs) -> None:
    proofs.keep(CLAIM, GREEN, PROOF)
    other = replace(CLAIM, tree="other")
    for level in (Level.STATIC, Level.BUILD):
        (proofs.directory / f"{CLAIM.key(level)}.json").rename(proofs.directory / f"{other.key(level)}.json")
    assert proofs.find(other, Level.BUILD) == ()


def halved(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def whitewashed(file: Path) -> None:
    content = json.loads(file.read_text())
    content["findings"]["checks"][0]["name"] = "make everything"
    file.write_text(json.dumps(content))


def blocked(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        halved,
        whitewashed,
        blocked,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\xff\x00"),
        lambda file: file.write_text("[]"),
        lambda file: file.write_text('{"digest": 1}'),
        lambda file: file.unlink(),
    ],
    ids=["half", "edited", "directory", "empty", "binary", "list", "no content", "gone"],
)
@pytest.mark.parametrize("level", [Level.STATIC, Level.BUILD])
def test_a_damaged_proof_is_none(proofs: Proofs, level: Level, damage: Callable[[Path], object]) -> None:
    proofs.keep(CLAIM, GREEN, PROOF)
    damage(proofs.directory / f"{CLAIM.key(level)}.json")
    assert proofs.find(CLAIM, Level.BUILD) == ()


def test_a_proof_is_written_at_once_or_not_at_all(proofs: Proofs) -> None:
    """Where the place of a proof is taken, no part of one is left beside it."""
    taken = proofs.directory / f"{CLAIM.key(Level.STATIC)}.json"
    taken.mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        proofs.keep(CLAIM, GREEN, PROOF)
    assert list(proofs.directory.iterdir()) == [taken]


def test_what_was_reused_is_not_proved_anew(proofs: Proofs) -> None:
    proofs.keep(CLAIM, GREEN, PROOF)
    again = (GREEN[0], *proofs.find(CLAIM, Level.BUILD))
    proofs.keep(CLAIM, again, replace(PROOF, run="here.89abcdef"))
    assert {result.proof for result in proofs.find(CLAIM, Level.BUILD)} == {PROOF}


def append(file: Path) -> None:
    file.write_text(f"{file.read_text()}# more\n")


def linked(file: Path) -> None:
    target = file.with_name("target")
    file.rename(target)
    file.symlink_to("target")


@pytest.mark.parametrize(
    "change",
    [
        append,
        linked,
        lambda file: file.chmod(0o755),
        lambda file: file.rename(file.with_name("renamed")),
        lambda file: file.unlink(),
        lambda file: file.with_name("new").write_text("new\n"),
        lambda file: append(file.with_name(".copier-answers.yml")),
        lambda file: file.with_name(".copier-answers.yml").write_text("domain: http-gateway\n"),
    ],
    ids=["line", "link", "executable", "name", "gone", "new", "comment", "answer"],
)
def test_a_digest_tells_trees_apart(
    tmp_path: Path, change: Callable[[Path], object], request: pytest.FixtureRequest
) -> None:
    root = TinyProject().write(tmp_path / "tiny")
    before = tree_digest(root)
    change(root / "Makefile")
    same = request.node.callspec.id == "comment"
    assert (tree_digest(root) == before) is same


def test_where_a_tree_came_from_makes_no_difference(tmp_path: Path) -> None:
    root = TinyProject().write(tmp_path / "tiny")
    before = tree_digest(root)
    answers = root / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace('"1"', "v2").replace("/srv/bedplate", "/elsewhere"))
    assert tree_digest(root) == before


@pytest.mark.parametrize("name", ["package/verify/probe/drain.py", "template/contract/http.json"])
def test_another_verifier_is_another_claim(tmp_path: Path, name: str) -> None:
    for number, content in enumerate(("x = 1\n", "x = 2\n")):
        file = tmp_path / str(number) / name
        file.parent.mkdir(parents=True)
        file.write_text(content)
    first, second = (verifier_digest(tmp_path / n / "package", tmp_path / n / "template") for n in "01")
    assert first != second


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"BEDPLATE_PROOFS": "/srv/proofs", "XDG_CACHE_HOME": "/var/cache/ada"}, Path("/srv/proofs")),
        ({"XDG_CACHE_HOME": "/var/cache/ada"}, Path("/var/cache/ada/bedplate/proofs")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/bedplate/proofs"),
        ({}, Path.home() / ".cache/bedplate/proofs"),
    ],
)
def test_proofs_are_kept_in_the_users_cache(environment: dict[str, str], place: Path) -> None:
    assert Proofs.usual(environment).directory == place


def test_what_is_reused_is_told_apart_from_what_ran() -> None:
    levels = (GREEN[0], *(replace(result, seconds=0.0, proof=PROOF) for result in GREEN[1:]))
    case = replace(report(row("http-api", *levels)), upto=Level.BUILD)
    name = Row("http-api").id
    assert next(line for line in plain(case) if line.startswith(name)).split("  ")[1:] == [
        "ok 1.0 s",
        "ok, reused",
        "ok, reused",
    ]
    told = f"reused from 2026-11-24 12:30:00+00:00, run here.0123abcd: {name} (static, build)"
    assert told in footer(case)
    outputs = [
        suite.get("classname")
        for suite in junit(case).iter("testcase")
        if suite.find("system-out") is not None
    ]
    assert outputs == [f"{name}.static", *[f"{name}.build"] * 3]
    assert {case.get("time") for case in junit(case).iter("testcase")} == {"0.000", "1.500"}


engine = pytest.mark.engine
group = pytest.mark.xdist_group("engine")


def verified(user: User, directory: Path, *arguments: object, **extra: str) -> dict[str, object]:
    """The levels of the one row of a run that has to pass, by name."""
    finished = user.verify(*arguments, "--report", directory, **extra)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    content = json.loads((directory / "report.json").read_text())
    levels = {level["level"]: level["reused"] for level in content["rows"][0]["levels"]}
    return {"run": content["run"], "text": finished.stdout, **levels}


@engine
@group
def test_a_project_is_not_built_again_when_that_is_wanted(user: User, tmp_path: Path) -> None:
    project = TinyProject(check="date +%N").write(tmp_path / "tiny")
    arguments = ("--project", project, "--level", "build")
    first = verified(user, tmp_path / "1", *arguments, "--reuse")
    second = verified(user, tmp_path / "2", *arguments, "--reuse")
    third = verified(user, tmp_path / "3", *arguments)
    assert [first[name] for name in ("render", "static", "build")] == [None, None, None]
    assert second["render"] is None
    assert second["static"] == second["build"]
    assert isinstance(second["build"], dict)
    assert second["build"]["run"] == first["run"]
    assert "reused from" in str(second["text"])
    assert third["build"] is None


@engine
@group
def test_a_changed_line_of_a_template_is_verified_again(checkout: User, tmp_path: Path) -> None:
    arguments = ("http-api", "--level", "static", "--reuse")
    verified(checkout, tmp_path / "1", *arguments)
    assert verified(checkout, tmp_path / "2", *arguments)["static"] is not None
    readme = checkout.cli.directory / "templates/go-service/{% if serves_clients %}README.md{% endif %}.jinja"
    readme.write_text(f"{readme.read_text()}\nOne line more.\n")
    assert verified(checkout, tmp_path / "3", *arguments)["static"] is None


@engine
@group
def test_a_project_that_fails_leaves_no_proof(user: User, tmp_path: Path) -> None:
    project = TinyProject(check="exit 1").write(tmp_path / "tiny")
    store = tmp_path / "proofs"
    finished = user.verify("--project", project, "--level", "build", "--reuse", BEDPLATE_PROOFS=str(store))
    assert finished.returncode == 1
    assert not store.exists()


@engine
@group
def test_a_place_for_proofs_that_can_not_be_written_spoils_nothing(user: User, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way\n")
    project = TinyProject().write(tmp_path / "tiny")
    arguments = ("--project", project, "--level", "static", "--reuse")
    told = verified(user, tmp_path / "1", *arguments, BEDPLATE_PROOFS=os.fspath(tmp_path / "file/proofs"))
    assert "proofs are not kept" in str(told["text"])
