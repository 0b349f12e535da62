"""Lock files: which of them a project gets by its answers, and how they are kept under `locks/`.

A *dependency key* names all that the dependencies of a project hang on; it is the computed question
`lock_key`. `locks/index.yml` maps each key to lock files, which are named by their content, so that
equal ones are kept once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bedplate.errors import BadInput
from bedplate.questionnaire import Question, Questionnaire

KEY: Final = "lock_key"
_DIGITS: Final = 16
_HEAD: Final = """\
# Written by `bedplate lock`: for each set of answers that depends on the same packages, the lock files of
# a project and where they are. The first sixteen digits of a name are of the SHA-256 over the content.
"""

Locks = Mapping[str, Mapping[str, str]]
"""By dependency key: the content of each lock file by the path that it has in a project."""


def keys(questionnaire: Questionnaire) -> dict[str, dict[str, object]]:
    """Every dependency key that answers can lead to, with the fewest answers that do.

    Raises:
        BadInput: when a key hangs on a question whose answers can't be listed.
    """
    found: dict[str, dict[str, object]] = {}
    names = [name for name in questionnaire.questions if name in _deciding(questionnaire, KEY)]
    for given in _combinations(questionnaire, names, {}):
        key = questionnaire.evaluate(given).values[KEY]
        found.setdefault(str(key), given)
    return found


def _deciding(questionnaire: Questionnaire, name: str) -> set[str]:
    """The questions that a user answers and that a computed one is made from, through others or not."""
    from jinja2.meta import find_undeclared_variables

    question = questionnaire.questions.get(name)
    if question is None:
        return set()
    if not question.computed:
        return {name}
    if not isinstance(question.default, str):
        return set()
    used = find_undeclared_variables(questionnaire.environment.parse(question.default))
    return {found for variable in used for found in _deciding(questionnaire, variable)}


def _combinations(
    questionnaire: Questionnaire, names: list[str], given: dict[str, object]
) -> Iterator[dict[str, object]]:
    if not names:
        yield given
        return
    name, *others = names
    evaluation = questionnaire.evaluate(given)
    if name not in evaluation.asked:
        yield from _combinations(questionnaire, others, given)
        return
    for value in _choices(questionnaire, questionnaire.questions[name], evaluation.values):
        chosen = {**given, name: value}
        if all(problem.question != name for problem in questionnaire.evaluate(chosen).problems):
            yield from _combinations(questionnaire, others, chosen)


def _choices(questionnaire: Questionnaire, question: Question, values: Mapping[str, Any]) -> list[object]:
    listed = questionnaire.offered(question, values)
    if not listed or question.multiselect:
        raise BadInput(f"{KEY} hangs on {question.name}, whose answers can't be listed one by one")
    return listed


def file_name(name: str, content: str) -> str:
    """The name under `locks/` of a lock file: digits of its digest, then the path in a project, dotted."""
    return f"{hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]}.{name.replace('/', '.')}"


@dataclass(frozen=True)
class Store:
    """The directory `locks/` of a template."""

    directory: Path

    @property
    def index(self) -> Path:
        """The file that maps keys to lock files; a part of the questionnaire."""
        return self.directory / "index.yml"

    def read(self) -> dict[str, dict[str, str]]:
        """Everything that is stored.

        Raises:
            BadInput: when the index is not readable, or names a file that is not there or was edited.
        """
        try:
            index = yaml.safe_load(self.index.read_bytes())["locks"]["default"]
            return {
                key: {name: self._content(name, file) for name, file in files.items()}
                for key, files in (index or {}).items()
            }
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise BadInput(f"{self.index}: not an index of lock files: {reason}") from error

    def write(self, locks: Locks) -> None:
        """Store these and remove all others. What is interrupted leaves the old index with its files."""
        self.directory.mkdir(exist_ok=True)
        index = {}
        for key, files in sorted(locks.items()):
            index[key] = {name: file_name(name, content) for name, content in sorted(files.items())}
            for name, content in files.items():
                self._replace(self.directory / file_name(name, content), content)
        question = {"locks": {"type": "yaml", "when": False, "default": index}}
        self._replace(self.index, _HEAD + yaml.safe_dump(question, sort_keys=False, width=110))
        for name in self.unused():
            (self.directory / name).unlink()

    def unused(self) -> list[str]:
        """Names of files that the index does not name."""
        index = yaml.safe_load(self.index.read_bytes())["locks"]["default"] or {}
        named = {file for files in index.values() for file in files.values()} | {self.index.name}
        return sorted(path.name for path in self.directory.iterdir() if path.name not in named)

    def _content(self, name: str, file: str) -> str:
        content = (self.directory / file).read_text(encoding="utf-8")
        if file_name(name, content) != file:
            raise BadInput(f"{self.directory / file}: edited by hand; run bedplate lock")
        return content

    def _replace(self, path: Path, content: str) -> None:
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)
