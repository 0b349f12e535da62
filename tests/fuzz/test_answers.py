"""Any answers give a project that passes level render, or a clear refusal and nothing on the disk.

BEDPLATE_FUZZ is how many times as many sets are tried as usual, 1 unless it is set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from answer_sets import DOMAINS, QUESTIONNAIRE, meant, sent, texts
from bedplate.answers import collect
from bedplate.commands.new import check
from bedplate.errors import BedplateError
from bedplate.questionnaire import Questionnaire
from bedplate.render import Source, Template, opened
from bedplate.verify import batch
from bedplate.verify.findings import Status
from bedplate.verify.rendering import held
from bedplate.verify.rows import Row, settled
from bedplate.verify.snapshot import Snapshot
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st
from shell import ROOT

TIMES = float(os.environ.get("BEDPLATE_FUZZ", "1"))
CHECKED, REFUSED, RENDERED = 2_000, 100, 200
LONGEST = 400
"""Characters of one line that a user is told."""


def tried(examples: int, phases: tuple[Phase, ...] = tuple(Phase)) -> settings:
    return settings(
        max_examples=max(1, round(examples * TIMES)),
        deadline=None,
        phases=phases,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@pytest.fixture(scope="module")
def template(template_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with opened(Source.resolve(template_tree), tmp_path_factory.mktemp("project") / "none") as template:
        yield template


def assert_clear(lines: tuple[str, ...]) -> None:
    assert lines
    for line in lines:
        assert line.isprintable(), line
        assert 0 < len(line) <= LONGEST, line


def written(answers: Mapping[str, Any], directory: str) -> Path:
    file = Path(directory) / "answers.yml"
    file.write_text(yaml.safe_dump(dict(answers)), encoding="utf-8")
    return file


@given(answers=sent)
@tried(CHECKED // 2)
def test_answers_from_a_file_are_accepted_or_refused_clearly(
    template: Template, answers: dict[str, Any]
) -> None:
    with TemporaryDirectory() as directory:
        collected = collect(None, (), written(answers, directory))
    try:
        check(template, collected, {}, defaults=True, asking=False)
    except BedplateError as error:
        assert_clear(error.messages)


@given(answers=meant | sent)
@tried(CHECKED // 2)
def test_answers_from_options_are_accepted_or_refused_clearly(
    template: Template, answers: dict[str, Any]
) -> None:
    domain = answers.pop("domain", None)
    options = tuple(f"{name}={value}" for name, value in answers.items())
    collected = collect(None if domain is None else str(domain), options, None)
    try:
        check(template, collected, {}, defaults=True, asking=False)
    except BedplateError as error:
        assert_clear(error.messages)


@given(content=st.binary(max_size=60) | texts.map(lambda text: text.encode(errors="surrogatepass")))
@tried(200)
def test_any_answers_file_is_read_or_refused_clearly(template: Template, content: bytes) -> None:
    with TemporaryDirectory() as directory:
        file = Path(directory) / "answers.yml"
        file.write_bytes(content)
        try:
            check(template, collect(DOMAINS[0], (), file), {}, defaults=True, asking=False)
        except BedplateError as error:
            assert_clear(error.messages)


@given(answers=sent)
@tried(REFUSED)
def test_a_refusal_leaves_nothing_on_the_disk(template_tree: Path, answers: dict[str, Any]) -> None:
    # What begins with an underscore is of the record of a project, and passed over.
    asked = {name: answer for name, answer in answers.items() if not name.startswith("_")}
    evaluation = QUESTIONNAIRE.evaluate(asked)
    assume(evaluation.problems or evaluation.missing)
    with TemporaryDirectory() as directory, TemporaryDirectory() as place:
        order = batch.Order(str(written(answers, directory)), f"{place}/new/project", str(template_tree))
        outcome = batch.fill(order)
        assert outcome.trace == ""
        assert_clear(outcome.told)
        assert list(Path(place).iterdir()) == []


@pytest.mark.parametrize("half", [1, 2])
def test_accepted_answers_give_a_project_that_passes_level_render(template_tree: Path, half: int) -> None:
    """Two halves, so that two processes can share the work."""
    questionnaire = Questionnaire.load(template_tree)
    snapshot = Snapshot(template_tree, template_tree, questionnaire)
    rendered = 0

    @given(answers=meant)
    @tried(RENDERED // 2, (Phase.reuse, Phase.generate))  # a smaller example would take many minutes
    def passes(answers: dict[str, Any]) -> None:
        nonlocal rendered
        evaluation = questionnaire.evaluate(answers)
        assume(not evaluation.problems and not evaluation.missing)
        event(str(answers["domain"]))
        with TemporaryDirectory() as directory, TemporaryDirectory() as place:
            project = Path(place) / "project"
            file = written(evaluation.answers, directory)
            outcome = batch.fill(batch.Order(str(file), str(project), str(template_tree)))
            assert (outcome.told, outcome.trace) == ((), "")
            given_answers = {name: value for name, value in answers.items() if name != "domain"}
            values = settled(questionnaire, Row(answers["domain"], given_answers))
            checks = held(snapshot, values, project, (place, str(ROOT))).checks
            assert [check.detail for check in checks if check.status is not Status.PASSED] == []
            recorded = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
            assert {name: recorded[name] for name in answers} == answers
            rendered += 1

    passes()
    assert rendered >= round(RENDERED // 2 * TIMES)
