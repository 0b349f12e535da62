"""`bedplate list`, `bedplate explain` and what every command has in common."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from domains import DOMAINS
from jsonschema import Draft202012Validator
from shell import ROOT, Cli


@pytest.fixture(scope="module")
def schema(user_environment: dict[str, str]) -> dict[str, Any]:
    finished = Cli(ROOT, user_environment).bedplate("list", "--json")
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_list_groups_the_domains_with_their_template_and_options(cli: Cli) -> None:
    listed = cli.bedplate("list").stdout
    catalogue = yaml.safe_load((ROOT / "questions/domains.yml").read_text())["domains"]["default"]
    assert set(catalogue) == set(DOMAINS)
    place = -1
    for name, entry in catalogue.items():
        assert listed.index(entry["group"]) < listed.index(f"  {name} ")
        assert listed.index(f"  {name} ") > place
        place = listed.index(f"  {name} ")
        assert f"template {entry['template']}" in listed
    _, _, services = listed.partition("http-api")
    assert "module_prefix" in services.partition("http-gateway")[0]
    assert "module_prefix" not in services.partition("http-gateway")[2]


def test_the_schema_is_a_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_schema_accepts_what_a_project_records(cli: Cli, schema: dict[str, Any], domain: str) -> None:
    record = json.loads(cli.bedplate("new", "demo", "--domain", domain, "--defaults", "--json").stdout)
    Draft202012Validator(schema).validate(record["answers"])


REJECTED: dict[str, dict[str, object]] = {
    "no domain": {},
    "an unknown domain": {"domain": "http-apy"},
    "an unknown key": {"domain": "http-api", "license": "MIT"},
    "a key of another domain": {"domain": "sensor-node", "module_prefix": "example.com"},
    "a value outside the choices": {"domain": "http-api", "licence": "GPL"},
    "a choice of another domain": {"domain": "http-api", "deploy": "systemd"},
    "a wrong type": {"domain": "http-api", "owner": ["Ada"]},
    "a name that is no name": {"domain": "http-api", "project_name": "My Project"},
    "a name that is too short": {"domain": "http-api", "project_name": "x"},
    "a keyword as name": {"domain": "http-api", "project_name": "crate"},
    "a description of two lines": {"domain": "http-api", "description": "One.\nTwo."},
}


@pytest.mark.parametrize("case", REJECTED)
def test_the_schema_and_the_command_both_refuse(cli: Cli, schema: dict[str, Any], case: str) -> None:
    (cli.directory / "answers.yml").write_text(yaml.safe_dump(REJECTED[case]))
    assert not Draft202012Validator(schema).is_valid(REJECTED[case])
    assert cli.bedplate("new", "demo", "--answers", "answers.yml", "--defaults").returncode == 2


def test_the_schema_gives_the_default_of_each_domain(schema: dict[str, Any]) -> None:
    names = {
        branch["if"]["properties"]["domain"]["const"]: branch["then"]["properties"]["project_name"]["default"]
        for branch in schema["allOf"]
    }
    assert names == {
        "http-api": "telemetry",
        "rpc-api": "telemetry",
        "event-worker": "telemetry",
        "metrics-exporter": "device-exporter",
        "http-gateway": "gateway",
        "tcp-proxy": "relay",
        "stream-ingest": "intake",
        "sensor-node": "sensor-node",
    }


@pytest.mark.parametrize("domain", DOMAINS)
def test_explains_a_domain(cli: Cli, domain: str) -> None:
    catalogue = yaml.safe_load((ROOT / "questions/domains.yml").read_text())["domains"]["default"]
    text = " ".join(cli.bedplate("explain", domain).stdout.split())
    entry = catalogue[domain]
    told_once = (entry["summary"], entry["choose_when"], entry["why_language"])
    for told in (*told_once, *entry["emits"], *entry["next"]):
        assert " ".join(told.split()) in text
    record = json.loads(cli.bedplate("new", "--domain", domain, "--defaults", "--json").stdout)
    for question, default in record["answers"].items():
        if question != "domain":
            assert f" {question}" in text
            assert f"default: {default}" in text


def test_explains_a_question(cli: Cli) -> None:
    text = cli.bedplate("explain", "module_prefix").stdout
    assert "Asked for:  http-api, rpc-api, event-worker, metrics-exporter\n" in text
    assert "example.com (http-api)" in text


def test_files_are_listed_like_words_of_a_sentence(cli: Cli) -> None:
    for name in ("http-api", "project_name"):
        text = cli.bedplate("explain", name).stdout
        assert re.search(r"Dockerfile,\s+Makefile,\s+README\.md,", text)
        assert not re.search(r",  ", text)


def test_the_domain_has_no_default_and_changes_every_file(cli: Cli) -> None:
    explained = json.loads(cli.bedplate("explain", "domain", "--json").stdout)
    assert explained.keys() == DOMAINS.keys()
    catalogue = yaml.safe_load((ROOT / "questions/domains.yml").read_text())["domains"]["default"]
    for domain, option in explained.items():
        own = f"cmd/{catalogue[domain]['project_name']}/"
        record = json.loads(cli.bedplate("new", domain, "--domain", domain, "--defaults", "--json").stdout)
        paths = {file["path"].replace(f"cmd/{domain}/", own) for file in record["files"]}
        assert (option["default"], set(option["files"])) == (None, paths - {".copier-answers.yml"})


def test_every_question_can_be_explained(cli: Cli, schema: dict[str, Any]) -> None:
    for question in schema["properties"]:
        finished = cli.bedplate("explain", question)
        assert finished.returncode == 0
        assert "Decides ." not in finished.stdout


def test_explain_refuses_an_unknown_name_with_the_nearest(cli: Cli) -> None:
    finished = cli.bedplate("explain", "sensor-nod")
    assert finished.returncode == 2
    assert finished.stderr.startswith(
        "bedplate: sensor-nod: no such domain or question; did you mean sensor-node?"
    )


def test_lists_another_source(cli: Cli, template_repository: Cli) -> None:
    questions = template_repository.directory / "questions/domains.yml"
    questions.write_text(questions.read_text().replace("title: HTTP API", "title: House API"))
    template_repository.git("commit", "--quiet", "--all", "--message=Two")
    template_repository.git("tag", "1.1.0")
    listed = cli.bedplate("list", "--source", template_repository.directory).stdout
    assert "House API" in listed


def test_the_module_and_the_version(cli: Cli) -> None:
    finished = cli.bedplate("--version")
    assert finished.stdout.startswith("bedplate 0.")


def test_help_lists_the_commands_and_the_exit_codes(cli: Cli) -> None:
    text = cli.bedplate("--help").stdout
    for word in ("new", "list", "explain", "verify", "doctor", "Exit codes"):
        assert word in text


@pytest.mark.parametrize("command", ["new", "list", "explain", "verify", "doctor"])
def test_every_command_has_help(cli: Cli, command: str) -> None:
    finished = cli.bedplate(command, "--help")
    assert finished.returncode == 0
    assert "Usage: bedplate" in finished.stdout


def test_says_nothing_when_nobody_reads_on(user_environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    finished = subprocess.run(
        [sys.executable, "-m", "bedplate", "list", "--json"],
        env=user_environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (finished.returncode, finished.stderr) == (1, "")


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "--json"], ["explain", "http-api"]])
def test_nothing_heavy_is_imported_to_answer(user_environment: dict[str, str], arguments: list[str]) -> None:
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['bedplate', *{arguments!r}]\n"
        "try:\n    runpy.run_module('bedplate', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'copier', 'docker', 'plumbum', 'prompt_toolkit', 'pydantic', 'rich'} & "
        "set(sys.modules)), file=sys.stderr)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=user_environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert finished.stderr == "[]\n"
