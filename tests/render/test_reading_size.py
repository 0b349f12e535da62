"""How much there is to read in a new Go service, and how many modules it depends on itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from bedplate.locks import KEY, Store
from bedplate.questionnaire import Questionnaire
from shell import ROOT, Cli

MOST_FILES = 45
"""With tests; without what is for those who deploy, operate and review, and what nobody reads on the way."""
MOST_LINES = 1_880
"""Of Go, without blank lines and comments; without tests and the contract test of stores."""
MOST_LINES_OF_A_FILE = 300
AROUND = {"deploy", "ops", "docs", ".github"}
UNREAD = {"LICENSE", "go.sum"}
MOST_MODULES = {"minimal": 1, "everything": 9}
"""Prometheus alone; with PostgreSQL (2), an issuer (1) and OpenTelemetry, which is five modules."""
ANSWERS = {
    "minimal": {"database": "memory", "auth": "none", "tracing": False},
    "everything": {"database": "postgres", "auth": "oidc", "tracing": True},
}


@pytest.fixture
def project(cli: Cli, template_tree: Path) -> Path:
    """A project of `http-api`, every question answered by its default."""
    made = cli.bedplate("new", "it", "--domain", "http-api", "--defaults", "--source", template_tree)
    assert made.returncode == 0, made.stderr
    return cli.directory / "it"


def _files(project: Path) -> list[Path]:
    """What there is to read of a project, relative to it."""
    paths = [path.relative_to(project) for path in project.rglob("*") if path.is_file()]
    return [path for path in paths if path.parts[0] not in AROUND and path.name not in UNREAD]


def test_a_default_project_has_few_files_to_read(project: Path) -> None:
    read = [path for path in _files(project) if not path.name.startswith(".")]
    assert len(read) <= MOST_FILES, sorted(map(str, read))


def test_a_default_project_has_little_code_to_read(project: Path) -> None:
    sources = [path for path in _files(project) if path.suffix == ".go" and not _is_test(path)]
    lines = {path: _code((project / path).read_text()) for path in sources}
    assert sum(lines.values()) <= MOST_LINES, lines


def test_no_source_file_of_a_default_project_is_long(project: Path) -> None:
    lengths = {path: len((project / path).read_text().splitlines()) for path in project.rglob("*.go")}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}


def _is_test(path: Path) -> bool:
    return path.name.endswith("_test.go") or "storetest" in path.parts


def _code(text: str) -> int:
    lines = (line.strip() for line in text.splitlines())
    return sum(1 for line in lines if line and not line.startswith("//"))


@pytest.mark.parametrize("which", MOST_MODULES)
def test_a_project_depends_on_few_modules_itself(which: str) -> None:
    answers = {"domain": "http-api", **ANSWERS[which]}
    key = Questionnaire.load(ROOT).evaluate(answers).values[KEY]
    lines = Store(ROOT / "locks").read()[key]["go.mod"].splitlines()
    direct = [line for line in lines if " v" in line and not line.endswith("// indirect")]
    assert 0 < len(direct) <= MOST_MODULES[which], direct
