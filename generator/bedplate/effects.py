"""What an answer reaches: the files of a template that use it, directly or through a derived value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bedplate.evaluation import render
from bedplate.questionnaire import MISSING, Evaluation, Question, Questionnaire

_RECORD = "{{ _copier_conf.answers_file }}.jinja"
_INCLUDE = re.compile(r"{%-?\s*(?:include|from)\s+'([^']+)'\s*(~)?")


@dataclass(frozen=True)
class Option:
    """One question as it stands for one domain: its default, if any, and what an answer to it changes."""

    name: str
    help: str
    default: object
    choices: tuple[object, ...]
    decides: str
    dependencies: str
    image: str
    files: tuple[str, ...]


def describe(
    questionnaire: Questionnaire, question: Question, template: str, evaluation: Evaluation
) -> Option:
    """Put together what is known about a question in a template, with the other answers settled."""
    effect = evaluation.values.get("effects", {}).get(question.name, {})
    return Option(
        name=question.name,
        help=question.help,
        default=None if question.default is MISSING else evaluation.values.get(question.name),
        choices=questionnaire.allowed(question, evaluation.values),
        decides=effect.get("decides", ""),
        dependencies=effect.get("dependencies", ""),
        image=effect.get("image", ""),
        files=files_using(questionnaire, question, template, evaluation),
    )


def files_using(
    questionnaire: Questionnaire, question: Question, template: str, evaluation: Evaluation
) -> tuple[str, ...]:
    """Name the files of a project that change with an answer, under the paths that the other answers give.

    Those that only another answer than the present one brings are among them.

    A file counts when it, its path or a fragment that it includes names the question, or a question
    that is computed from it; all of them, when the choice of the template does. The record of the
    answers, which every answer changes, is left out.
    """
    names = _derived(questionnaire, question.name)
    mention = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\b")
    root = questionnaire.root / "templates" / template
    every = mention.search(str(questionnaire.settings.get("subdirectory", "")))
    alternatives = _alternatives(questionnaire, question, evaluation)
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.name != _RECORD):
        relative = path.relative_to(root).as_posix()
        if every or _in_code(relative, mention) or _mentions(questionnaire.root, path, mention):
            found += _emitted(questionnaire, relative.removesuffix(".jinja"), alternatives)
    return tuple(dict.fromkeys(found))


def _alternatives(
    questionnaire: Questionnaire, question: Question, evaluation: Evaluation
) -> list[Mapping[str, object]]:
    """All values with the answers as they are, and with each other one to the question that can stand."""
    if question.name == "domain":
        return [evaluation.values]
    others = questionnaire.offered(question, evaluation.values)
    settled = [questionnaire.evaluate({**evaluation.answers, question.name: other}) for other in others]
    return [evaluation.values, *(other.values for other in settled if not other.problems)]


def _emitted(
    questionnaire: Questionnaire, path: str, alternatives: Sequence[Mapping[str, object]]
) -> list[str]:
    """The paths of a file with each of some sets of values, if it has any."""
    paths = (str(render(questionnaire, path, values)) for values in alternatives)
    return [emitted for emitted in paths if all(emitted.split("/"))]


def _derived(questionnaire: Questionnaire, name: str) -> set[str]:
    names = {name}
    for question in questionnaire:
        if question.computed and isinstance(question.default, str):
            words = set(re.findall(r"\w+", question.default))
            if words & names:
                names.add(question.name)
    return names


def _in_code(text: str, mention: re.Pattern[str]) -> bool:
    return any(mention.search(code) for code in re.findall(r"{[{%].*?[%}]}", text, re.DOTALL))


def _mentions(root: Path, path: Path, mention: re.Pattern[str]) -> bool:
    if not path.name.endswith(".jinja") and "_partials" not in path.parts:
        return False
    text = path.read_text(encoding="utf-8")
    if _in_code(text, mention):
        return True
    for fragment, joined in _INCLUDE.findall(text):
        parts = sorted((root / fragment).glob("*")) if joined else [root / fragment]
        if any(part.is_file() and _mentions(root, part, mention) for part in parts):
            return True
    return False
