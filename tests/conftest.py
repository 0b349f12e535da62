"""What tests of every kind share: the command as a user runs it, and the template as a repository."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from shell import ROOT, Cli

TEMPLATE_PARTS = ("copier.yml", "questions", "templates", "locks", "contract")


BEGAN = "BEDPLATE_TESTS_BEGAN"


def pytest_configure() -> None:
    """Note when the tests began, for workers too, which inherit it, and heed what a terminal sends.

    A run in the background may ignore that, and so would the programs that tests start and interrupt.
    """
    os.environ.setdefault(BEGAN, str(time.time()))
    for signum, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep for the end what fills the time that the others leave."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded as their `summary`, also those that passed on a worker."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == "summary" and getattr(report, "when", "") == "call":
                terminalreporter.write_line(value)


@pytest.fixture
def elapsed() -> float:
    """Seconds since the tests began, on whichever worker."""
    return time.time() - float(os.environ[BEGAN])


@pytest.fixture(scope="session")
def user_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user with no settings, caches or git configuration, outside of any make."""
    home = tmp_path_factory.mktemp("home")
    (home / "settings.yml").write_text("{}\n")
    (home / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.com\n")
    left_out = ("BEDPLATE_", "GIT_", "MAKE", "MFLAGS")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return kept | {
        "COPIER_CACHE_DIR": str(home / "copier"),
        "COPIER_SETTINGS_PATH": str(home / "settings.yml"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_SYSTEM": os.devnull,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT / "generator"),
    }


@pytest.fixture
def cli(tmp_path: Path, user_environment: dict[str, str]) -> Cli:
    """A user in an empty directory."""
    directory = tmp_path / "work"
    directory.mkdir()
    return Cli(directory, user_environment)


@pytest.fixture(scope="session")
def template_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template's files as they are in the working tree, in a directory apart. Not to be changed."""
    tree = tmp_path_factory.mktemp("tree") / "bedplate"
    tree.mkdir()
    for part in TEMPLATE_PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, tree / part)
        elif source.exists():
            shutil.copy2(source, tree / part)
    return tree


@pytest.fixture
def template_repository(tmp_path: Path, template_tree: Path, user_environment: dict[str, str]) -> Cli:
    """A git repository of the template with the tag 1.0.0, which the test may change."""
    repository = tmp_path / "bedplate"
    shutil.copytree(template_tree, repository)
    git = Cli(repository, user_environment)
    git.git("init", "--quiet", "--initial-branch=main")
    git.git("add", "--all")
    git.git("commit", "--quiet", "--message=One")
    git.git("tag", "1.0.0")
    return git
