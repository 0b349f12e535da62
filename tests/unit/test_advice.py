"""What is advised in situations that people describe, and what is said of data that does not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from bedplate.advice import FILE, Knowledge
from bedplate.catalogue import Catalogue
from bedplate.errors import BadInput
from shell import ROOT

SITUATIONS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "situations.yml").read_bytes())


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return Knowledge.load(ROOT, Catalogue.load(ROOT))


@pytest.mark.parametrize("situation", SITUATIONS, ids=[entry["said"] for entry in SITUATIONS])
def test_a_situation_is_advised_as_one_who_knows_both_would(
    knowledge: Knowledge, situation: dict[str, Any]
) -> None:
    advice = knowledge.advise(knowledge.facts(situation["needs"]))
    found = {v.part or "": f"{v.language} {v.domain or ''}".strip() for v in advice.verdicts}
    assert found == situation["advised"]
    languages = {text.partition(" ")[0] for text in situation["advised"].values()}
    assert advice.answer == (languages.pop() if len(languages) == 1 else "both")


def test_situations_are_enough_of_each_kind() -> None:
    kinds = [
        tuple(sorted({text.partition(" ")[0] for text in entry["advised"].values()})) for entry in SITUATIONS
    ]
    assert kinds.count(("Go",)) >= 10
    assert kinds.count(("Rust",)) >= 10
    assert kinds.count(("Go", "Rust")) >= 5


def test_what_there_is_no_domain_for_is_said_with_the_nearest_and_a_start_elsewhere(
    knowledge: Knowledge,
) -> None:
    (verdict,) = knowledge.advise(knowledge.facts(["does=operator"])).verdicts
    assert (verdict.domain, verdict.nearest, verdict.elsewhere) == (None, "rpc-api", "Kubebuilder")


def test_a_turn_turns_and_nothing_else_does(knowledge: Knowledge) -> None:
    needs = {"does": "json-api", "team": "changing", "input": "hostile", "memory": "bounded"}
    (verdict,) = knowledge.advise(knowledge.facts([f"{key}={of}" for key, of in needs.items()])).verdicts
    turns = {(turn.need, turn.choice) for turn in verdict.turns}
    for need, of in knowledge.needs.items():
        for choice in (*of.choices, None):
            changed = {**needs, need: choice}
            given = [f"{key}={value}" for key, value in changed.items() if value is not None]
            (other,) = knowledge.advise(knowledge.facts(given)).verdicts
            assert ((need, choice) in turns) == (other.language != verdict.language), (need, choice)
    assert turns


def test_a_part_that_much_speaks_against_is_to_be_divided(knowledge: Knowledge) -> None:
    needs = ["does=json-api", "team=changing", "change=weekly", "latency=guaranteed"]
    advice = knowledge.advise(knowledge.facts(needs))
    (verdict,) = advice.verdicts
    assert (verdict.language, verdict.beside, verdict.beside_domain) == ("Rust", "Go", "http-api")
    assert advice.answer == "both"


def test_facts_that_decide_for_either_divide_a_part_as_well(knowledge: Knowledge) -> None:
    (verdict,) = knowledge.advise(knowledge.facts(["does=operator", "memory=tiny"])).verdicts
    assert (verdict.language, verdict.beside) == ("Go", "Rust")


def test_a_need_of_one_part_leaves_the_others_alone(knowledge: Knowledge) -> None:
    given = ["does=http-proxy", "does=rpc", "http-proxy.latency=low"]
    first, second = knowledge.advise(knowledge.facts(given)).verdicts
    assert "latency" in {pull.need for pull in first.pulls}
    assert "latency" not in {pull.need for pull in second.pulls}


def test_what_a_part_presumes_goes_before_what_is_said_of_all_but_not_of_it(knowledge: Knowledge) -> None:
    given = ["does=firmware", "memory=plenty", "firmware.platform=server"]
    (verdict,) = knowledge.advise(knowledge.facts(given)).verdicts
    assert {pull.need: pull.choice for pull in verdict.pulls if pull.need != "does"} == {
        "memory": "tiny",
        "platform": "server",
    }


def test_parts_in_different_languages_have_a_wire(knowledge: Knowledge) -> None:
    advice = knowledge.advise(knowledge.facts(["does=firmware", "does=tcp-proxy", "does=json-api"]))
    assert [set(wire.ends) for wire in advice.wires] == [
        {"sensor-node", "http-api"},
        {"tcp-proxy", "http-api"},
    ]
    (other,) = knowledge.advise(knowledge.facts(["does=storage", "does=operator"])).wires
    assert set(other.ends) == {"storage", "operator"}


def test_every_wire_that_is_known_is_told_of_the_parts_at_its_ends(knowledge: Knowledge) -> None:
    parts = {domain: name for name, part in knowledge.parts.items() for domain in part.domains.values()}
    known = [wire for wire in knowledge.wires if wire.ends]
    for wire in known:
        system = [f"does={parts[end]}" for end in wire.ends]
        assert knowledge.advise(knowledge.facts(system)).wires == (wire,)
    assert {frozenset(wire.ends) for wire in known} >= {
        frozenset({"sensor-node", "stream-ingest"}),
        frozenset({"metrics-exporter", "http-api"}),
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("latency", "--need latency: write it as KEY=VALUE"),
        ("latncy=low", "did you mean latency?"),
        ("latency=lo", "can't be lo; did you mean low? (relaxed, low, guaranteed)"),
        ("does=api", "can't be api"),
        ("api.latency=low", "no such part"),
        ("rpc.does=rpc", "no such need"),
        ("rpc.latency=low", "--need rpc.…: say --need does=rpc as well"),
    ],
)
def test_a_need_that_is_none_is_told(knowledge: Knowledge, given: str, told: str) -> None:
    with pytest.raises(BadInput) as error:
        knowledge.facts([given])
    assert told in error.value.messages[0]
    assert len(error.value.messages) == 1


def test_every_need_that_is_none_is_told_at_once(knowledge: Knowledge) -> None:
    with pytest.raises(BadInput) as error:
        knowledge.facts(["latency=low", "latency=relaxed", "x=1", "\n=2"])
    assert [message.partition(": ")[0] for message in error.value.messages] == [
        "--need latency=relaxed",
        "--need x=1",
        "--need \\n=2",
    ]


def broken(change: Callable[[dict[str, Any]], object], root: Path) -> Path:
    shutil.copytree(ROOT / "questions", root / "questions")
    shutil.copytree(ROOT / "locks", root / "locks", ignore=shutil.ignore_patterns("*.lock", "*.sum", "*.mod"))
    shutil.copy(ROOT / "copier.yml", root)
    data = yaml.safe_load((root / FILE).read_bytes())
    change(data)
    (root / FILE).write_text(yaml.safe_dump(data))
    return root


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data["parts"]["rpc"].update(nearest="rpc"), "parts: rpc: no such domain: rpc"),
        (lambda data: data["parts"]["rpc"].update(presumes={"memory": "some"}), "presumes memory=some"),
        (lambda data: data["needs"]["size"]["choices"]["small"].update(towards="C"), "no such language: C"),
        (lambda data: data["parts"]["rpc"].pop("why"), "can't be used: 'why'"),
        (lambda data: data.update(needs=None), "can't be used"),
    ],
)
def test_knowledge_that_does_not_fit_is_told_with_its_file(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    root = broken(change, tmp_path / "template")
    with pytest.raises(BadInput) as error:
        Knowledge.load(root, Catalogue.load(root))
    assert str(root / FILE) in error.value.messages[0]
    assert told in error.value.messages[0]


def test_a_template_without_advice_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="gives no advice"):
        Knowledge.load(tmp_path, Catalogue.load(ROOT))
