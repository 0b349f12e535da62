"""The questionnaire as typed data: copier.yml with its includes, and what a set of answers makes of it.

Conditions, choices, defaults and validators are Jinja. They are rendered here with the environment
that copier makes from the same `_envops`, so that rows, checks and help texts agree with what copier
asks. Reading the questions needs only YAML; Jinja is imported when something is evaluated.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import yaml

from bedplate.errors import BadInput

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

# Reads about ten times faster than the loader in Python; every wheel of PyYAML has it.
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUE: Final = frozenset({"y", "yes", "t", "true", "on"})
_FALSE: Final = frozenset({"n", "no", "f", "false", "off", "~", "null", "none", ""})


class _Missing:
    """Stands for "no default" (`None` is an answer that a YAML question can have)."""


MISSING: Final = _Missing()


@dataclass(frozen=True)
class Question:
    """One entry of the questionnaire, its texts still templates."""

    name: str
    type: str
    help: str = ""
    choices: object = None
    multiselect: bool = False
    default: object = MISSING
    validator: str = ""
    when: str | bool = True

    @property
    def computed(self) -> bool:
        """True for data and derived values: never asked, never stored."""
        return self.when is False


@dataclass(frozen=True)
class Choice:
    """One allowed answer. `refused` says why it can't be chosen with the other answers, or is empty."""

    value: object
    label: str
    refused: str = ""


@dataclass(frozen=True)
class Problem:
    """An answer that can't stand, and why."""

    question: str
    message: str


@dataclass(frozen=True)
class Evaluation:
    """What a set of given answers comes to.

    `values` holds every answer that could be settled, computed ones included; `asked` the questions
    that are put with these answers; `missing` those of them that nobody answered and that have no
    default; `undecided` those whose condition hangs on a missing answer.
    """

    values: Mapping[str, Any]
    asked: tuple[str, ...]
    missing: tuple[str, ...]
    undecided: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def answers(self) -> dict[str, Any]:
        """The answers to the questions that were asked: what copier stores."""
        return {name: self.values[name] for name in self.asked if name in self.values}


@dataclass(frozen=True)
class Questionnaire:
    """All questions in the order in which they are asked, and copier's settings beside them."""

    root: Path
    settings: Mapping[str, Any]
    questions: Mapping[str, Question]

    @classmethod
    def load(cls, root: Path) -> Questionnaire:
        """Read the questionnaire of the template in `root`; `BadInput` when there is none."""
        config = read_config(root)
        settings = {key[1:]: value for key, value in config.items() if key.startswith("_")}
        questions = {key: _question(key, value) for key, value in config.items() if not key.startswith("_")}
        return cls(root, MappingProxyType(settings), MappingProxyType(questions))

    def evaluate(
        self,
        given: Mapping[str, object],
        *,
        suggested: Mapping[str, object] | None = None,
        recorded: Mapping[str, object] | None = None,
        defaults: bool = True,
        wanted: Set[str] | None = None,
    ) -> Evaluation:
        """Settle all questions for the given answers.

        `suggested` values replace the defaults of the template; to `recorded` answers, of an earlier
        version, these may refer. With `defaults=False` a question that was not given counts as missing
        even when it has a default; later questions still see it. With `wanted`, which `behind` has made
        complete, no other question is settled: of these it is only known whether they are asked.
        """
        from bedplate.evaluation import settle

        return settle(self, given, suggested or {}, recorded or {}, defaults, wanted)

    def choices(self, question: Question, values: Mapping[str, Any]) -> tuple[Choice, ...]:
        """The choices of a question as they stand with the other answers; empty for free text."""
        from bedplate.evaluation import choices

        return choices(self, question, values)

    def allowed(self, question: Question, values: Mapping[str, Any]) -> tuple[object, ...]:
        """Of the choices those that can be chosen with the other answers."""
        return tuple(choice.value for choice in self.choices(question, values) if not choice.refused)

    def offered(self, question: Question, values: Mapping[str, Any]) -> list[object]:
        """Every answer that is on offer: false and true, or what `choices` has; none for free text."""
        choices = self.choices(question, values)
        return [False, True] if question.type == "bool" and not choices else [one.value for one in choices]

    @cached_property
    def environment(self) -> SandboxedEnvironment:
        """Jinja as copier sets it up for this template."""
        from jinja2 import FileSystemLoader, StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        options = {"keep_trailing_newline": True, **self.settings.get("envops", {})}
        options["undefined"] = StrictUndefined
        extensions = ["jinja2_ansible_filters.AnsibleCoreFiltersExtension"]
        return SandboxedEnvironment(loader=FileSystemLoader(self.root), extensions=extensions, **options)

    @cached_property
    def template(self) -> Callable[[str], Template]:
        """Compile a text of the questionnaire as a template, each once."""
        return cache(self.environment.from_string)

    def __iter__(self) -> Iterator[Question]:
        """Iterate over the questions in order."""
        return iter(self.questions.values())


def read_yaml(text: str | bytes) -> Any:
    """Read one document of YAML as `yaml.safe_load` does, and raises what it does; much sooner."""
    return yaml.load(text, Loader=_SafeLoader)  # noqa: S506 (it is one of the safe ones)


def read_config(root: Path) -> dict[str, Any]:
    """Merge copier.yml and the files that it includes, as copier does: a later document wins."""
    spine = root / "copier.yml"
    if not spine.is_file():
        raise BadInput(f"{root}: not a template: it has no copier.yml")

    class Loader(_SafeLoader):  # type: ignore[misc, valid-type]
        """Knows `!include`, without teaching it to every other reader of YAML."""

    def included(loader: Loader, node: yaml.ScalarNode) -> list[Any]:
        files = root.glob(str(loader.construct_scalar(node)))
        return [document for file in files for document in yaml.load_all(file.read_bytes(), Loader=Loader)]

    Loader.add_constructor("!include", included)
    try:
        documents = list(yaml.load_all(spine.read_bytes(), Loader=Loader))
    except yaml.YAMLError as error:
        raise BadInput(f"{spine}: not a questionnaire: {' '.join(str(error).split())}") from error
    merged: dict[str, Any] = {}
    for document in documents:
        for part in document if isinstance(document, list) else [document]:
            merged.update(part or {})
    return merged


def _question(name: str, entry: object) -> Question:
    details: dict[str, Any] = entry if isinstance(entry, dict) else {"default": entry}
    default = details.get("default", MISSING)
    natural = type(default).__name__ if isinstance(default, bool | int | float | str) else "yaml"
    return Question(
        name=name,
        type=details.get("type") or natural,
        help=details.get("help", ""),
        choices=details.get("choices"),
        multiselect=bool(details.get("multiselect", False)),
        default=default,
        validator=details.get("validator", ""),
        when=details.get("when", True),
    )


def written(value: object) -> str:
    """An answer as it is written after `-d name=`."""
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def nearest(name: str, known: Sequence[str]) -> str:
    """`; did you mean X?` for a name that is close to a known one, else nothing."""
    folded = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[matches[0]]}?" if matches else ""


def truth(text: object) -> bool:
    """Read a rendered condition as copier does (YAML's booleans, numbers, empty is false).

    Raises:
        ValueError: when the text is none of these.
    """
    if isinstance(text, bool | int | float):
        return bool(text)
    word = str(text).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    return bool(float(word))
