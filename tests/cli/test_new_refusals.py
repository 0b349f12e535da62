"""Bad input to `bedplate new`: one line that names the option, the exit code, and nothing written."""

from __future__ import annotations

import pytest
import yaml
from refusal import BAD_INPUT, REFUSED, assert_refused, everything_in
from shell import Cli

LONGEST = 40


ANSWERS = {
    "an unknown domain, with the nearest match": (
        ["--domain", "http-apy"],
        "--domain http-apy: not one of http-api, rpc-api, event-worker, metrics-exporter, http-gateway, "
        "tcp-proxy, stream-ingest, sensor-node; did you mean http-api?",
    ),
    "an unknown key, with the nearest match": (
        ["--domain", "http-api", "--set", "license=MIT"],
        "--set license=MIT: no such question; did you mean licence?",
    ),
    "a key that this domain does not ask": (
        ["--domain", "http-gateway", "--set", "module_prefix=example.com"],
        "--set module_prefix=example.com: not asked with these answers (only for domain http-api, "
        "rpc-api, event-worker, metrics-exporter)",
    ),
    "a computed key": (
        ["--domain", "http-api", "--set", "template=rust-service"],
        "--set template=rust-service: computed from the other answers, it can't be set",
    ),
    "a value outside the choices": (
        ["--domain", "http-api", "--set", "licence=mit"],
        "--set licence=mit: not one of Apache-2.0, MIT; did you mean MIT?",
    ),
    "a key answered twice": (
        ["--domain", "http-api", "--set", "licence=MIT", "--set", "licence=MIT"],
        "--set licence=MIT: already answered by --set licence=MIT",
    ),
    "a domain answered twice": (
        ["--domain", "http-api", "--set", "domain=sensor-node"],
        "--set domain=sensor-node: already answered by --domain http-api",
    ),
    "a setting without a value": (
        ["--domain", "http-api", "--set", "licence"],
        "--set licence: write it as --set KEY=VALUE",
    ),
    "a keyword of Go as name": (
        ["--domain", "http-gateway", "--set", "project_name=select"],
        "--set project_name=select: select is a keyword of Go",
    ),
    "a keyword of Rust as name": (
        ["--domain", "http-api", "--set", "project_name=crate"],
        "--set project_name=crate: crate is a keyword of Rust",
    ),
    "a name that the tools keep": (
        ["--domain", "http-api", "--set", "project_name=internal"],
        "--set project_name=internal: internal is a name that Go or Cargo keeps for itself",
    ),
    "a name that is too long": (
        ["--domain", "http-api", "--set", f"project_name={'a' * (LONGEST + 1)}"],
        f"--set project_name={'a' * (LONGEST + 1)}: must be 2 to 40 characters: lower-case letters, digits "
        "and single hyphens, starting with a letter",
    ),
    "a name that would be a major version of a module": (
        ["--domain", "http-api", "--set", "project_name=v2"],
        "--set project_name=v2: Go would read v2 at the end of a module path as a major version",
    ),
    "a prefix that can't head a module path": (
        ["--domain", "http-api", "--set", "module_prefix=Example"],
        "--set module_prefix=Example: must be a domain and an optional path, such as example.com/team: a dot "
        "in the domain, which is lower case, then letters, digits and - . _ ~ between slashes",
    ),
    "a description that would end a string": (
        ["--domain", "http-api", "--set", 'description=The "best"'],
        '--set description=The "best": must be one line of 1 to 120 characters, no space around it, none of '
        '" \\ $ ` { }',
    ),
    "a period that a server has to ask for": (
        ["--domain", "sensor-node", "--set", "sample_period_ms=999"],
        "--set sample_period_ms=999: must be 1000 to 3600000; a server can ask for shorter periods",
    ),
    "a stack that is no whole number of KiB": (
        ["--domain", "sensor-node", "--set", "stack_size=1536"],
        "--set stack_size=1536: must be 1024 to 16384, and a multiple of 1024",
    ),
    "a stack that does not hold what the firmware calls": (
        ["--domain", "sensor-node", "--set", "stack_size=0"],
        "--set stack_size=0: must be 1024 to 16384, and a multiple of 1024",
    ),
    "a stack that takes more than half of the board's RAM": (
        ["--domain", "sensor-node", "--set", "board=nrf51822", "--set", "stack_size=9216"],
        "--set stack_size=9216: must be 1024 to 8192, and a multiple of 1024",
    ),
    "a runtime that needs what the board's core lacks": (
        ["--domain", "sensor-node", "--set", "board=nrf51822", "--set", "runtime=rtic"],
        "--set runtime=rtic: RTIC needs atomic swaps, which this board lacks: take bare or embassy",
    ),
    "regions of memory for a core that has no memory protection": (
        ["--domain", "sensor-node", "--set", "board=nrf51822", "--set", "hardening_mpu=true"],
        "--set hardening_mpu=true: not asked with these answers (only for domain sensor-node)",
    ),
    "regions of memory for what is no firmware": (
        ["--domain", "http-api", "--set", "hardening_mpu=true"],
        "--set hardening_mpu=true: not asked with these answers (only for domain sensor-node)",
    ),
    "a missing domain, even with --defaults": (
        [],
        "domain: not answered, and no terminal to ask on; add --domain with one of http-api, rpc-api, "
        "event-worker, metrics-exporter, http-gateway, tcp-proxy, stream-ingest, sensor-node",
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_refuses(cli: Cli, case: str) -> None:
    arguments, line = ANSWERS[case]
    assert_refused(cli, BAD_INPUT, line, arguments=("demo", "--defaults", *arguments))


def test_lists_every_problem_at_once(cli: Cli) -> None:
    assert_refused(
        cli,
        BAD_INPUT,
        "--set plain: write it as --set KEY=VALUE",
        "--set colour=red: no such question",
        "--set project_name=Go: must be 2 to 40 characters: lower-case letters, digits and single hyphens, "
        "starting with a letter",
        "--set licence=GPL: not one of Apache-2.0, MIT",
        arguments=(
            *("demo", "--domain", "http-api", "--defaults", "--set", "plain", "--set", "colour=red"),
            *("--set", "project_name=Go", "--set", "licence=GPL"),
        ),
    )


def test_lists_every_missing_answer_when_there_is_no_terminal(cli: Cli) -> None:
    finished = cli.bedplate("new", "demo", "--domain", "http-api", "--set", "owner=Ada")
    assert finished.returncode == BAD_INPUT
    head = "not answered, and no terminal to ask on; add --set"
    assert finished.stderr.splitlines() == [
        f"bedplate: project_name: {head} project_name=…, or --defaults for 'demo'",
        f"bedplate: description: {head} description=…, or --defaults for "
        "'A JSON service over net/http that stores and serves readings.'",
        f"bedplate: licence: {head} licence=Apache-2.0|MIT, or --defaults for 'Apache-2.0'",
        f"bedplate: module_prefix: {head} module_prefix=…, or --defaults for 'example.com'",
        f"bedplate: database: {head} database=memory|postgres|sqlite, or --defaults for 'memory'",
        f"bedplate: auth: {head} auth=none|oidc, or --defaults for 'none'",
        f"bedplate: tracing: {head} tracing=true|false, or --defaults for true",
        f"bedplate: deploy: {head} deploy=kustomize|none, or --defaults for 'kustomize'",
        f"bedplate: ci: {head} ci=github|gitlab|none, or --defaults for 'github'",
    ]
    assert everything_in(cli.directory) == set()


def test_refuses_the_name_of_a_crate_that_the_project_depends_on(cli: Cli, template_repository: Cli) -> None:
    source = template_repository.directory
    index = yaml.safe_load((source / "locks/index.yml").read_text())["locks"]["default"]
    (
        source
        / "locks"
        / index["http-gateway,tls=false,http2=false,rate_limit=false,tracing=false"]["Cargo.lock"]
    ).write_text('[[package]]\nname = "hyper-util"\nversion = "0.1.21"\nsource = "registry"\n')
    assert_refused(
        cli,
        BAD_INPUT,
        "--set project_name=hyper-util: hyper-util is the name of a crate that the project depends on",
        arguments=(
            *("demo", "--domain", "http-gateway", "--defaults", "--set", "project_name=hyper-util"),
            *("--source", source, "--ref", "HEAD"),
        ),
    )


FILES = {
    "is not there": (None, "--answers answers.yml: can't be read: No such file or directory"),
    "is not text": (b"\xff\xfe\x00", "--answers answers.yml: can't be read: not UTF-8 text"),
    "is not a mapping": (b"- domain\n", "--answers answers.yml: not a mapping of questions to answers"),
    "has an answer of the wrong type": (
        b"domain: http-api\nowner: [Ada]\n",
        "answers.yml: owner: must be text, not ['Ada']",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_refuses_an_answers_file_that(cli: Cli, case: str) -> None:
    content, line = FILES[case]
    if content is not None:
        (cli.directory / "answers.yml").write_bytes(content)
    domain = ("--domain", "http-api") if b"domain:" not in (content or b"") else ()
    assert_refused(
        cli, BAD_INPUT, line, arguments=("demo", "--defaults", "--answers", "answers.yml", *domain)
    )


def test_refuses_an_answers_file_that_is_not_yaml(cli: Cli) -> None:
    (cli.directory / "answers.yml").write_text("domain: [\n")
    finished = cli.bedplate("new", "demo", "--defaults", "--domain", "http-api", "--answers", "answers.yml")
    assert finished.returncode == BAD_INPUT
    (line,) = finished.stderr.splitlines()
    assert line.startswith("bedplate: --answers answers.yml: not YAML: ")


def test_refuses_a_destination_that_is_not_empty(cli: Cli) -> None:
    (cli.directory / "demo").mkdir()
    (cli.directory / "demo/mine.txt").write_text("mine\n")
    assert_refused(
        cli,
        REFUSED,
        "demo: the directory is not empty",
        arguments=("demo", "--domain", "http-api", "--defaults"),
    )


def test_refuses_a_destination_that_is_a_file(cli: Cli) -> None:
    (cli.directory / "demo").write_text("mine\n")
    assert_refused(
        cli,
        REFUSED,
        "demo: a file of that name is in the way",
        arguments=("demo", "--domain", "http-api", "--defaults"),
    )


def test_refuses_a_destination_below_a_file(cli: Cli) -> None:
    (cli.directory / "file").write_text("mine\n")
    assert_refused(
        cli,
        REFUSED,
        "file/demo: file is not a directory",
        arguments=("file/demo", "--domain", "http-api", "--defaults"),
    )


def test_refuses_a_destination_that_no_directory_can_be_called(cli: Cli) -> None:
    name = "a" * 256
    assert_refused(
        cli,
        REFUSED,
        f"{name}: File name too long",
        arguments=(name, "--domain", "http-api", "--defaults"),
    )


def test_refuses_to_fill_the_directory_that_the_name_stands_for(cli: Cli) -> None:
    (cli.directory / "gateway").mkdir()
    (cli.directory / "gateway/mine.txt").write_text("mine\n")
    assert_refused(
        cli,
        REFUSED,
        "gateway: the directory is not empty",
        arguments=("--domain", "http-gateway", "--defaults"),
    )


def test_shows_a_traceback_only_when_asked(cli: Cli) -> None:
    arguments = ("new", "demo", "--domain", "http-apy", "--defaults")
    assert "Traceback" not in cli.bedplate(*arguments).stderr
    assert "Traceback" in cli.bedplate(*arguments, "--debug").stderr


def test_refuses_an_unknown_option(cli: Cli) -> None:
    finished = cli.bedplate("new", "demo", "--colour")
    assert finished.returncode == BAD_INPUT
    assert "No such option" in finished.stderr
    assert "Traceback" not in finished.stderr
