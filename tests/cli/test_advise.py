"""`bedplate advise`, as it is typed and as it is read."""

from __future__ import annotations

import json
import re

import yaml
from shell import ROOT, Cli
from terminal import DOWN, ENTER, INTERRUPT, asked, finish


def test_parts_are_told_with_reasons_costs_and_the_wire_between(cli: Cli) -> None:
    needs = ("does=firmware", "does=json-api", "team=changing")
    finished = cli.bedplate("advise", *(f"--need={need}" for need in needs))
    assert (finished.returncode, finished.stderr) == (0, "")
    said = finished.stdout
    assert said.startswith("Both\n")
    assert "firmware: Rust, sensor-node\n" in said
    assert "  for     does=firmware (decides): " in said
    assert "  against team=changing (Go +3): " in said
    assert "  begin   bedplate new DEST --domain http-api\n" in said
    assert "What Rust costs\n" in said
    assert "What Go costs\n" in said
    assert "Between sensor-node and http-api: " in said
    assert max(map(len, said.splitlines())) <= 96


def test_a_part_without_a_domain_is_told_with_where_to_begin(cli: Cli) -> None:
    said = cli.bedplate("advise", "--need", "does=operator").stdout
    assert "operator: Go, no domain of Bedplate\n" in said
    assert "  begin   Kubebuilder; of Bedplate's domains rpc-api is the nearest\n" in said
    assert "  turns   with no other answer to one need\n" in said


def test_without_a_part_the_domains_of_the_language_are_named(cli: Cli) -> None:
    said = cli.bedplate("advise", "--need", "start=at-once").stdout
    domains = yaml.safe_load((ROOT / "questions/domains.yml").read_text())["domains"]["default"]
    fitting = [name for name, entry in domains.items() if entry["language"] == "Go"]
    assert said.startswith(f"Go: one of {', '.join(fitting)}\n")
    assert "nothing that is known decides" in said


def test_json_has_all_of_it(cli: Cli) -> None:
    record = json.loads(cli.bedplate("advise", "--need=does=http-proxy", "--json").stdout)
    assert record["answer"] == "Rust"
    (verdict,) = record["verdicts"]
    assert (verdict["part"], verdict["domain"]) == ("http-proxy", "http-gateway")
    assert verdict["scores"] == {"Go": 0, "Rust": 3}
    assert verdict["pulls"][0]["weight"] == 3
    assert record["wires"] == []


def test_nothing_to_go_by_is_told_where_nobody_can_be_asked(cli: Cli) -> None:
    finished = cli.bedplate("advise")
    assert finished.returncode == 2
    assert re.fullmatch(
        r"bedplate: nothing to go by: --need KEY=VALUE, with does, latency, .*\n", finished.stderr
    )


def test_what_is_wrong_is_told_in_one_line_each(cli: Cli) -> None:
    finished = cli.bedplate("advise", "--need", "latncy=low", "--need", "memory")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert [line.partition(":")[0] for line in finished.stderr.splitlines()] == ["bedplate", "bedplate"]


def test_asks_for_parts_and_needs_on_a_terminal(cli: Cli) -> None:
    with asked(cli, "advise") as terminal:
        terminal.expect("What does it consist of")
        terminal.send(" " + ENTER)
        needs = yaml.safe_load((ROOT / "questions/advice.yml").read_text())["needs"]
        for need in needs.values():
            terminal.expect(re.escape(need["ask"]))
            terminal.send(DOWN + ENTER if need is needs["latency"] else ENTER)
        terminal.expect(r"json-api: Go, http-api.*latency=relaxed \(Go \+1\)")
        assert finish(terminal) == 0


def test_ends_at_once_when_it_is_interrupted(cli: Cli) -> None:
    with asked(cli, "advise") as terminal:
        terminal.expect("What does it consist of")
        terminal.send(INTERRUPT)
        assert finish(terminal) == 130
        assert "Traceback" not in terminal.before
