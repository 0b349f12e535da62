"""Boundary values of free text and numbers, made from their rule in the words of JSON Schema.

Nothing here knows a question: a value is made by the lengths of the rule, and kept when the rule's
pattern and the questionnaire accept it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

Accepts = Callable[[object], bool]

# The shortest text should be a digit or end in one; the longest should have hyphens and digits. What
# follows in each tuple is for rules that don't allow that.
_SHORT: Final = ("7", "a7", "a")
_LONG: Final = ("a7-", "a-7", "a7", "a")
_HEADS: Final = ("", "a.", "a.a/")
"""What a text begins with: nothing, or what a rule for the name of a host or for a path wants."""


def boundaries(rule: Mapping[str, Any], accepts: Accepts) -> tuple[object, ...]:
    """The values at the ends of what a rule allows, each once; none where it sets no bounds.

    Of a text these are the shortest and the longest (`minLength`, `maxLength`), of a number the smallest
    and the largest (`minimum`, `maximum`).
    """
    found: list[object] = [rule[word] for word in ("minimum", "maximum") if word in rule]
    if "maxLength" in rule:
        lengths = range(rule.get("minLength", 0), rule["maxLength"] + 1)
        pattern = re.compile(rule.get("pattern", ""))
        found += _first(_texts(lengths, _SHORT), pattern, accepts)
        found += _first(_texts(reversed(lengths), _LONG), pattern, accepts)
    return tuple(value for value in dict.fromkeys(found) if accepts(value))


def _texts(lengths: Iterable[int], cycles: tuple[str, ...]) -> Iterator[str]:
    for length in lengths:
        for head in _HEADS:
            for cycle in cycles:
                if len(head) <= length:
                    yield head + (cycle * length)[: length - len(head)]


def _first(texts: Iterator[str], pattern: re.Pattern[str], accepts: Accepts) -> Iterator[str]:
    """The first text that is accepted, if any is."""
    for text in texts:
        if pattern.search(text) and accepts(text):
            yield text
            return
