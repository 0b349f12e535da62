"""Which names and texts a project accepts; where there is a tool that knows, it is the judge."""

from __future__ import annotations

import keyword
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from bedplate.questionnaire import Questionnaire
from domains import DOMAINS
from shell import ROOT


@pytest.fixture(scope="module")
def bedplate() -> Questionnaire:
    return Questionnaire.load(ROOT)


def problem(questionnaire: Questionnaire, domain: str, question: str, answer: object) -> str:
    problems = questionnaire.evaluate({"domain": domain, question: answer}).problems
    assert all(found.question == question for found in problems)
    return " ".join(found.message for found in problems)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", ["a1", "a" * 40, "edge-proxy", "x9-y8", "golang", "cratedigger", "v2x"])
def test_accepts_a_name(bedplate: Questionnaire, domain: str, name: str) -> None:
    assert problem(bedplate, domain, "project_name", name) == ""


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "a" * 41,
        "A1",
        "a_b",
        "a--b",
        "-ab",
        "ab-",
        "1ab",
        "a b",
        "äb",
        "ab\n",
        "a.b",
        "a/b",
        "{{a}}",
        7,
    ],
)
def test_refuses_a_name_of_the_wrong_form(bedplate: Questionnaire, domain: str, name: object) -> None:
    assert problem(bedplate, domain, "project_name", name).startswith("must be 2 to 40 characters")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("func", "func is a keyword of Go"),
        ("chan", "chan is a keyword of Go"),
        ("fn", "fn is a keyword of Rust"),
        ("true", "true is a keyword of Rust"),
        ("async", "async is a keyword of Rust"),
        ("test", "test is a name that Go or Cargo keeps for itself"),
        ("core", "core is a name that Go or Cargo keeps for itself"),
        ("std", "std is a name that Go or Cargo keeps for itself"),
        ("alloc", "alloc is a name that Go or Cargo keeps for itself"),
        ("main", "main is a name that Go or Cargo keeps for itself"),
        ("internal", "internal is a name that Go or Cargo keeps for itself"),
        ("nul", "nul is a device name on Windows"),
        ("com1", "com1 is a device name on Windows"),
    ],
)
@pytest.mark.parametrize("domain", DOMAINS)
def test_refuses_a_reserved_name(bedplate: Questionnaire, domain: str, name: str, reason: str) -> None:
    assert problem(bedplate, domain, "project_name", name) == reason


@pytest.mark.parametrize("domain", ["http-gateway", "tcp-proxy", "stream-ingest", "sensor-node"])
def test_refuses_a_project_named_like_a_crate_of_its_lock(bedplate: Questionnaire, domain: str) -> None:
    index = yaml.safe_load((ROOT / "locks/index.yml").read_text())["locks"]["default"]
    files = {lock["Cargo.lock"] for key, lock in index.items() if key.split(",")[0] == domain}
    locks = "".join((ROOT / "locks" / file).read_text() for file in sorted(files))
    crates = set(re.findall(r'name = "([^"]+)"\nversion = "[^"]+"\nsource = ', locks))
    assert crates
    for crate in crates:
        name = crate.lower().replace("_", "-")
        if problem(bedplate, "http-api", "project_name", name) == "":
            reason = f"{name} is the name of a crate that the project depends on"
            assert problem(bedplate, domain, "project_name", name) == reason


def test_knows_a_crate_by_its_name_with_hyphens_or_underscores(tmp_path: Path) -> None:
    for part in ("questions", "copier.yml"):
        (tmp_path / part).symlink_to(ROOT / part)
    locks = tmp_path / "locks"
    locks.mkdir()
    index = {"http-gateway": {"Cargo.lock": "one"}, "http-gateway,tls=true": {"Cargo.lock": "two"}}
    entry = {"type": "yaml", "when": False, "default": index}
    (locks / "index.yml").write_text(yaml.safe_dump({"locks": entry}))
    (locks / "one").write_text("version = 4\n")
    lock = locks / "two"
    source = 'source = "registry+https://github.com/rust-lang/crates.io-index"'
    lock.write_text(
        f'version = 4\n\n[[package]]\nname = "edge_proxy"\nversion = "1.0.0"\n{source}\n\n'
        '[[package]]\nname = "gateway"\nversion = "0.1.0"\n'
    )
    questionnaire = Questionnaire.load(tmp_path)
    assert problem(questionnaire, "http-gateway", "project_name", "edge-proxy") != ""
    assert problem(questionnaire, "http-gateway", "project_name", "edge") == ""
    assert problem(questionnaire, "http-gateway", "project_name", "gateway") == ""
    assert problem(questionnaire, "http-api", "project_name", "edge-proxy") == ""


