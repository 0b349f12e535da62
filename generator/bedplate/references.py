"""Which questions the code of a text names, and so which of them hang on which."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bedplate.questionnaire import Questionnaire

_CODE = re.compile(r"{[{%].*?[%}]}", re.DOTALL)
_NAME = re.compile(r"\w+")


def names(code: str) -> set[str]:
    """Every word of some code: what it may refer to, and more."""
    return set(_NAME.findall(code))


def names_in_code(text: str) -> set[str]:
    """Every word of the code in a text."""
    return names(" ".join(_CODE.findall(text)))


def derived(questionnaire: Questionnaire, name: str) -> set[str]:
    """The question of that name and those that are computed from it, at any remove."""
    found = {name}
    for question in questionnaire:
        if question.computed and isinstance(question.default, str) and found & names(question.default):
            found.add(question.name)
    return found


def behind(questionnaire: Questionnaire, wanted: Iterable[str]) -> set[str]:
    """The wanted names and those of the questions that they hang on, at any remove."""
    found = set(wanted)
    for question in reversed(list(questionnaire)):  # each hangs on earlier ones alone
        if question.name in found:
            texts = (question.when, question.default, question.choices, question.validator)
            found.update(*(names_in_code(str(text)) for text in texts))
    return found
