"""The questionnaire as data, and answers settled apart from copier exactly as copier settles them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from bedplate.errors import BadInput
from bedplate.questionnaire import Questionnaire, nearest, truth
from copier import run_copy
from domains import DOMAINS
from shell import ROOT


@pytest.fixture(scope="module")
def bedplate() -> Questionnaire:
    return Questionnaire.load(ROOT)


def template(root: Path, questions: str) -> Questionnaire:
    """A template with these questions that emits nothing but the record of its answers."""
    (root / "copier.yml").write_text(dedent(questions))
    (root / "{{ _copier_conf.answers_file }}.jinja").write_text("{{ _copier_answers | to_yaml }}")
    return Questionnaire.load(root)


def settled_by_copier(root: Path, destination: Path, answers: dict[str, object]) -> dict[str, object]:
    run_copy(str(root), destination, data=dict(answers), defaults=True, quiet=True)
    recorded = yaml.safe_load((destination / ".copier-answers.yml").read_text())
    return {key: value for key, value in recorded.items() if not key.startswith("_")}


@pytest.mark.parametrize("name", ["plain", "with-hyphens-1"])
@pytest.mark.parametrize("domain", DOMAINS)
def test_settles_answers_as_copier_does(
    bedplate: Questionnaire, template_tree: Path, tmp_path: Path, domain: str, name: str
) -> None:
    given: dict[str, object] = {"domain": domain, "project_name": name}
    by_copier = settled_by_copier(template_tree, tmp_path / "project", given)
    assert bedplate.evaluate(given).answers == by_copier


TYPED = """
    size: {type: int, default: 3}
    ratio: {type: float, default: "{{ size / 2 }}"}
    fast: {type: bool, default: "{{ size > 2 }}"}
    parts: {type: yaml, default: [a, b]}
    kind: {choices: {Small: s, Large: l}, default: s}
    several: {type: str, multiselect: true, choices: [x, y, z], default: [z, x]}
    only_fast: {type: str, when: "{{ fast }}", default: "fast {{ kind }}"}
    only_slow: {type: str, when: "{{ not fast }}", default: "slow"}
    derived: {type: str, when: false, default: "{{ kind }}{{ size }}"}
    """


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"size": 1},
        {"size": "7", "kind": "l"},
        {"fast": "no"},
        {"fast": True, "ratio": "0.25"},
        {"parts": "[1, {a: b}]", "several": ["y"]},
        {"several": "[y, z]"},
    ],
    ids=str,
)
def test_settles_every_type_as_copier_does(tmp_path: Path, given: dict[str, object]) -> None:
    root = tmp_path / "template"
    root.mkdir()
    evaluation = template(root, TYPED).evaluate(given)
    assert evaluation.problems == ()
    assert evaluation.answers == settled_by_copier(root, tmp_path / "project", given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "\udcff"}, "must be text, not '\\udcff'"),
        ({"size": "three"}, "must be a whole number, not 'three'"),
        ({"ratio": "half"}, "must be a number, not 'half'"),
        ({"fast": "maybe"}, "must be true or false, not 'maybe'"),
        ({"kind": "m"}, "not one of s, l"),
        ({"several": ["x", "w"]}, "not one of x, y, z"),
        ({"several": "x"}, "must be a list"),
        ({"parts": "[1"}, "must be YAML, not '[1'"),
        ({"only_slow": "y"}, "not asked with these answers"),
        ({"derived": "s3"}, "computed from the other answers, it can't be set"),
        ({"sise": 4}, "no such question; did you mean size?"),
    ],
    ids=str,
)
def test_names_the_problem_of_an_answer(tmp_path: Path, given: dict[str, object], message: str) -> None:
    (problem,) = template(tmp_path, TYPED).evaluate(given).problems
    assert problem.message.startswith(message)


def test_a_choice_can_be_refused_with_a_reason(tmp_path: Path) -> None:
    questions = """
        size: {type: int, default: 1}
        mode:
          type: str
          default: a
          choices:
            A: a
            B: {value: b, validator: "{% if size < 5 %}needs a size of 5{% endif %}"}
        """
    questionnaire = template(tmp_path, questions)
    (problem,) = questionnaire.evaluate({"mode": "b"}).problems
    assert problem.message == "needs a size of 5"
    assert questionnaire.evaluate({"mode": "b", "size": 5}).problems == ()


def test_a_missing_answer_keeps_what_hangs_on_it_open(bedplate: Questionnaire) -> None:
    evaluation = bedplate.evaluate({})
    assert evaluation.missing == ("domain",)
    asked = [
        set(bedplate.evaluate({"domain": name}).asked)
        for name in ("sensor-node", "http-api", "event-worker", "http-gateway")
    ]
    of_some = set.union(*asked) - set.intersection(*asked)
    assert {"module_prefix", "rate_limit"} < of_some
    assert list(evaluation.undecided) == [name for name in bedplate.questions if name in of_some]
    assert evaluation.problems == ()


def test_a_wrong_domain_does_not_hide_other_problems(bedplate: Questionnaire) -> None:
    problems = bedplate.evaluate({"domain": "x", "licence": "GPL", "project_name": "X"}).problems
    assert [problem.question for problem in problems] == ["domain", "project_name", "licence"]


def test_without_defaults_every_question_that_was_not_answered_is_missing(bedplate: Questionnaire) -> None:
    evaluation = bedplate.evaluate({"domain": "sensor-node", "owner": "Ada"}, defaults=False)
    of_firmware = ("board", "runtime", "logging", "hardening_mpu", "sample_period_ms", "stack_size")
    assert evaluation.missing == ("project_name", "description", "licence", *of_firmware, "ci")


def test_a_suggestion_stands_before_the_default_and_behind_an_answer(bedplate: Questionnaire) -> None:
    given: dict[str, object] = {"domain": "http-api"}
    suggested: dict[str, object] = {"project_name": "suggested"}
    assert bedplate.evaluate(given, suggested=suggested).answers["project_name"] == "suggested"
    given["project_name"] = "given"
    assert bedplate.evaluate(given, suggested=suggested).answers["project_name"] == "given"


def test_a_directory_without_a_questionnaire_is_no_template(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has no copier\.yml"):
        Questionnaire.load(tmp_path)


def test_a_broken_questionnaire_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "copier.yml").write_text("domain: [\n")
    with pytest.raises(BadInput) as raised:
        Questionnaire.load(tmp_path)
    (message,) = raised.value.messages
    assert message.startswith(f"{tmp_path}/copier.yml: not a questionnaire: ")
    assert "\n" not in message


@pytest.mark.parametrize("word", ["yes", "True", "on", "1", "2.5", True, 1])
def test_reads_as_true(word: object) -> None:
    assert truth(word)


@pytest.mark.parametrize("word", ["no", "False", "off", "0", "", " ", "null", "~", False, 0])
def test_reads_as_false(word: object) -> None:
    assert not truth(word)


def test_reads_nothing_else_as_a_condition() -> None:
    with pytest.raises(ValueError, match="perhaps"):
        truth("perhaps")


def test_the_nearest_name_is_found_whatever_its_case() -> None:
    assert nearest("Licnce", ["domain", "licence"]) == "; did you mean licence?"
    assert nearest("colour", ["domain", "licence"]) == ""
