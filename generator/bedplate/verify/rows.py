"""Rows: the sets of answers that are verified, each with an id that says which answers it gives.

A row names the answers in which it differs from the defaults. Its id is made of these alone, so it
stays what it is when a question is added.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import yaml

from bedplate.errors import BadInput
from bedplate.questionnaire import Questionnaire, nearest

_ID_DIGITS: Final = 4


@dataclass(frozen=True)
class Row:
    """A domain, and the answers that are given; every other question takes its default."""

    domain: str
    given: Mapping[str, object] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The domain and the first four hex digits of the SHA-256 over all answers that are given."""
        text = json.dumps(self.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return f"{self.domain}:{hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]}"

    @property
    def slug(self) -> str:
        """The id as a name of files and images."""
        return self.id.replace(":", "-")

    @property
    def data(self) -> dict[str, object]:
        """All answers that are given, the domain first."""
        return {"domain": self.domain, **self.given}

    def copier_command(self, source: str) -> str:
        """The command with which plain copier emits the row from the working tree at `source`."""
        answers = (f"-d {shlex.quote(f'{name}={_written(value)}')}" for name, value in self.data.items())
        return f"copier copy --defaults --vcs-ref HEAD {' '.join(answers)} {shlex.quote(source)} DEST"


def default_rows(questionnaire: Questionnaire) -> tuple[Row, ...]:
    """One row per domain, with the default of every other question."""
    question = questionnaire.questions["domain"]
    choices = questionnaire.choices(question, questionnaire.evaluate({}).values)
    return tuple(Row(str(choice.value)) for choice in choices)


KINDS: Final[Mapping[str, Callable[[Questionnaire], tuple[Row, ...]]]] = MappingProxyType(
    {"default": default_rows}
)
"""The sets of rows by the name that `--rows` gives them."""


def select(
    questionnaire: Questionnaire, kind: str, domains: Iterable[str] = (), ids: Iterable[str] = ()
) -> tuple[Row, ...]:
    """Rows of one kind, of these domains and with these ids; no domain and no id stand for all.

    Raises:
        BadInput: naming each kind, domain or id that does not exist, and those that do.
    """
    if kind not in KINDS:
        raise BadInput(f"--rows {kind}: no such set of rows; there is: {', '.join(KINDS)}")
    rows = KINDS[kind](questionnaire)
    wanted, by_id = tuple(dict.fromkeys(domains)), {row.id: row for row in rows}
    known = tuple(dict.fromkeys(row.domain for row in rows))
    problems = [
        f"{domain}: no such domain{nearest(domain, known) or '; there is: ' + ', '.join(known)}"
        for domain in wanted
        if domain not in known
    ]
    chosen = tuple(dict.fromkeys(ids))
    problems += [
        f"--row {name}: no such row; there is: {', '.join(by_id)}" for name in chosen if name not in by_id
    ]
    if problems:
        raise BadInput(*problems)
    rows = tuple(row for row in rows if row.domain in wanted) if wanted else rows
    found = tuple(row for row in rows if row.id in chosen) if chosen else rows
    if not found:
        raise BadInput(f"--row {', '.join(chosen)}: not a row of {', '.join(wanted)}")
    return found


def _written(value: object) -> str:
    """An answer as it is written after `-d name=`."""
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def settled(questionnaire: Questionnaire, row: Row) -> Mapping[str, Any]:
    """Every answer of a row, computed ones included.

    Raises:
        BadInput: when the answers can't stand together.
    """
    evaluation = questionnaire.evaluate(row.data)
    problems = [f"{row.id}: {problem.question}: {problem.message}" for problem in evaluation.problems]
    problems += [f"{row.id}: {name}: not answered" for name in evaluation.missing]
    if problems:
        raise BadInput(*problems)
    return evaluation.values
