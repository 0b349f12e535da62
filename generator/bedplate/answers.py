"""Answers as a user gives them: --domain, --set and an answers file, with where each came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bedplate.errors import BadInput, shown
from bedplate.questionnaire import Evaluation, Questionnaire, written


@dataclass(frozen=True)
class Given:
    """One answer, and the option or file that gave it, in the words for a message."""

    value: object
    origin: str


@dataclass(frozen=True)
class Collected:
    """All answers that were given, by question, and what was wrong with the way they were given."""

    given: Mapping[str, Given]
    problems: tuple[str, ...]

    @property
    def values(self) -> dict[str, object]:
        """The bare answers."""
        return {name: given.value for name, given in self.given.items()}

    def origin(self, question: str) -> str:
        """Where the answer to a question came from, for the head of a message."""
        return self.given[question].origin


def collect(domain: str | None, settings: tuple[str, ...], file: Path | None) -> Collected:
    """Join the sources of answers: an option stands before the file, twice the same option is a problem."""
    problems: list[str] = []
    from_file: dict[str, Given] = {}
    if file is not None:
        try:
            from_file = _read(file)
        except BadInput as error:
            problems += error.messages
    options: dict[str, Given] = {}
    if domain is not None:
        options["domain"] = Given(domain, f"--domain {shown(domain)}")
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (name and equals):
            problems.append(f"--set {shown(setting)}: write it as --set KEY=VALUE")
        elif name in options:
            problems.append(f"--set {shown(setting)}: already answered by {options[name].origin}")
        else:
            options[name] = Given(value, f"--set {shown(setting)}")
    return Collected(from_file | options, tuple(problems))


def _read(file: Path) -> dict[str, Given]:
    try:
        answers: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
        raise BadInput(f"--answers {file}: can't be read: {reason}") from error
    except yaml.YAMLError as error:
        raise BadInput(f"--answers {file}: not YAML: {shown(' '.join(str(error).split()), 250)}") from error
    if not isinstance(answers, dict):
        raise BadInput(f"--answers {file}: not a mapping of questions to answers")
    # An answers file that copier wrote is welcome; what it says about its template is not an answer.
    names = [name for name in answers if not str(name).startswith("_")]
    return {str(name): Given(answers[name], f"{file}: {shown(str(name))}") for name in names}


def complaints(
    collected: Collected, evaluation: Evaluation, questionnaire: Questionnaire, missing: tuple[str, ...]
) -> Iterator[str]:
    """One line for each thing that keeps these answers from being used, with what to do about it."""
    yield from collected.problems
    for problem in evaluation.problems:
        yield f"{collected.origin(problem.question)}: {problem.message}"
    for name in missing:
        remedy = _remedy(name, evaluation.values, questionnaire)
        yield f"{name}: not answered, and no terminal to ask on; {remedy}"


def name_after(destination: Path, given: Mapping[str, object], questionnaire: Questionnaire) -> str | None:
    """The name of the destination, where it can be the name of a project whatever is answered else."""
    name = destination.resolve().name
    if "domain" in given:
        domains = [given["domain"]]
    else:
        question = questionnaire.questions["domain"]
        domains = [
            choice.value for choice in questionnaire.choices(question, questionnaire.evaluate({}).values)
        ]
    for domain in domains:
        problems = questionnaire.evaluate({"domain": domain, "project_name": name}).problems
        if any(problem.question == "project_name" for problem in problems):
            return None
    return name


def _remedy(name: str, values: Mapping[str, Any], questionnaire: Questionnaire) -> str:
    question = questionnaire.questions[name]
    allowed = [str(answer) for answer in questionnaire.allowed(question, values)]
    if name == "domain":
        return f"add --domain with one of {', '.join(allowed)}"
    if question.type == "bool":
        allowed = ["true", "false"]
    remedy = f"add --set {name}=" + ("|".join(allowed) if allowed else "…")
    if name not in values:
        return remedy
    default = values[name]
    return f"{remedy}, or --defaults for {repr(default) if isinstance(default, str) else written(default)}"
