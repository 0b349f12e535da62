"""`bedplate new` when all is well."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from domains import DOMAINS
from shell import ROOT, Cli


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mode & 0o111) for path in files
    }


def answers(project: Path) -> dict[str, object]:
    return yaml.safe_load((project / ".copier-answers.yml").read_text())


@pytest.mark.parametrize("domain", DOMAINS)
def test_makes_what_copier_makes(cli: Cli, template_repository: Cli, domain: str) -> None:
    source = template_repository.directory
    made = cli.bedplate(
        *("new", "by-bedplate", "--domain", domain, "--defaults", "--set", "project_name=same"),
        *("--source", source),
    )
    copied = cli.copier(
        *("copy", "--defaults", "--data", f"domain={domain}", "--data", "project_name=same"),
        *(source, "by-copier"),
    )
    assert (made.returncode, copied.returncode) == (0, 0)
    assert contents(cli.directory / "by-bedplate") == contents(cli.directory / "by-copier")


def test_says_what_to_do_next(cli: Cli) -> None:
    finished = cli.bedplate("new", "demo", "--domain", "http-api", "--defaults")
    lines = finished.stdout.splitlines()
    assert lines[0].startswith("Made demo in demo: ")
    assert lines[1:] == ["", "Next:", "  cd demo", "  make run", "  make check", "  make image"]


def test_the_first_command_can_be_pasted_whatever_the_directory_is_called(cli: Cli) -> None:
    finished = cli.bedplate("new", "Ada's $HOME", "--domain", "http-api", "--defaults")
    command = next(line for line in finished.stdout.splitlines() if line.startswith("  cd "))
    entered = cli.run("sh", "-c", f"{command} && pwd")
    assert entered.stdout == f"{cli.directory}/Ada's $HOME\n"


@pytest.mark.parametrize("domain", DOMAINS)
def test_next_commands_are_verbs_of_the_project(cli: Cli, domain: str) -> None:
    record = json.loads(cli.bedplate("new", "demo", "--domain", domain, "--defaults", "--json").stdout)
    assert len(record["next"]) == 3
    for command in record["next"]:
        make, verb = shlex.split(command)
        dry = subprocess.run([make, "--dry-run", verb], cwd=cli.directory / "demo", check=False)
        assert dry.returncode == 0


def test_names_the_project_after_its_directory(cli: Cli) -> None:
    cli.bedplate("new", "made/edge-proxy", "--domain", "http-gateway", "--defaults")
    assert answers(cli.directory / "made/edge-proxy")["project_name"] == "edge-proxy"


def test_names_the_project_by_default_when_its_directory_is_no_name(cli: Cli) -> None:
    cli.bedplate("new", "My Gateway", "--domain", "http-gateway", "--defaults")
    assert answers(cli.directory / "My Gateway")["project_name"] == "gateway"


def test_names_the_directory_after_the_project(cli: Cli) -> None:
    cli.bedplate("new", "--domain", "http-gateway", "--defaults", "--set", "project_name=edge")
    assert answers(cli.directory / "edge")["project_name"] == "edge"


def test_takes_the_answers_of_another_project(cli: Cli) -> None:
    cli.bedplate("new", "one", "--domain", "http-api", "--defaults", "--set", "licence=MIT")
    finished = cli.bedplate(
        "new", "two", "--answers", "one/.copier-answers.yml", "--set", "project_name=two", "--defaults"
    )
    assert finished.returncode == 0, finished.stderr
    assert answers(cli.directory / "two") == answers(cli.directory / "one") | {"project_name": "two"}


def test_an_answers_file_that_answers_everything_needs_no_terminal(cli: Cli) -> None:
    cli.bedplate("new", "one", "--domain", "sensor-node", "--defaults")
    finished = cli.bedplate("new", "two", "--answers", "one/.copier-answers.yml")
    assert finished.returncode == 0, finished.stderr


def test_reports_as_json(cli: Cli) -> None:
    finished = cli.bedplate("new", "demo", "--domain", "http-api", "--defaults", "--json")
    record = json.loads(finished.stdout)
    assert record["destination"] == str(cli.directory / "demo")
    assert record["written"] is True
    assert record["answers"]["project_name"] == "demo"
    emitted = {str(path.relative_to(cli.directory / "demo")) for path in files_of(cli.directory / "demo")}
    assert {file["path"] for file in record["files"]} == emitted


def files_of(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_a_dry_run_shows_every_file_and_writes_none(cli: Cli) -> None:
    dry = cli.bedplate("new", "demo", "--domain", "http-api", "--defaults", "--dry-run")
    assert dry.returncode == 0
    assert list(cli.directory.iterdir()) == []
    cli.bedplate("new", "demo", "--domain", "http-api", "--defaults")
    head, *lines = dry.stdout.splitlines()
    files = files_of(cli.directory / "demo")
    shown = sorted(line.split()[0] for line in lines if not line.endswith("/"))
    assert shown == sorted(path.name for path in files)
    total = sum(path.stat().st_size for path in files)
    assert head == f"demo/  {len(files)} files, {total:,} bytes"


def test_a_dry_run_may_name_a_directory_that_is_in_use(cli: Cli) -> None:
    (cli.directory / "file").write_text("mine\n")
    finished = cli.bedplate("new", ".", "--domain", "http-api", "--defaults", "--dry-run")
    assert finished.returncode == 0
    assert [path.name for path in cli.directory.iterdir()] == ["file"]


def test_stages_everything_in_a_repository_when_asked(cli: Cli) -> None:
    cli.bedplate("new", "demo", "--domain", "http-api", "--defaults", "--git")
    project = Cli(cli.directory / "demo", cli.environment)
    staged = set(project.git("diff", "--cached", "--name-only").splitlines())
    tracked = {path for path in contents(project.directory) if not path.startswith(".git/")}
    assert staged == tracked
    assert project.git("status", "--porcelain", "--untracked-files=all").count("??") == 0


def test_makes_no_repository_unasked(cli: Cli) -> None:
    cli.bedplate("new", "demo", "--domain", "http-api", "--defaults")
    assert not (cli.directory / "demo/.git").exists()


def test_fills_an_empty_directory_without_replacing_it(cli: Cli) -> None:
    place = cli.directory.stat().st_ino
    finished = cli.bedplate("new", ".", "--domain", "http-api", "--defaults", "--set", "project_name=here")
    assert finished.returncode == 0, finished.stderr
    assert cli.directory.stat().st_ino == place
    assert (cli.directory / "README.md").is_file()
    assert not list(cli.directory.glob(".bedplate-*"))


def test_records_an_absolute_source_for_a_relative_one(cli: Cli, template_repository: Cli) -> None:
    relative = Path("..") / template_repository.directory.name
    cli.bedplate("new", "demo", "--domain", "http-api", "--defaults", "--source", relative)
    assert answers(cli.directory / "demo")["_src_path"] == str(template_repository.directory)


def test_takes_the_source_from_the_environment(cli: Cli, template_repository: Cli) -> None:
    source = str(template_repository.directory)
    cli.bedplate("new", "demo", "--domain", "http-api", "--defaults", BEDPLATE_SOURCE=source)
    assert answers(cli.directory / "demo")["_src_path"] == source


def test_takes_the_latest_release_of_a_source_and_any_reference_on_request(
    cli: Cli, template_repository: Cli
) -> None:
    source = template_repository.directory
    (source / "templates/go-service/NEWS.md").write_text("news\n")
    template_repository.git("add", "--all")
    template_repository.git("commit", "--quiet", "--message=Two")
    for name, ref in (("released", ()), ("newest", ("--ref", "main"))):
        cli.bedplate("new", name, "--domain", "http-api", "--defaults", "--source", source, *ref)
    assert not (cli.directory / "released/NEWS.md").exists()
    assert (cli.directory / "newest/NEWS.md").exists()


def test_a_checkout_is_rendered_as_it_stands_and_says_so_when_it_is_not_committed(
    cli: Cli, template_repository: Cli
) -> None:
    source = template_repository.directory
    (source / "templates/go-service/NEWS.md").write_text("news\n")
    finished = cli.bedplate(
        *("new", "demo", "--domain", "http-api", "--defaults", "--source", source, "--ref", "HEAD")
    )
    assert (cli.directory / "demo/NEWS.md").exists()
    assert "note: the template has uncommitted changes" in finished.stderr


def test_uses_the_working_tree_of_the_checkout_that_it_runs_from(cli: Cli) -> None:
    cli.bedplate("new", "demo", "--domain", "http-api", "--defaults")
    assert answers(cli.directory / "demo")["_src_path"] == str(ROOT)


def test_keeps_personal_defaults(cli: Cli) -> None:
    settings = cli.directory / "settings.yml"
    settings.write_text("defaults:\n  owner: Ada Lovelace\n")
    cli.bedplate("new", "demo", "--domain", "http-api", "--defaults", COPIER_SETTINGS_PATH=str(settings))
    assert answers(cli.directory / "demo")["owner"] == "Ada Lovelace"
