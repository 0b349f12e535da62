"""The questionnaire as a JSON Schema (draft 2020-12), for editors, forms and other programs."""

from __future__ import annotations

from typing import Any, Final

from bedplate.catalogue import Catalogue
from bedplate.questionnaire import Evaluation, Question, Questionnaire

_TYPES: Final = {"bool": "boolean", "float": "number", "int": "integer", "path": "string", "str": "string"}


def schema(questionnaire: Questionnaire, catalogue: Catalogue) -> dict[str, Any]:
    """Describe the answers that a user can give; what is asked hangs on the domain.

    Keys that start with `x-` are for people who choose: they validate nothing.
    """
    by_domain = {name: questionnaire.evaluate({"domain": name}) for name in catalogue.domains}
    first = next(iter(by_domain.values()))
    questions = [question for question in questionnaire if not question.computed]
    properties = {question.name: _property(questionnaire, question, first) for question in questions}
    properties["domain"] = _domain(questionnaire, catalogue)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Answers to the questionnaire of Bedplate",
        "type": "object",
        "properties": properties,
        "required": ["domain"],
        "additionalProperties": False,
        "allOf": [_branch(questionnaire, name, questions, by_domain[name]) for name in by_domain],
    }


def _property(questionnaire: Questionnaire, question: Question, evaluation: Evaluation) -> dict[str, Any]:
    rules = evaluation.values.get("rules", {}).get(question.name, {})
    described = {"description": question.help, "type": _TYPES.get(question.type), **rules}
    choices = [choice.value for choice in questionnaire.choices(question, evaluation.values)]
    if question.multiselect:
        described = {**described, "type": "array", "items": {"enum": choices}, "uniqueItems": True}
    elif choices:
        described["enum"] = choices
    if question.name == "project_name":
        reserved = evaluation.values.get("reserved_names", {}).values()
        described["not"] = {"enum": sorted({name for names in reserved for name in names})}
    return {key: value for key, value in described.items() if value is not None}


def _domain(questionnaire: Questionnaire, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "description": questionnaire.questions["domain"].help,
        "oneOf": [
            {
                "const": domain.name,
                "title": domain.title,
                "description": domain.summary,
                "x-group": domain.group,
                "x-language": domain.language,
                "x-template": domain.template,
            }
            for domain in catalogue.domains.values()
        ],
    }


def _branch(
    questionnaire: Questionnaire, domain: str, questions: list[Question], evaluation: Evaluation
) -> dict[str, Any]:
    """What one domain adds: defaults and choices of what it asks, and `false` for what it does not ask."""
    added = {
        question.name: question.name in evaluation.asked and _put(questionnaire, question, evaluation)
        for question in questions
        if question.name != "domain"
    }
    return {
        "if": {"properties": {"domain": {"const": domain}}, "required": ["domain"]},
        "then": {"properties": added},
    }


def _put(questionnaire: Questionnaire, question: Question, evaluation: Evaluation) -> dict[str, Any]:
    known = {"default": evaluation.values[question.name]} if question.name in evaluation.values else {}
    allowed = questionnaire.allowed(question, evaluation.values)
    if len(allowed) < len(questionnaire.choices(question, evaluation.values)):
        known["enum"] = list(allowed)
    return known
