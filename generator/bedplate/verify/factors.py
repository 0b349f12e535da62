"""Factors: what is varied over the rows of one domain, and which values can stand beside which.

Each question that a domain can ask is a factor. Its values are its choices, true and false, or the
boundary values of its rule beside its default. Whether a value can stand is asked of the questionnaire
itself, once for every way to answer the questions that the value hangs on, and kept as a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from jinja2 import meta

from bedplate.questionnaire import Evaluation, Question, Questionnaire
from bedplate.verify.boundaries import boundaries

Assignment = Mapping[str, int]
"""The index of a value for each factor, by the name of its question."""


class Unanswered(Enum):
    """Values of a factor for which no answer is given."""

    DEFAULT = "the default"
    HIDDEN = "not asked"


@dataclass(frozen=True)
class Factor:
    """A question with the values that it takes in turn.

    `needs` names the factors that decide what can be answered. `allowed` has the indices of their values,
    and then of the factor's own, for all that can stand; `silent` those of them that come about when no
    answer is given to the question.
    """

    question: str
    values: tuple[object, ...]
    needs: tuple[str, ...]
    allowed: frozenset[tuple[int, ...]]
    silent: frozenset[tuple[int, ...]]

    @property
    def keys(self) -> tuple[str, ...]:
        """The questions by whose values the tables are read."""
        return (*self.needs, self.question)

    def stands(self, assignment: Assignment) -> bool:
        """Whether the value that is assigned can stand; the factors that are needed must be assigned."""
        return self._indices(assignment) in self.allowed

    def is_silent(self, assignment: Assignment) -> bool:
        """Whether the value comes about by itself."""
        return self._indices(assignment) in self.silent

    def _indices(self, assignment: Assignment) -> tuple[int, ...]:
        return tuple(assignment[key] for key in self.keys)


def factors_of(questionnaire: Questionnaire, domain: str) -> tuple[Factor, ...]:
    """The factors of one domain, in the order of the questions."""
    hangs_on = dependencies(questionnaire)
    found: dict[str, Factor] = {}
    for question in questionnaire:
        if not question.computed and question.name != "domain":
            needed = tuple(factor for name, factor in found.items() if name in hangs_on[question.name])
            factor = _Table(questionnaire, domain, question, needed).factor()
            if factor is not None:
                found[question.name] = factor
    return tuple(found.values())


def walk(factors: Sequence[Factor], chosen: Assignment | None = None) -> Iterator[Assignment]:
    """Every assignment that can stand, in the order of the values; the factors that are needed come first."""
    chosen = chosen or {}
    if not factors:
        yield chosen
        return
    first, rest = factors[0], factors[1:]
    for index in range(len(first.values)):
        trial = {**chosen, first.question: index}
        if first.stands(trial):
            yield from walk(rest, trial)


def given(factors: Iterable[Factor], assignment: Assignment) -> dict[str, object]:
    """The answers that have to be given so that the assignment comes about."""
    return {
        factor.question: factor.values[assignment[factor.question]]
        for factor in factors
        if not factor.is_silent(assignment)
    }


@dataclass(frozen=True)
class _Table:
    """How the tables of one factor are made."""

    questionnaire: Questionnaire
    domain: str
    question: Question
    needed: tuple[Factor, ...]

    def factor(self) -> Factor | None:
        """The factor, or nothing when the domain never asks the question."""
        name = self.question.name
        contexts = [(context, self._evaluate(context)) for context in walk(self.needed)]
        asked = [(context, evaluation) for context, evaluation in contexts if name in evaluation.asked]
        if not asked:
            return None
        tried = [*self._values(asked), *([Unanswered.HIDDEN] if len(asked) < len(contexts) else [])]
        standing = [[pair for pair in contexts if self._stands(*pair, value)] for value in tried]
        values = tuple(value for value, pairs in zip(tried, standing, strict=True) if pairs)
        allowed, silent = set(), set()
        for index, (value, pairs) in enumerate(zip(values, filter(None, standing), strict=True)):
            for context, evaluation in pairs:
                allowed.add((*context.values(), index))
                if self._is_silent(evaluation, value):
                    silent.add((*context.values(), index))
        needs = tuple(factor.question for factor in self.needed)
        return Factor(name, values, needs, frozenset(allowed), frozenset(silent))

    def _evaluate(
        self, context: Assignment, answer: Mapping[str, object] = MappingProxyType({})
    ) -> Evaluation:
        return self.questionnaire.evaluate({"domain": self.domain, **given(self.needed, context), **answer})

    def _values(self, asked: Sequence[tuple[Assignment, Evaluation]]) -> list[object]:
        """The answers that are tried: every choice that is ever offered, or both ends of a rule."""
        context, evaluation = asked[0]
        choices: list[object] = []
        for _, settled in asked:
            offered = self.questionnaire.offered(self.question, settled.values)
            choices += [choice for choice in offered if choice not in choices]
        if choices and self.question.multiselect:
            return [[], *([choice] for choice in choices), *([choices] if len(choices) > 1 else [])]
        if choices:
            return choices
        rule = evaluation.values.get("rules", {}).get(self.question.name, {})
        ends = boundaries(rule, lambda value: self._stands(context, evaluation, value))
        return [Unanswered.DEFAULT, *ends]

    def _stands(self, context: Assignment, evaluation: Evaluation, value: object) -> bool:
        name = self.question.name
        if value is Unanswered.HIDDEN:
            return name not in evaluation.asked and name not in evaluation.undecided
        if name not in evaluation.asked:
            return False
        if value is not Unanswered.DEFAULT:
            evaluation = self._evaluate(context, {name: value})
        refused = any(problem.question == name for problem in evaluation.problems)
        return not refused and name not in evaluation.missing and name in evaluation.values

    def _is_silent(self, evaluation: Evaluation, value: object) -> bool:
        name = self.question.name
        usable = name in evaluation.values and name not in evaluation.missing
        return isinstance(value, Unanswered) or (usable and bool(evaluation.values[name] == value))


def dependencies(questionnaire: Questionnaire) -> dict[str, frozenset[str]]:
    """The earlier questions that each question hangs on, by itself or through others.

    A text that includes a file may read anything, so it hangs on every question before it.
    """
    found: dict[str, frozenset[str]] = {}
    for question in questionnaire:
        direct: set[str] = set()
        default = question.default if isinstance(question.default, str | list) else None
        for text in _texts([question.when, default, question.validator, question.choices]):
            parsed = questionnaire.environment.parse(text)
            included = any(True for _ in meta.find_referenced_templates(parsed))
            direct |= set(found) if included else meta.find_undeclared_variables(parsed) & found.keys()
        found[question.name] = frozenset(direct).union(*(found[name] for name in direct))
    return found


def _texts(part: Any) -> Iterator[str]:
    """Every template within a part of a question."""
    if isinstance(part, str):
        if "{" in part:
            yield part
    elif isinstance(part, dict):
        yield from _texts([*part.keys(), *part.values()])
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _texts(item)
