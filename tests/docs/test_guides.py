"""What the pages under docs/how-to tell their reader to type does what they say it does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from guides import blocks, checkout, committed, follow
from shell import ROOT, Cli

# Commands of the guides that take an engine minutes or hours, and are not run here.
NOT_RUN = {
    "make lock",
    "make lock ARGS=--upgrade",
    'make verify ARGS="--rows each --level build"',
    "make verify",
}
# A guide that is followed by a test of its own.
APART = {"how-to/add-a-board.md"}
GUIDES = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs/how-to").glob("*.md"))
FOLLOWED = APART | {
    *("how-to/add-a-domain.md", "how-to/bump-versions.md", "how-to/fork-for-your-organisation.md"),
    *("how-to/run-in-ci.md", "how-to/update-a-fleet.md", "how-to/work-without-a-network.md"),
}


@pytest.fixture
def reader(tmp_path: Path, template_tree: Path, user_environment: dict[str, str]) -> Cli:
    """Someone with a checkout of Bedplate, which is a git repository on the branch main."""
    return committed(checkout(tmp_path / "desk", template_tree, user_environment))


def script(page: str) -> str:
    """All that a page has its reader type, but for what takes too long."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return "\n".join(line for line in lines if line not in NOT_RUN) + "\n"


def beside(reader: Cli, name: str) -> Path:
    return reader.directory.parent / name


def record(project: Path) -> dict[str, str]:
    answers: dict[str, str] = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return answers


def test_every_guide_is_followed() -> None:
    assert set(GUIDES) == FOLLOWED


def test_what_is_not_run_is_in_a_guide() -> None:
    spoken = {line for page in GUIDES for block in blocks(page, "sh") for line in block.splitlines()}
    assert spoken >= NOT_RUN


def test_the_first_page_makes_a_project(reader: Cli) -> None:
    follow(reader, script("index.md"))
    assert record(reader.directory / "orders")["domain"] == "http-api"


def test_a_fork_owns_its_projects_and_updates_them(reader: Cli) -> None:
    making, using = script("how-to/fork-for-your-organisation.md").split("git pull ")
    # What changes upstream while the fork is in use: one line more in every project.
    later = "echo '# Later.' >>templates/_partials/editorconfig"
    upstream = f"(cd ../bedplate && {later} && git commit --quiet --all --message Later && git tag 9.0.0)\n"
    follow(reader, f"{making}\n{upstream}git pull {using}")
    orders = beside(reader, "orders")
    assert "Example Ltd" in (orders / "LICENSE").read_text()
    assert record(orders)["_src_path"] == str(beside(reader, "scaffolds"))
    assert record(orders)["_commit"] == "1.1.0"
    assert "# Later.\n" in (orders / ".editorconfig").read_text()


def test_a_domain_that_is_added_makes_projects_that_hold(reader: Cli) -> None:
    (entry,) = blocks("how-to/add-a-domain.md", "yaml")
    catalogue = reader.directory / "questions/domains.yml"
    above, below = catalogue.read_text().split("\ndomain:\n")
    catalogue.write_text(f"{above}{entry}\ndomain:\n{below}", newline="\n")
    told = follow(reader, script("how-to/add-a-domain.md"))
    assert "\nnightly: done\n" in told
    assert record(beside(reader, "nightly"))["domain"] == "shell-job"


def test_a_version_is_raised_in_every_example_that_names_it(reader: Cli) -> None:
    examples = (reader.directory / "examples").glob("*/Makefile")
    named = [path for path in examples if "KUBECONFORM_VERSION" in path.read_text()]
    assert named
    present = max(named_version(path) for path in named)
    follow(reader, script("how-to/bump-versions.md"))
    (raised,) = {named_version(path) for path in named}
    assert raised > present


def named_version(makefile: Path) -> tuple[int, ...]:
    (version,) = re.findall(r"KUBECONFORM_VERSION := v(\S+)", makefile.read_text())
    return tuple(int(part) for part in version.split("."))


def test_rows_are_divided_and_their_reports_joined(reader: Cli) -> None:
    # Three rows for all of them, and no project whose drift could be asked for.
    commands = script("how-to/run-in-ci.md").replace("bedplate drift\n", "")
    follow(reader, commands.replace("--rows pairwise", "http-api tcp-proxy sensor-node"))
    report = json.loads(beside(reader, "report/report.json").read_text())
    assert (report["status"], report["selection"]["shard"]) == ("passed", None)
    assert {row["id"] for row in report["rows"]} == set(report["selection"]["ids"])


def test_a_wheelhouse_makes_projects_offline(reader: Cli) -> None:
    collecting, using = script("how-to/work-without-a-network.md").split("python3 -m venv ")
    follow(reader, collecting)
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    offline = Cli(reader.directory, without_checkout(reader.environment) | nowhere, within=600)
    follow(offline, f"python3 -m venv {using}")
    assert record(beside(reader, "orders"))["_src_path"] == "bedplate"
    assert record(beside(reader, "edge"))["domain"] == "tcp-proxy"
    assert (beside(reader, "templates") / "copier.yml").exists()


def without_checkout(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name != "PYTHONPATH"}


def test_a_fleet_is_updated_but_for_what_conflicts(reader: Cli) -> None:
    projects = {name: beside(reader, name) for name in ("orders", "edge")}
    reader.git("tag", "1.0.0")
    for (name, project), domain in zip(projects.items(), ("http-api", "tcp-proxy"), strict=True):
        made = reader.bedplate(
            *("new", project, "--domain", domain, "--defaults", "--git"), "--source", reader.directory
        )
        assert made.returncode == 0, made.stderr
        if name == "edge":
            change(project / ".editorconfig", "root = true", "root = false")
        Cli(project, reader.environment).git("commit", "--quiet", "--all", "--message=Start")
    change(reader.directory / "templates/_partials/editorconfig", "root = true", "root = maybe")
    reader.git("commit", "--quiet", "--all", "--message=Two")
    reader.git("tag", "1.1.0")
    first, *rest = blocks("how-to/update-a-fleet.md", "sh")
    told = follow(reader, "".join(rest))
    assert record(projects["orders"])["_commit"] == "1.1.0"
    assert record(projects["edge"])["_commit"] == "1.0.0"
    assert "../edge: see ../edge.diff" in told
    assert "../edge has changes of its own" in told
    assert json.loads(beside(reader, "edge.drift.json").read_text())["changed"] == [".editorconfig"]
    told = follow(reader, rest[0])
    assert Cli(projects["orders"], reader.environment).git("rev-list", "--count", "HEAD").strip() == "2"
    change(projects["orders"] / "README.md", "# orders", "# Orders")
    git = Cli(projects["orders"], reader.environment)
    git.git("commit", "--quiet", "--all", "--message=A title")
    reader.git("commit", "--quiet", "--allow-empty", "--message=Three")
    reader.git("tag", "1.2.0")
    follow(reader, first)
    assert record(projects["orders"])["_commit"] == "1.2.0"
    assert git.git("status", "--porcelain") == ""


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after), newline="\n")
