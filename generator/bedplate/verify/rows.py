"""Rows: the sets of answers that are verified, each with an id that says which answers it gives.

A row names the answers in which it differs from the defaults. Its id is made of these alone, so it
stays what it is when a question is added.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from bedplate.errors import BadInput
from bedplate.questionnaire import Questionnaire, nearest, written
from bedplate.verify.covering import covering, each
from bedplate.verify.factors import Assignment, Factor, factors_of, given, walk

MOST: Final = 10_000
"""Rows of one domain in one set. Even level render would take a night for more."""
_ID_DIGITS: Final = 4
_LISTED: Final = 12
"""Ids that a message lists."""


@dataclass(frozen=True)
class Row:
    """A domain, and the answers that are given; every other question takes its default.

    `digits` is how much of its digest the id shows: more than four where rows would share an id.
    """

    domain: str
    given: Mapping[str, object] = field(default_factory=dict)
    digits: int = field(default=_ID_DIGITS, compare=False)

    @property
    def digest(self) -> str:
        """The SHA-256 over all answers that are given, in hex digits."""
        text = json.dumps(self.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def id(self) -> str:
        """The domain and the first digits of the digest."""
        return f"{self.domain}:{self.digest[: self.digits]}"

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
        answers = (f"-d {shlex.quote(f'{name}={written(value)}')}" for name, value in self.data.items())
        return f"copier copy --defaults --vcs-ref HEAD {' '.join(answers)} {shlex.quote(source)} DEST"


def default_rows(questionnaire: Questionnaire) -> tuple[Row, ...]:
    """One row per domain, with the default of every other question."""
    question = questionnaire.questions["domain"]
    choices = questionnaire.choices(question, questionnaire.evaluate({}).values)
    return tuple(Row(str(choice.value)) for choice in choices)


KINDS: Final[Mapping[str, Callable[[Sequence[Factor]], Iterable[Assignment]]]] = MappingProxyType(
    {
        "default": lambda factors: (),
        "each": each,
        "pairwise": partial(covering, strength=2),
        "triples": partial(covering, strength=3),
        "all": walk,
    }
)
"""The sets of rows by the name that `--rows` gives them: what each adds to the default row."""


def rows_of(questionnaire: Questionnaire, kind: str, domain: str) -> tuple[Row, ...]:
    """The rows of one kind for one domain: the default row first, the same answers once, ids that differ.

    Raises:
        BadInput: when there are too many.
    """
    rows = {row.digest: row for row in islice(_rows_of(questionnaire, kind, domain), MOST + 2)}
    if len(rows) > MOST:
        raise BadInput(f"--rows {kind}: {domain} has more than {MOST} rows; take --rows triples or pairwise")
    return _told_apart(rows.values())


def _rows_of(questionnaire: Questionnaire, kind: str, domain: str) -> Iterator[Row]:
    yield Row(domain)
    if kind != "default":
        factors = factors_of(questionnaire, domain)
        for assignment in KINDS[kind](factors):
            yield Row(domain, given(factors, assignment))


def _told_apart(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows whose ids differ: those that would share one show more digits, as many as it takes."""
    told = tuple(rows)
    while clashes := {name for name, count in Counter(row.id for row in told).items() if count > 1}:
        told = tuple(replace(row, digits=row.digits + 1) if row.id in clashes else row for row in told)
    return told


def select(
    questionnaire: Questionnaire, kind: str, domains: Iterable[str] = (), ids: Iterable[str] = ()
) -> tuple[Row, ...]:
    """Rows of one kind, of these domains and with these ids; no domain and no id stand for all.

    Where ids are given without domains, these are the domains of the ids. Rows of others are not made.

    Raises:
        BadInput: naming each kind, domain or id that does not exist, and those that do; or a domain that
            is meant and has too many rows.
    """
    if kind not in KINDS:
        raise BadInput(f"--rows {kind}: no such set of rows; there is: {', '.join(KINDS)}")
    known = tuple(row.domain for row in default_rows(questionnaire))
    chosen = tuple(dict.fromkeys(ids))
    wanted = tuple(dict.fromkeys(domains)) or _domains_of(chosen, known)
    problems = [
        f"{domain}: no such domain{nearest(domain, known) or '; there is: ' + ', '.join(known)}"
        for domain in wanted
        if domain not in known
    ]
    meant = [domain for domain in known if not wanted or domain in wanted]
    rows = tuple(row for domain in meant for row in rows_of(questionnaire, kind, domain))
    by_id = {row.id: row for row in rows}
    problems += [
        f"--row {name}: no such row{_instead(kind, meant if wanted else (), by_id)}"
        for name in chosen
        if name not in by_id
    ]
    if problems:
        raise BadInput(*problems)
    return tuple(row for row in rows if not chosen or row.id in chosen)


def _domains_of(ids: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The domains that ids begin with; none where one of them begins with something else."""
    named = {name.partition(":")[0] for name in ids}
    return tuple(domain for domain in known if domain in named) if named <= set(known) else ()


def _instead(kind: str, domains: Iterable[str], ids: Iterable[str]) -> str:
    """Which rows there are in a set, and of which domains if not of all."""
    names = list(ids)
    of = f" of {', '.join(domains)}" if domains else ""
    listed = f"; there is: {', '.join(names[:_LISTED])}" if names else ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f" in --rows {kind}{of}{listed}{more}"


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
