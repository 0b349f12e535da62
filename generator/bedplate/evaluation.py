"""From given answers to settled ones: types, choices, validators and conditions, question by question."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Set
from typing import Any

import yaml
from jinja2 import UndefinedError

from bedplate.errors import shown
from bedplate.questionnaire import (
    MISSING,
    Choice,
    Evaluation,
    Problem,
    Question,
    Questionnaire,
    nearest,
    read_yaml,
    truth,
)

_READERS: Mapping[str, Callable[[Any], Any]] = {
    "bool": truth,
    "float": float,
    "int": int,
    "json": json.loads,
    "path": str,
    "str": str,
    "yaml": read_yaml,
}
_WANTED = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}


def settle(
    questionnaire: Questionnaire,
    given: Mapping[str, object],
    suggested: Mapping[str, object],
    recorded: Mapping[str, object],
    defaults: bool,
    wanted: Set[str] | None = None,
) -> Evaluation:
    """See `Questionnaire.evaluate`."""
    run = _Run(questionnaire, given, suggested, defaults, wanted)
    run.values.update(recorded)
    for question in questionnaire:
        run.visit(question)
    unknown = [_unknown(questionnaire, name) for name in given if name not in questionnaire.questions]
    return Evaluation(
        values=run.values,
        asked=tuple(run.asked),
        missing=tuple(run.missing),
        undecided=tuple(run.undecided),
        problems=tuple(unknown + run.problems),
    )


class _Run:
    """One walk through the questionnaire; collects instead of stopping at the first problem."""

    def __init__(
        self,
        questionnaire: Questionnaire,
        given: Mapping[str, object],
        suggested: Mapping[str, object],
        defaults: bool,
        wanted: Set[str] | None,
    ) -> None:
        self.questionnaire = questionnaire
        self.given = given
        self.suggested = suggested
        self.defaults = defaults
        self.wanted = questionnaire.questions.keys() if wanted is None else wanted
        self.values: dict[str, Any] = {}
        self.asked: list[str] = []
        self.missing: list[str] = []
        self.undecided: list[str] = []
        self.problems: list[Problem] = []

    def visit(self, question: Question) -> None:
        """Settle one question, given the ones before it."""
        try:
            visible = truth(render(self.questionnaire, question.when, self.values))
        except UndefinedError:
            self.undecided.append(question.name)
            return
        if visible:
            self.asked.append(question.name)
        elif question.name in self.given:
            self.problems.append(Problem(question.name, _hidden(self.questionnaire, question)))
        if question.name not in self.wanted:
            return
        if visible:
            self._answer(question)
        else:
            self._default(question)

    def _answer(self, question: Question) -> None:
        if question.name not in self.given:
            usable = self._default(question)
            if not usable or not self.defaults:
                self.missing.append(question.name)
            return
        try:
            value = self._parse(question, self.given[question.name])
        except UndefinedError:  # hangs on an answer that is missing or wrong, which is told on its own
            return
        except ValueError as error:
            self.problems.append(Problem(question.name, str(error)))
            return
        self.values[question.name] = value

    def _default(self, question: Question) -> bool:
        """Take the default; false when there is none, or none that the earlier answers allow."""
        name = question.name
        default = self.suggested.get(name, question.default)
        if default is MISSING:
            return False
        try:
            default = render(self.questionnaire, default, self.values)
            read = cast(question, default) if question.computed else self._parse(question, default)
        except UndefinedError:  # as above: the answer that it hangs on is what the user has to give
            return True
        except ValueError:
            return False
        self.values[name] = read
        return True

    def _parse(self, question: Question, value: object) -> Any:
        return parse(self.questionnaire, question, value, self.values)


def parse(questionnaire: Questionnaire, question: Question, value: object, values: Mapping[str, Any]) -> Any:
    """Read an answer as the type of its question; raises `ValueError` with the reason when it can't stand."""
    answer = cast(question, value)
    allowed = choices(questionnaire, question, values)
    for item in answer if question.multiselect else [answer] if allowed else []:
        _require_choice(item, allowed)
    if question.multiselect:
        answer = [choice.value for choice in allowed if choice.value in answer]
    complaint = str(render(questionnaire, question.validator, {**values, question.name: answer})).strip()
    if complaint:
        raise ValueError(complaint)
    return answer


def cast(question: Question, value: object) -> Any:
    """Read a value as copier does for the type of the question; raises `ValueError`."""
    if question.multiselect:
        listed = read_yaml(value) if isinstance(value, str) else value
        if not isinstance(listed, list):
            raise ValueError("must be a list")
        return [_cast(question.type, item) for item in listed]
    return _cast(question.type, value)


def _cast(kind: str, value: object) -> Any:
    structured = kind in {"yaml", "json"}
    if structured and not isinstance(value, str):
        return value
    if not structured and not isinstance(value, str | int | float):
        raise _wrong(kind, value)
    try:
        str(value).encode()  # half a surrogate pair, as a byte that is no UTF-8 comes in, can't be written
        return _READERS[kind](value)
    except (ValueError, yaml.YAMLError) as error:
        raise _wrong(kind, value) from error


def _wrong(kind: str, value: object) -> ValueError:
    return ValueError(f"must be {_WANTED.get(kind, kind.upper())}, not {shown(repr(value))}")


def choices(
    questionnaire: Questionnaire, question: Question, values: Mapping[str, Any]
) -> tuple[Choice, ...]:
    """See `Questionnaire.choices`."""
    raw = question.choices
    if isinstance(raw, str):
        raw = read_yaml(str(render(questionnaire, raw, values)))
    if isinstance(raw, dict):
        raw = list(raw.items())
    found = []
    for entry in raw if isinstance(raw, list) else []:
        label, value = entry if isinstance(entry, list | tuple) else (entry, entry)
        refused = ""
        if isinstance(value, dict):
            refused = str(render(questionnaire, value.get("validator", ""), values)).strip()
            value = value["value"]
        answer = _cast(question.type, render(questionnaire, value, values))
        found.append(Choice(answer, str(render(questionnaire, label, values)), refused))
    return tuple(found)


def _require_choice(answer: object, allowed: tuple[Choice, ...]) -> None:
    for choice in allowed:
        if choice.value == answer:
            if choice.refused:
                raise ValueError(choice.refused)
            return
    names = [str(choice.value) for choice in allowed if not choice.refused]
    raise ValueError(f"not one of {', '.join(names)}{nearest(str(answer), names)}")


def render(questionnaire: Questionnaire, text: object, values: Mapping[str, Any]) -> object:
    """Render text as a template, raising Jinja's `UndefinedError`; anything else stays as it is."""
    if isinstance(text, list):
        return [render(questionnaire, item, values) for item in text]
    if not isinstance(text, str) or "{" not in text:
        return text
    return questionnaire.template(text).render(values)


def _unknown(questionnaire: Questionnaire, name: str) -> Problem:
    open_to_all = [question.name for question in questionnaire if not question.computed]
    return Problem(name, f"no such question{nearest(name, open_to_all)}")


def _hidden(questionnaire: Questionnaire, question: Question) -> str:
    if question.computed:
        return "computed from the other answers, it can't be set"
    first = next(entry for entry in questionnaire if not entry.computed)
    asked_for = [
        str(choice.value)
        for choice in choices(questionnaire, first, settle(questionnaire, {}, {}, {}, True).values)
        if question.name in settle(questionnaire, {first.name: choice.value}, {}, {}, True).asked
    ]
    return f"not asked with these answers (only for {first.name} {', '.join(asked_for)})"
