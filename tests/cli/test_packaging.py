"""What is installed brings its template with it: projects are made of it, and updated by a newer one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from shell import ROOT, Cli

MOST_MB = 3.0
"""A wheel may have so much."""
LISTED = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


@dataclass(frozen=True)
class Installed:
    """An installation that has no checkout near it, and the wheel that it is of."""

    wheel: Path
    directory: Path

    def used_by(self, user: Cli) -> Cli:
        """A user who has this installation, with what it depends on."""
        return Cli(user.directory, user.environment | {"PYTHONPATH": str(self.directory)})


@dataclass(frozen=True)
class Releases:
    """Two releases of Bedplate and a source distribution of the second one."""

    first: Installed
    second: Installed
    source: Path


def checkout_of(directory: Path, environment: dict[str, str]) -> Cli:
    """The files of this checkout as they are, committed in a repository of their own."""
    listed = subprocess.check_output([*LISTED], cwd=ROOT, text=True).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).exists():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, directory / name, follow_symlinks=False)
    repository = Cli(directory, environment)
    repository.git("init", "--quiet", "--initial-branch=stem")
    commit(repository, "Start")
    return repository


def commit(repository: Cli, subject: str) -> None:
    repository.git("add", "--all")
    repository.git("commit", "--quiet", f"--message={subject}")


def built(checkout: Cli, place: Path, source: Path | None = None) -> Installed:
    """Build a wheel and unpack it where nothing else is."""
    finished = checkout.run(*PIP, "wheel", "--no-deps", "--wheel-dir", place / "dist", source or ".")
    assert finished.returncode == 0, finished.stderr
    (wheel,) = (place / "dist").iterdir()
    shutil.unpack_archive(wheel, place / "site", "zip")
    return Installed(wheel, place / "site")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory, user_environment: dict[str, str]) -> Releases:
    """Bedplate 0.1.0 as it is here, and 0.2.0 with another editorconfig in its projects."""
    place = tmp_path_factory.mktemp("releases")
    checkout = checkout_of(place / "checkout", user_environment)
    checkout.git("tag", "0.1.0")
    first = built(checkout, place / "first")
    version = checkout.directory / "generator/bedplate/__init__.py"
    version.write_text(version.read_text().replace('"0.1.0"', '"0.2.0"'))
    settings = checkout.directory / "templates/_partials/editorconfig"
    settings.write_text(settings.read_text() + "# The second release.\n")
    commit(checkout, "Go on")
    checkout.git("tag", "0.2.0")
    backend = "from hatchling.build import build_sdist; print(build_sdist('../dist'))"
    finished = checkout.run(*PIP, "install", "--target", place / "tools", "hatchling")
    assert finished.returncode == 0, finished.stderr
    finished = checkout.run(sys.executable, "-c", backend, PYTHONPATH=str(place / "tools"))
    assert finished.returncode == 0, finished.stderr
    source = place / "dist" / finished.stdout.splitlines()[-1]
    return Releases(first, built(checkout, place / "second"), source)


@pytest.fixture
def project(cli: Cli, releases: Releases) -> Cli:
    """A project of the first release, committed."""
    user = releases.first.used_by(cli)
    finished = user.bedplate("new", "demo", "--domain", "sensor-node", "--defaults", "--git")
    assert finished.returncode == 0, finished.stderr
    project = Cli(user.directory / "demo", user.environment)
    commit(project, "Start")
    return project


def record(project: Cli) -> tuple[object, object]:
    """Where the project says that it is from."""
    answers = yaml.safe_load((project.directory / ".copier-answers.yml").read_text())
    return answers["_src_path"], answers["_commit"]


def test_an_installation_makes_projects_that_name_no_place_of_it(project: Cli, releases: Releases) -> None:
    assert record(project) == ("bedplate", "0.1.0")
    for path in project.directory.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            assert str(releases.first.directory).encode() not in path.read_bytes()


def test_a_newer_installation_updates_them(project: Cli, releases: Releases) -> None:
    with_newer = releases.second.used_by(project)
    preview = with_newer.bedplate("preview")
    assert preview.returncode == 0, preview.stderr
    assert "+# The second release.\n" in preview.stdout
    finished = with_newer.bedplate("update")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("0.1.0 to 0.2.0: 2 changed\n")
    assert record(project) == ("bedplate", "0.2.0")
    assert "# The second release.\n" in (project.directory / ".editorconfig").read_text()
    commit(project, "Update")
    older = releases.first.used_by(project).bedplate("drift")
    assert older.returncode == 2
    assert "has no 0.2.0, of which the project was made" in older.stderr


def test_an_older_release_can_be_asked_for(cli: Cli, releases: Releases) -> None:
    user = releases.second.used_by(cli)
    made = user.bedplate("new", "demo", "--domain", "sensor-node", "--defaults", "--ref", "0.1.0")
    assert made.returncode == 0, made.stderr
    assert record(Cli(user.directory / "demo", user.environment)) == ("bedplate", "0.1.0")


def test_an_installation_can_list_explain_and_advise(cli: Cli, releases: Releases) -> None:
    user = releases.first.used_by(cli)
    assert user.bedplate("--version").stdout == "bedplate 0.1.0, template 0.1.0\n"
    for command in (("list",), ("explain", "http-api"), ("advise", "--need", "does=firmware")):
        finished = user.bedplate(*command)
        assert finished.returncode == 0, finished.stderr


def test_a_wheel_brings_the_schemas_of_what_commands_print(releases: Releases) -> None:
    names = {path.relative_to(ROOT / "generator") for path in (ROOT / "generator").rglob("*.schema.json")}
    brought = {
        path.relative_to(releases.first.directory) for path in releases.first.directory.rglob("*.schema.json")
    }
    assert brought == names


def test_a_wheel_is_small_and_names_no_place_where_it_was_built(releases: Releases) -> None:
    assert releases.first.wheel.stat().st_size <= MOST_MB * 1e6
    template = releases.first.directory / "template"
    clone = [
        "git",
        "clone",
        "--quiet",
        str(releases.first.directory / "bedplate/template.bundle"),
        str(template),
    ]
    subprocess.run(clone, check=True)
    searched = [path for path in releases.first.directory.rglob("*") if path.is_file()]
    assert template / "copier.yml" in searched
    for path in searched:
        if ".git" not in path.parts:
            assert str(releases.first.wheel.parents[2]).encode() not in path.read_bytes()


def test_a_source_distribution_carries_the_template_on(cli: Cli, releases: Releases, tmp_path: Path) -> None:
    with tarfile.open(releases.source) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (root,) = (tmp_path / "source").iterdir()
    user = built(cli, tmp_path / "third", root).used_by(cli)
    finished = user.bedplate("new", "demo", "--domain", "sensor-node", "--defaults")
    assert finished.returncode == 0, finished.stderr
    assert record(Cli(user.directory / "demo", user.environment)) == ("bedplate", "0.2.0")


def test_a_wheel_between_releases_takes_the_name_of_none(
    releases: Releases, tmp_path: Path, cli: Cli
) -> None:
    checkout = Cli(tmp_path / "checkout", cli.environment)
    shutil.copytree(releases.source.parents[1] / "checkout", checkout.directory, symlinks=True)
    (checkout.directory / "templates/_partials/editorconfig").write_text("# Further.\n")
    commit(checkout, "Go further")
    user = built(checkout, tmp_path / "later").used_by(cli)
    told = user.bedplate("--version").stdout
    assert re.fullmatch(r"bedplate 0\.2\.0, template 0\.2\.0\.post1\+g[0-9a-f]{12}\n", told)
    made = user.bedplate("new", "demo", "--domain", "sensor-node", "--defaults")
    assert made.returncode == 0, made.stderr
    demo = Cli(user.directory / "demo", user.environment)
    assert (demo.directory / ".editorconfig").read_text().startswith("# Further.\n")
    assert f"template {record(demo)[1]}\n" in told


def test_projects_of_an_installation_are_updated_from_a_clone_or_a_fork(
    project: Cli, releases: Releases, tmp_path: Path
) -> None:
    fork = Cli(tmp_path / "fork", project.environment)
    shutil.copytree(releases.source.parents[1] / "checkout", fork.directory, symlinks=True)
    settings = fork.directory / "templates/_partials/editorconfig"
    settings.write_text(settings.read_text() + "# The fork's.\n")
    commit(fork, "Ours")
    fork.git("tag", "0.2.1")
    finished = project.bedplate("update", BEDPLATE_SOURCE=str(fork.directory))
    assert finished.returncode == 0, finished.stderr
    assert record(project) == (str(fork.directory), "0.2.1")
    assert "# The fork's.\n" in (project.directory / ".editorconfig").read_text()
