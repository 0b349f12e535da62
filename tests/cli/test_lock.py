"""`bedplate lock`, in a checkout of its own, with the tools of this machine and in containers."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from output import told
from shell import ROOT, Cli

needs_toolchains = pytest.mark.skipif(
    shutil.which("go") is None or shutil.which("cargo") is None, reason="go or cargo is not installed"
)


@pytest.fixture
def checkout(tmp_path: Path, template_tree: Path, user_environment: dict[str, str]) -> Cli:
    """A copy of the repository that a test may change, with its own package in front."""
    root = tmp_path / "checkout"
    shutil.copytree(template_tree, root)
    shutil.copytree(ROOT / "generator", root / "generator")
    one_lock_for_each_domain(root)
    # A user has a home, and in it what rustup and cargo keep.
    home = {"HOME": os.environ["HOME"], "PYTHONPATH": str(root / "generator")}
    return Cli(root, user_environment | home, within=600)


def one_lock_for_each_domain(root: Path) -> None:
    """Have the domain alone decide about dependencies: to resolve them for all answers takes minutes."""
    question, index = root / "questions/locks.yml", root / "locks/index.yml"
    asked, kept = yaml.safe_load(question.read_text()), yaml.safe_load(index.read_text())
    asked["lock_key"]["default"] = "{{ domain }}"
    locks = kept["locks"]["default"]
    kept["locks"]["default"] = {
        key.partition(",")[0]: files
        for key, files in locks.items()
        if "," not in key
        or key.endswith(
            (
                ",database=memory,auth=none,tracing=true",
                ",database=memory,auth=none,tracing=false,broker=memory",
                ",tls=false,http2=false,rate_limit=false,tracing=false",
                ",runtime=bare,logging=none",
            )
        )
    }
    question.write_text(yaml.safe_dump(asked, sort_keys=False))
    index.write_text(yaml.safe_dump(kept, sort_keys=False))


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "locks").iterdir()}


@needs_toolchains
def test_a_lock_file_that_does_not_fit_is_found_and_mended(checkout: Cli) -> None:
    locks = checkout.directory / "locks"
    original = contents(checkout.directory)
    index = yaml.safe_load((locks / "index.yml").read_text())["locks"]["default"]
    stale = {}
    for key, files in index.items():
        stale[key] = {name: (locks / file).read_text() for name, file in files.items()}
    stale["http-api"]["go.sum"] = "\n"
    del stale["sensor-node"]
    rewrite(checkout, stale)
    before = contents(checkout.directory)

    checked = checkout.bedplate("lock", "--check", "--engine", "host", "--json")
    assert checked.returncode == 1
    assert told(checked, "lock")["changes"] == [
        {"lock": "http-api: go.sum", "state": "stale"},
        {"lock": "sensor-node: Cargo.lock", "state": "missing"},
    ]
    assert contents(checkout.directory) == before

    gateway = checkout.bedplate("lock", "http-gateway", "--engine", "host")
    assert (gateway.returncode, gateway.stdout) == (0, "the lock files of http-gateway are up to date\n")
    assert contents(checkout.directory) == before

    assert checkout.bedplate("lock", "--engine", "host").returncode == 0
    after = contents(checkout.directory)
    for key in ("http-api", "rpc-api", "http-gateway"):
        for file in index[key].values():
            assert after[file] == original[file]
    again = checkout.bedplate("lock", "--check", "--engine", "host")
    assert (again.returncode, again.stdout) == (0, "all lock files are up to date\n")


def rewrite(checkout: Cli, locks: dict[str, dict[str, str]]) -> None:
    program = "import json, sys; from pathlib import Path; from bedplate.locks import Store\n"
    program += "Store(Path('locks')).write(json.loads(Path(sys.argv[1]).read_text()))"
    # Longer than an argument may be.
    file = checkout.directory.with_name("locks.json")
    file.write_text(json.dumps(locks))
    finished = checkout.run(sys.executable, "-c", program, file)
    assert finished.returncode == 0, finished.stderr


@needs_toolchains
def test_a_module_without_a_version_is_told_and_nothing_is_written(checkout: Cli) -> None:
    versions = checkout.directory / "questions/versions.yml"
    text = versions.read_text()
    assert "\n    github.com/prometheus/client_golang: " in text
    versions.write_text(text.replace("    github.com/prometheus/client_golang: ", "    example.org/other: "))
    before = contents(checkout.directory)
    finished = checkout.bedplate("lock", "--engine", "host")
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1] == (
        "bedplate: questions/versions.yml: no version under modules of github.com/prometheus/client_golang"
    )
    assert contents(checkout.directory) == before


@needs_toolchains
def test_what_a_tool_says_is_passed_on_and_nothing_is_written(checkout: Cli) -> None:
    versions = checkout.directory / "questions/versions.yml"
    text = versions.read_text()
    versions.write_text(text.replace('    anyhow: "1.0"', '    anyhow: "4711.0"'))
    before = contents(checkout.directory)
    finished = checkout.bedplate("lock", "--engine", "host")
    assert finished.returncode == 1
    assert "anyhow" in finished.stderr
    assert "4711.0" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert contents(checkout.directory) == before


def test_a_domain_that_is_not_there_is_told(checkout: Cli) -> None:
    finished = checkout.bedplate("lock", "http-gatewy", "--engine", "host")
    told = "bedplate: http-gatewy: no such domain; did you mean http-gateway?\n"
    assert (finished.returncode, finished.stderr) == (2, told)


def test_refuses_to_upgrade_and_only_check(checkout: Cli) -> None:
    finished = checkout.bedplate("lock", "--check", "--upgrade")
    assert finished.returncode == 2
    assert finished.stderr == (
        "bedplate: --upgrade changes lock files, which --check does not; leave out one of them\n"
    )


# Minutes; that the lock files of a row fit is also asked by its own `make lint`, wherever it is built.
@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.xdist_group("engine")
def test_the_lock_files_of_this_repository_are_up_to_date(user_environment: dict[str, str]) -> None:
    finished = Cli(ROOT, user_environment, within=900).bedplate("lock", "--check", "--engine", "container")
    assert (finished.stdout, finished.returncode) == ("all lock files are up to date\n", 0)
