"""Sets of rows against brute force: they have all that can stand together, and nothing that can't."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from bedplate.errors import BadInput
from bedplate.questionnaire import Questionnaire
from bedplate.verify import rows as rows_module
from bedplate.verify.rows import KINDS, Row, rows_of, select, settled
from generated_questionnaire import DOMAINS, Generated, questionnaires
from hypothesis import HealthCheck, given, settings
from shell import ROOT

STRENGTHS = {"pairwise": 2, "triples": 3}
REAL_DOMAINS = list(yaml.safe_load((ROOT / "questions/domains.yml").read_text())["domains"]["default"])

Combination = frozenset[tuple[str, object]]


@pytest.fixture(scope="module")
def bedplate() -> Questionnaire:
    return Questionnaire.load(ROOT)


def combinations(settled: Iterable[Mapping[str, object]], strength: int) -> set[Combination]:
    """Every `strength` values that appear together."""
    return {
        frozenset(chosen)
        for values in settled
        for chosen in itertools.combinations(values.items(), min(strength, len(values)))
    }


def loaded(generated: Generated) -> Questionnaire:
    with TemporaryDirectory() as directory:
        generated.write(Path(directory))
        return Questionnaire.load(Path(directory))


@given(generated=questionnaires())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_values_that_can_stand_together_are_missed(generated: Generated) -> None:
    questionnaire = loaded(generated)
    for domain, (kind, strength) in itertools.product(DOMAINS, STRENGTHS.items()):
        possible = combinations(generated.everything(domain), strength)
        first, *others = rows_of(questionnaire, kind, domain)
        assert first.given == {}
        shown = [generated.settle(domain, row.given) for row in others]
        assert None not in shown, "a row can't stand"
        shown += [generated.settle(domain, {})]
        covered = combinations([values for values in shown if values is not None], strength)
        assert covered == possible


@given(generated=questionnaires())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_all_rows_are_all_that_can_stand(generated: Generated) -> None:
    questionnaire = loaded(generated)
    for domain in DOMAINS:
        rows = rows_of(questionnaire, "all", domain)
        shown = [values for row in rows if (values := generated.settle(domain, row.given)) is not None]
        possible = list(generated.everything(domain))
        assert sorted(map(repr, shown)) == sorted(map(repr, possible))
        assert len({row.id for row in rows}) == len(rows)


@given(generated=questionnaires())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_has_every_value_that_can_stand_and_alone_where_it_can(generated: Generated) -> None:
    questionnaire = loaded(generated)
    for domain in DOMAINS:
        rows = [row.given for row in rows_of(questionnaire, "each", domain)]
        shown = [values for row in rows if (values := generated.settle(domain, row)) is not None]
        assert combinations(shown, 1) == combinations(generated.everything(domain), 1)
        answers = [(made, value) for made in generated.questions for value in made.values]
        for made, value in answers:
            if value != made.default and generated.settle(domain, {made.name: value}) is not None:
                assert {made.name: value} in rows


def test_a_value_that_needs_another_answer_comes_with_it(tmp_path: Path) -> None:
    questions: dict[str, Any] = {
        "domain": {"choices": ["one"], "type": "str"},
        "store": {"choices": ["memory", "file", "sql"], "default": "memory"},
        "pool": {"type": "bool", "default": False, "when": "{{ store == 'sql' }}"},
        "dialect": {"choices": ["a", "b"], "default": "a", "when": "{{ store == 'sql' and pool }}"},
    }
    (tmp_path / "copier.yml").write_text(yaml.safe_dump(questions, sort_keys=False))
    rows = rows_of(Questionnaire.load(tmp_path), "each", "one")
    assert [row.given for row in rows] == [
        {},
        {"store": "file"},
        {"store": "sql"},
        {"store": "sql", "pool": True},
        {"store": "sql", "pool": True, "dialect": "b"},
    ]


def real_values(questionnaire: Questionnaire, domain: str) -> dict[str, list[object]]:
    """What can be answered: choices as they stand in the files, texts as `each` has them, or no answer."""
    texts: dict[str, list[object]] = {}
    for row in rows_of(questionnaire, "each", domain):
        for name, value in row.given.items():
            texts.setdefault(name, [None]).append(value)
    return texts


def feasible(questionnaire: Questionnaire, domain: str) -> Iterator[dict[str, object]]:
    """All answers that the questionnaire accepts, by trying each combination of them."""
    values = real_values(questionnaire, domain)
    for picked in itertools.product(*values.values()):
        answers = {name: value for name, value in zip(values, picked, strict=True) if value is not None}
        evaluation = questionnaire.evaluate({"domain": domain, **answers})
        if not evaluation.problems and not evaluation.missing:
            yield {name: answers.get(name) for name in values}


@pytest.mark.parametrize("domain", REAL_DOMAINS)
def test_no_values_of_the_real_questionnaire_are_missed(bedplate: Questionnaire, domain: str) -> None:
    names = list(real_values(bedplate, domain))
    possible = list(feasible(bedplate, domain))
    for kind, strength in STRENGTHS.items():
        shown = [{name: row.given.get(name) for name in names} for row in rows_of(bedplate, kind, domain)]
        assert combinations(shown, strength) == combinations(possible, strength), kind


@pytest.mark.parametrize("domain", REAL_DOMAINS)
def test_every_choice_and_both_ends_of_every_text_are_in_some_row(
    bedplate: Questionnaire, domain: str
) -> None:
    rules = yaml.safe_load((ROOT / "questions/project.yml").read_text())["rules"]["default"]
    rows = [settled(bedplate, row) for row in rows_of(bedplate, "each", domain)]
    for name in bedplate.evaluate({"domain": domain}).asked:
        question = bedplate.questions[name]
        answers = {row[name] for row in rows}
        if isinstance(question.choices, list):
            assert answers == set(question.choices)
        elif name in rules:
            lengths = {len(answer) for answer in answers}
            assert {rules[name]["minLength"], rules[name]["maxLength"]} <= lengths
            assert any("-" in answer and any(map(str.isdigit, answer)) for answer in answers)


# All rows of a Go service are more than a set may have.
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"all"}))
def test_every_row_of_every_set_can_stand(bedplate: Questionnaire, kind: str) -> None:
    for row in select(bedplate, kind):
        settled(bedplate, row)


def test_a_covering_array_is_small(bedplate: Questionnaire) -> None:
    """Not one row for each pair: at most twice as many as the two largest factors have combinations."""
    for domain in REAL_DOMAINS:
        sizes = sorted(len(values) for values in real_values(bedplate, domain).values())
        assert len(rows_of(bedplate, "pairwise", domain)) <= 2 * sizes[-1] * sizes[-2]


@pytest.mark.parametrize("kind", STRENGTHS)
def test_rows_come_the_same_in_every_process(bedplate: Questionnaire, kind: str) -> None:
    program = (
        "from pathlib import Path; from bedplate.questionnaire import Questionnaire; "
        "from bedplate.verify.rows import select; "
        f"print(*(row.id for row in select(Questionnaire.load(Path('.')), {kind!r})))"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "generator")}
        printed = subprocess.check_output(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, text=True
        )
        assert printed.split() == [row.id for row in select(bedplate, kind)]


def test_ids_that_would_be_the_same_show_more_digits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """300 rows among the 16 ids of one digit: each is told apart, and the same way each time."""
    choices = {
        "domain": {"choices": ["one"], "type": "str"},
        "n": {"choices": list(range(300)), "default": 0},
    }
    (tmp_path / "copier.yml").write_text(yaml.safe_dump(choices))
    questionnaire = Questionnaire.load(tmp_path)
    short = Row.__init__.__defaults__
    assert short is not None
    monkeypatch.setattr(Row.__init__, "__defaults__", (*short[:-1], 1))
    rows = rows_of(questionnaire, "all", "one")
    names = [row.id for row in rows]
    assert len(set(names)) == len(rows) == 300
    assert names == [row.id for row in rows_of(questionnaire, "all", "one")]
    digits = [name.partition(":")[2] for name in names]
    assert not any(one != other and other.startswith(one) for one in digits for other in digits)
    assert all(row.digest.startswith(shown) for row, shown in zip(rows, digits, strict=True))


def test_too_many_rows_are_refused_with_what_to_take_instead(tmp_path: Path) -> None:
    choices: dict[str, Any] = {"domain": {"choices": ["one"], "type": "str"}}
    choices |= {f"q{number}": {"type": "bool", "default": False} for number in range(20)}
    (tmp_path / "copier.yml").write_text(yaml.safe_dump(choices, sort_keys=False))
    questionnaire = Questionnaire.load(tmp_path)
    with pytest.raises(BadInput) as raised:
        rows_of(questionnaire, "all", "one")
    assert str(raised.value) == (
        f"--rows all: one has more than {rows_module.MOST} rows; take --rows triples or pairwise"
    )
    assert len(rows_of(questionnaire, "pairwise", "one")) < 20
