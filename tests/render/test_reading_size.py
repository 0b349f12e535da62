"""How much there is to read in a new Go service, and how many modules it depends on itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from bedplate.locks import KEY, Store
from bedplate.questionnaire import Questionnaire
from shell import ROOT, Cli

MOST_FILES = 45
"""Beside tests, and what is for those who deploy, operate and review."""
AROUND = {"deploy", "ops", "docs", ".github"}
MOST_MODULES = {"minimal": 1, "everything": 9}
"""Prometheus alone; with PostgreSQL (2), an issuer (1) and OpenTelemetry, which is five modules."""
ANSWERS = {
    "minimal": {"database": "memory", "auth": "none", "tracing": False},
    "everything": {"database": "postgres", "auth": "oidc", "tracing": True},
}


def test_a_default_project_has_few_files_to_read(cli: Cli, template_tree: Path) -> None:
    made = cli.bedplate("new", "it", "--domain", "http-api", "--defaults", "--source", template_tree)
    assert made.returncode == 0, made.stderr
    project = cli.directory / "it"
    paths = [path.relative_to(project) for path in project.rglob("*") if path.is_file()]
    read = [path for path in paths if path.parts[0] not in AROUND and not path.name.endswith("_test.go")]
    assert len(read) <= MOST_FILES, sorted(map(str, read))


@pytest.mark.parametrize("which", MOST_MODULES)
def test_a_project_depends_on_few_modules_itself(which: str) -> None:
    answers = {"domain": "http-api", **ANSWERS[which]}
    key = Questionnaire.load(ROOT).evaluate(answers).values[KEY]
    lines = Store(ROOT / "locks").read()[key]["go.mod"].splitlines()
    direct = [line for line in lines if " v" in line and not line.endswith("// indirect")]
    assert 0 < len(direct) <= MOST_MODULES[which], direct