# What Cargo says about a name in `cargo new`, and Go about a module path in `go mod init`, counts.
CANDIDATES = (
    *("telemetry", "a1", "edge-proxy", "x9-y8", "fn", "self", "crate", "test", "core", "std", "abstract"),
    *("try", "gen", "box", "union", "raw", "auto", "deps", "examples", "build", "incremental"),
    *(word for word in keyword.kwlist if word.islower()),
)


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
def test_accepts_no_name_that_cargo_refuses(bedplate: Questionnaire, tmp_path: Path) -> None:
    slipped = []
    for name in dict.fromkeys(CANDIDATES):
        if problem(bedplate, "http-gateway", "project_name", name) == "":
            made = subprocess.run(
                ["cargo", "new", "--quiet", "--vcs=none", "--bin", str(tmp_path / name)],
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode != 0:
                slipped.append((name, made.stderr))
    assert slipped == []


PREFIXES = (
    *("example.com", "example.com/team", "go.example.org/a/b-c/d_e/f.g", "a1.io/X/Y~z"),
    *("example", "Example.com", "example.com/", "/example.com", "example.com//a", "example.com/a b"),
    *("example.com/.a", "example.com/a.", "example.com/nul", "example.com/aux.x/y", "example.com/a~1"),
    *("-example.com", "example.com/ä", "example.com/a@b", "gopkg.in", "example.com/a+b", ""),
)
CHECK = """
package main

import (
	"bufio"
	"fmt"
	"os"

	"golang.org/x/mod/module"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(module.CheckPath(lines.Text()) == nil)
	}
}
"""


@pytest.fixture(scope="module")
def accepted_by_go(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """The verdict of golang.org/x/mod/module.CheckPath on each prefix with a name after it."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    directory = tmp_path_factory.mktemp("check")
    (directory / "main.go").write_text(CHECK)
    (directory / "go.mod").write_text("module check\n\ngo 1.24\n")
    for command in (["go", "get", "golang.org/x/mod@v0.31.0"], ["go", "build", "-o", "check", "."]):
        built = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            pytest.skip(f"golang.org/x/mod can't be fetched: {built.stderr.strip()}")
    paths = "".join(f"{prefix}/telemetry\n" for prefix in PREFIXES)
    verdicts = subprocess.run(
        ["./check"], cwd=directory, input=paths, capture_output=True, text=True, check=True
    )
    return dict(zip(PREFIXES, (line == "true" for line in verdicts.stdout.split()), strict=True))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_accepts_the_module_paths_that_go_accepts(
    bedplate: Questionnaire, accepted_by_go: dict[str, bool], prefix: str
) -> None:
    assert (problem(bedplate, "http-api", "module_prefix", prefix) == "") == accepted_by_go[prefix]


@pytest.mark.parametrize("question", ["description", "owner"])
@pytest.mark.parametrize("text", ["x", "Ada's works, since 1843 (100 %)", "Übermaß & söhne", "<a> #1: *b*"])
def test_accepts_a_text(bedplate: Questionnaire, question: str, text: str) -> None:
    assert problem(bedplate, "http-api", question, text) == ""


@pytest.mark.parametrize("question", ["description", "owner"])
@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " x",
            "x ",
            "\u00a0",
            "x\u3000",
            "two\nlines",
            "ends\n",
            "tab\tbed",
            'a "b"',
            "back\\slash",
            "`code`",
            "$HOME",
        ),
        *("{{ x }}", "{% x %}", "bell\x07", "next\x85line", "line\u2028sep", "right\u202eleft", "x" * 121),
    ],
)
def test_refuses_a_text_that_a_file_would_read_as_its_own(
    bedplate: Questionnaire, question: str, text: str
) -> None:
    assert problem(bedplate, "http-api", question, text).startswith("must be one line of 1 to")


@pytest.mark.parametrize(
    ("prefix", "organisation"),
    [
        ("example.com", "example"),
        ("github.com/Acme/team", "acme"),
        ("git.example.org/a_b.c", "a-b-c"),
        ("example.com/_", "example"),
    ],
)
def test_who_an_image_belongs_to_is_read_from_the_module_path(
    bedplate: Questionnaire, prefix: str, organisation: str
) -> None:
    values = bedplate.evaluate({"domain": "http-api", "module_prefix": prefix}).values
    assert values["image_repository"] == f"ghcr.io/{organisation}/telemetry"
    assert values["code_owners"] == f"@{organisation}/telemetry"
