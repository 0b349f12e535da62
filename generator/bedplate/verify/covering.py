"""Sets of assignments over the factors of a domain: one change at a time, covering arrays, all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from bedplate.verify.factors import Assignment, Factor, walk


def each(factors: Sequence[Factor]) -> Iterator[Assignment]:
    """Every value of every factor that can stand, the others as they are by default.

    A value that needs other answers, as one of a question that is hidden by default does, comes with as few
    of them as possible.
    """
    by_name = {factor.question: factor for factor in factors}
    for factor in factors:
        ways = sorted(walk([by_name[name] for name in factor.needs]), key=lambda way: _changes(factors, way))
        for index in range(len(factor.values)):
            completed = (_completed(factors, {**way, factor.question: index}) for way in ways)
            yield from islice(filter(None, completed), 1)


def covering(factors: Sequence[Factor], strength: int) -> Iterator[Assignment]:
    """A covering array: every `strength` values that can stand together do so in one of the assignments."""
    from covertable import make

    start = _completed(factors, {})
    if not start:  # no factors, or a question that no answer to the others leaves one for
        return
    yield from make(
        {factor.question: list(range(len(factor.values))) for factor in factors},
        strength=min(strength, len(factors)),
        presets=[start],
        constraints=[
            {"operator": "fn", "requires": list(factor.keys), "evaluate": factor.stands}
            for factor in factors
            if factor.needs
        ],
    )


def _completed(
    factors: Sequence[Factor], fixed: Assignment, chosen: Assignment | None = None
) -> Assignment | None:
    """An assignment with some values fixed, and the other questions left to themselves where that can be."""
    chosen = chosen or {}
    if not factors:
        return chosen
    first, rest = factors[0], factors[1:]
    indices = [fixed[first.question]] if first.question in fixed else range(len(first.values))
    trials = [trial for index in indices if first.stands(trial := {**chosen, first.question: index})]
    trials.sort(key=lambda trial: not first.is_silent(trial))
    return next(filter(None, (_completed(rest, fixed, trial) for trial in trials)), None)


def _changes(factors: Sequence[Factor], way: Assignment) -> int:
    """How many answers have to be given for values that are assigned in the order of the questions."""
    return sum(not factor.is_silent(way) for factor in factors if factor.question in way)
