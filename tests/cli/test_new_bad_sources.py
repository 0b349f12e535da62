"""Sources that `bedplate new` can't use, and templates that break on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusal import BAD_INPUT, assert_refused, everything_in
from shell import Cli

SOURCES = {
    "is not there": ("nowhere", "--source nowhere: no such directory or git bundle, and not a URL"),
    "has no name": ("", "--source : no such directory or git bundle, and not a URL"),
    "is no template": ("empty", "--source {directory}/empty: not a template: it has no copier.yml"),
    "is some file": ("file", "--source {directory}/file: neither a directory nor a git bundle"),
    "is not a repository": (
        "git+file:///nowhere/bedplate.git",
        "--source git+file:///nowhere/bedplate.git: '/nowhere/bedplate.git' does not appear to be a git "
        "repository",
    ),
}


@pytest.mark.parametrize("case", SOURCES)
def test_refuses_a_source_that(cli: Cli, case: str) -> None:
    (cli.directory / "empty").mkdir()
    (cli.directory / "file").write_text("text\n")
    source, line = SOURCES[case]
    assert_refused(
        cli,
        BAD_INPUT,
        line.format(directory=cli.directory),
        arguments=("demo", "--domain", "http-api", "--defaults", "--source", source),
    )


def test_refuses_a_template_that_is_none_of_bedplate(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "other"
    source.mkdir()
    (source / "copier.yml").write_text("name: Ada\n")
    line = f"--source {source}: not a template of bedplate: it asks for no domain"
    assert_refused(cli, BAD_INPUT, line, arguments=("demo", "--defaults", "--source", source))
    for command in (("list",), ("explain", "http-api")):
        finished = cli.bedplate(*command, "--source", source)
        assert (finished.returncode, finished.stderr) == (BAD_INPUT, f"bedplate: {line}\n")


def test_leaves_nothing_when_the_catalogue_is_incomplete(cli: Cli, template_repository: Cli) -> None:
    catalogue = template_repository.directory / "questions/domains.yml"
    catalogue.write_text(catalogue.read_text().replace("      group: Services\n", "", 1))
    source = ("--source", template_repository.directory, "--ref", "HEAD")
    assert_refused(
        cli,
        BAD_INPUT,
        "the template's domains: http-api has no 'group'",
        arguments=("demo", "--domain", "http-api", "--defaults", *source),
    )


def test_refuses_a_reference_that_does_not_exist(cli: Cli, template_repository: Cli) -> None:
    source = template_repository.directory
    assert_refused(
        cli,
        BAD_INPUT,
        f"--ref 9.9.9: no such branch, tag or commit in {source}",
        arguments=("demo", "--domain", "http-api", "--defaults", "--source", source, "--ref", "9.9.9"),
    )


def test_refuses_a_reference_in_a_directory_without_history(cli: Cli, template_tree: Path) -> None:
    assert_refused(
        cli,
        BAD_INPUT,
        f"--ref 1.0.0: {template_tree} is not a git repository",
        arguments=("demo", "--domain", "http-api", "--defaults", "--source", template_tree, "--ref", "1.0.0"),
    )


def test_refuses_a_template_that_wants_to_run_code(cli: Cli, template_repository: Cli) -> None:
    source = template_repository.directory
    with (source / "copier.yml").open("a") as spine:
        spine.write('---\n_tasks: ["touch owned"]\n')
    assert_refused(
        cli,
        BAD_INPUT,
        f"--source {source}: the template wants to run code, which bedplate never does",
        arguments=("demo", "--domain", "http-api", "--defaults", "--source", source, "--ref", "HEAD"),
    )


def test_leaves_nothing_when_a_template_file_is_broken(cli: Cli, template_repository: Cli) -> None:
    source = template_repository.directory
    (source / "templates/go-service/zzz.jinja").write_text("{{ nobody_knows_this }}\n")
    finished = cli.bedplate(
        *("new", "demo", "--domain", "http-api", "--defaults", "--source", source, "--ref", "HEAD")
    )
    assert finished.returncode == BAD_INPUT
    assert finished.stderr == (
        f"bedplate: --source {source}: templates/go-service/zzz.jinja:1: 'nobody_knows_this' is undefined\n"
    )
    assert everything_in(cli.directory) == set()
