"""Which images a Dockerfile names: what has to be pulled, or substituted, before it can be built."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bedplate.errors import BadInput

_HEREDOC: Final = re.compile(r"<<-?\s*([\"']?)(\w+)\1")
_VARIABLE: Final = re.compile(
    r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<operator>:[-+])(?P<word>[^}]*))?\})"
)
_FROM: Final = re.compile(r"FROM\s+(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?\s*$", re.IGNORECASE)
_ARG: Final = re.compile(r"ARG\s+(?P<assignments>.+)$", re.IGNORECASE)
_ASSIGNMENT: Final = re.compile(r"(?P<name>\w+)(?:=(?P<value>\"[^\"]*\"|'[^']*'|\S*))?")
_BORROWED: Final = re.compile(r"--from=(?P<copy>\S+)|--mount=\S*?\bfrom=(?P<mount>[^,\s]+)")


def named_images(text: str, arguments: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Images that a build of the Dockerfile `text` takes from outside, as written there, each once.

    They stand in FROM, in `COPY --from` and in `RUN --mount=from`. Variables take the value in
    `arguments`, as `--build-arg` would set it, or else the default of their ARG before the first FROM.

    Raises:
        BadInput: when a name holds a variable that has no value.
    """
    given = dict(arguments or {})
    values: dict[str, str] = {}
    stages = {"scratch"}
    images: dict[str, None] = {}
    before_first_stage = True
    for instruction in instructions(text):
        if before_first_stage and (declared := _ARG.match(instruction)):
            values |= _declared(declared["assignments"], values, given)
        elif stage := _FROM.match(instruction):
            before_first_stage = False
            image = _expand(stage["image"], values)
            if image.lower() not in stages:
                images[image] = None
            if stage["stage"]:
                stages.add(stage["stage"].lower())
        else:
            for found in _BORROWED.finditer(instruction):
                source = found["copy"] or found["mount"]
                if source.lower() not in stages and not source.isdigit():
                    images[source] = None
    return tuple(images)


def instructions(text: str) -> Iterator[str]:
    """Instructions on one line each, without comments and without the bodies of here-documents."""
    lines = iter(text.splitlines())
    pending = ""
    for line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith("\\"):
            pending += stripped[:-1] + " "
            continue
        instruction, pending = pending + stripped, ""
        for _, end in _HEREDOC.findall(instruction):
            for body in lines:
                if body.strip() == end:
                    break
        yield instruction


def _declared(assignments: str, values: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ASSIGNMENT.finditer(assignments):
        name, default = match["name"], match["value"]
        if name in given:
            found[name] = given[name]
        elif default is not None:
            found[name] = _expand(default.strip("\"'"), {**values, **found})
    return found


def _expand(word: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match["plain"] or match["name"]
        known = values.get(name, "")
        if match["operator"] == ":-":
            return known or match["word"]
        if match["operator"] == ":+":
            return match["word"] if known else ""
        if not known:
            raise BadInput(f"Dockerfile: {name} in {word!r} has no value before the first FROM")
        return known

    return _VARIABLE.sub(value, word)
