"""What a question hangs on is found in full, so that the rest can be left unsettled."""

from __future__ import annotations

import pytest
from bedplate.effects import Reach
from bedplate.questionnaire import Questionnaire
from bedplate.references import behind, derived
from domains import DOMAINS
from shell import ROOT

QUESTIONNAIRE = Questionnaire.load(ROOT)


@pytest.mark.parametrize("domain", DOMAINS)
def test_settling_only_what_is_wanted_gives_the_same_as_settling_all(domain: str) -> None:
    everything = QUESTIONNAIRE.evaluate({"domain": domain})
    told = Reach(QUESTIONNAIRE, DOMAINS[domain]).evaluate({"domain": domain})
    assert (told.asked, told.answers, told.problems) == (everything.asked, everything.answers, ())
    assert told.values.items() <= everything.values.items()
    assert "actions" not in told.values


def test_what_a_question_hangs_on_is_found_at_any_remove() -> None:
    assert {"module_prefix", "domain", "domains", "template", "rules"} <= behind(
        QUESTIONNAIRE, {"module_path"}
    )
    assert "owner" not in behind(QUESTIONNAIRE, {"module_path"})


def test_what_hangs_on_a_question_is_found_at_any_remove() -> None:
    assert derived(QUESTIONNAIRE, "runtime") >= {"runtime", "lock_key", "lock"}
    assert "domain" not in derived(QUESTIONNAIRE, "runtime")


def test_an_answer_that_is_not_wanted_is_asked_and_not_settled() -> None:
    found = QUESTIONNAIRE.evaluate({"domain": "http-api"}, wanted=behind(QUESTIONNAIRE, {"template"}))
    assert "owner" in found.asked
    assert found.values.keys() == {"domain", "domains", "template"}
