"""Small questionnaires made at random, with a second reading of them that knows nothing of Jinja."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

HIDDEN = "(not asked)"
DOMAINS = ("one", "two")


@dataclass(frozen=True)
class Made:
    """A question: `when` is the answer of an earlier question that it is asked after, and `refused` has
    values of its own with the answer of an earlier question that they can't stand beside."""

    name: str
    values: tuple[object, ...]
    default: object
    when: tuple[str, object] | None
    refused: tuple[tuple[object, str, object], ...]

    @property
    def entry(self) -> dict[str, Any]:
        """As it is written in copier.yml."""
        complaints = "".join(
            f"{{% if {self.name} == {own!r} and {other} == {value!r} %}}no {other}{{% endif %}}"
            for own, other, value in self.refused
        )
        entry: dict[str, Any] = {"default": self.default, "validator": complaints}
        entry |= {"type": "bool"} if self.values == (False, True) else {"choices": list(self.values)}
        return entry | ({"when": f"{{{{ {self.when[0]} == {self.when[1]!r} }}}}"} if self.when else {})


@dataclass(frozen=True)
class Generated:
    """A questionnaire of these questions after the one for the domain."""

    questions: tuple[Made, ...]

    def write(self, root: Path) -> None:
        """Make a template of it."""
        entries: dict[str, Any] = {"domain": {"type": "str", "choices": list(DOMAINS)}}
        entries |= {question.name: question.entry for question in self.questions}
        (root / "copier.yml").write_text(yaml.safe_dump(entries, sort_keys=False))

    def settle(self, domain: str, given: Mapping[str, object]) -> dict[str, object] | None:
        """What each question comes to, HIDDEN where it is not asked; nothing when it can't be."""
        known: dict[str, object] = {"domain": domain}
        shown: dict[str, object] = {}
        for question in self.questions:
            asked = question.when is None or known[question.when[0]] == question.when[1]
            if not asked and question.name in given:
                return None
            known[question.name] = value = given.get(question.name, question.default)
            refused = (known[other] == beside for own, other, beside in question.refused if own == value)
            if asked and any(refused):
                return None
            shown[question.name] = value if asked else HIDDEN
        return shown

    def everything(self, domain: str) -> Iterator[dict[str, object]]:
        """All that the questions can come to, by trying every combination."""
        seen = []
        for picked in itertools.product(*((HIDDEN, *question.values) for question in self.questions)):
            named = zip(self.questions, picked, strict=True)
            given = {question.name: value for question, value in named if value is not HIDDEN}
            settled = self.settle(domain, given)
            if settled is not None and tuple(settled.values()) == picked and settled not in seen:
                seen.append(settled)
                yield settled


@st.composite
def questionnaires(draw: st.DrawFn, most: int = 5) -> Generated:
    """Up to five questions with two or three answers, each of which may hang on those before it."""
    questions: list[Made] = []
    earlier: dict[str, tuple[object, ...]] = {"domain": DOMAINS}
    for number in range(draw(st.integers(1, most))):
        name = f"q{number}"
        values = draw(st.sampled_from([(False, True), ("a", "b"), ("a", "b", "c")]))
        default = draw(st.sampled_from(values))
        answers = [(other, value) for other, known in earlier.items() for value in known]
        when = draw(st.none() | st.sampled_from(answers))
        # What is hidden keeps its default, so a default that is refused would leave it without a value.
        own = [value for value in values if when is None or value != default]
        clashes = st.tuples(st.sampled_from(own), st.sampled_from(answers))
        drawn = draw(st.lists(clashes, max_size=3))
        refused = tuple((value, *beside) for value, beside in drawn)
        questions.append(Made(name, values, default, when, refused))
        earlier[name] = values
    return Generated(tuple(questions))
