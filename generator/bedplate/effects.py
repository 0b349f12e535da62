"""What an answer reaches: the files of a template that use it, directly or through a derived value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bedplate.evaluation import render
from bedplate.questionnaire import MISSING, Evaluation, Question, Questionnaire
from bedplate.references import behind, derived, names, names_in_code

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


class Reach:
    """What the answers of one template reach. Its files are read once, for all questions."""

    def __init__(self, questionnaire: Questionnaire, template: str) -> None:
        self._questionnaire = questionnaire
        self._root = questionnaire.root / "templates" / template

    def evaluate(self, answers: Mapping[str, object]) -> Evaluation:
        """Settle what is told of the questions, and what the paths of the files hang on; nothing else."""
        return self._questionnaire.evaluate(answers, wanted=self._told)

    def describe(self, question: Question, evaluation: Evaluation) -> Option:
        """Put together what is known about a question, with the other answers settled."""
        effect = evaluation.values.get("effects", {}).get(question.name, {})
        return Option(
            name=question.name,
            help=question.help,
            default=None if question.default is MISSING else evaluation.values.get(question.name),
            choices=self._questionnaire.allowed(question, evaluation.values),
            decides=effect.get("decides", ""),
            dependencies=effect.get("dependencies", ""),
            image=effect.get("image", ""),
            files=self.files(question, evaluation),
        )

    def files(self, question: Question, evaluation: Evaluation) -> tuple[str, ...]:
        """Name the files that change with an answer, under the paths that the other answers give.

        Those that only another answer than the present one brings are among them.

        A file counts when it, its path or a fragment that it includes names the question, or a question
        that is computed from it; all of them, when the choice of the template does. The record of the
        answers, which every answer changes, is left out.
        """
        changing = derived(self._questionnaire, question.name)
        every = changing & names(str(self._questionnaire.settings.get("subdirectory", "")))
        alternatives = self._alternatives(question, evaluation)
        found: list[str] = []
        for path, used in self._used.items():
            if every or changing & used:
                found += _emitted(self._questionnaire, path.removesuffix(".jinja"), alternatives)
        # In the order in which a project shows them, what is hidden last.
        return tuple(sorted(set(found), key=lambda path: (path.startswith("."), path)))

    @cached_property
    def _used(self) -> Mapping[str, Set[str]]:
        """The names in the code of each file, of its path and of what it includes."""
        paths = sorted(path for path in self._root.rglob("*") if path.is_file() and path.name != _RECORD)
        relative = {path: path.relative_to(self._root).as_posix() for path in paths}
        return {
            name: names_in_code(name) | _names_in(self._questionnaire.root, path)
            for path, name in relative.items()
        }

    @cached_property
    def _told(self) -> Set[str]:
        """The questions whose answers are told, or are in a path, and what these hang on."""
        asked = {question.name for question in self._questionnaire if not question.computed}
        return behind(self._questionnaire, {"effects"}.union(asked, *map(names_in_code, self._used)))

    def _alternatives(self, question: Question, evaluation: Evaluation) -> list[Mapping[str, object]]:
        """All values with the answers as they are, and with each other one to the question that can stand."""
        if question.name == "domain":
            return [evaluation.values]
        others = self._questionnaire.offered(question, evaluation.values)
        settled = [self._settled({**evaluation.answers, question.name: other}) for other in others]
        return [evaluation.values, *(other.values for other in settled if not other.problems)]

    def _settled(self, answers: Mapping[str, object]) -> Evaluation:
        """What answers come to, without those to questions that another of them does away with."""
        evaluation = self.evaluate(answers)
        asked = {name: answer for name, answer in answers.items() if name in evaluation.asked}
        return evaluation if asked == answers else self.evaluate(asked)


def _emitted(
    questionnaire: Questionnaire, path: str, alternatives: Sequence[Mapping[str, object]]
) -> list[str]:
    """The paths of a file with each of some sets of values, if it has any.

    Part by part, as copier does: paths share most of their parts, and each is compiled once.
    """
    paths = (
        [str(render(questionnaire, part, values)) for part in path.split("/")] for values in alternatives
    )
    return ["/".join(parts) for parts in paths if all(parts)]


def _names_in(root: Path, path: Path) -> set[str]:
    if not path.name.endswith(".jinja") and "_partials" not in path.parts:
        return set()
    text = path.read_text(encoding="utf-8")
    found = names_in_code(text)
    for fragment, joined in _INCLUDE.findall(text):
        parts = sorted((root / fragment).glob("*")) if joined else [root / fragment]
        found.update(*(_names_in(root, part) for part in parts if part.is_file()))
    return found
