"""Which language and which domain, and why: needs, weighed by the data of questions/advice.yml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from bedplate.catalogue import Catalogue
from bedplate.errors import BadInput, shown
from bedplate.questionnaire import nearest, read_yaml

FILE: Final = Path("questions/advice.yml")
"""Where a template keeps what advice goes by."""
PART: Final = "does"
"""The need that names parts of a system; it alone may be given several times."""


@dataclass(frozen=True)
class Pull:
    """What one fact says: towards a language with a weight, alone (`decides`), or towards neither.

    `need` and `choice` are the fact, `why` is the reason in a sentence.
    """

    need: str
    choice: str
    title: str
    why: str
    towards: str | None = None
    weight: int = 0
    decides: bool = False


@dataclass(frozen=True)
class Need:
    """One thing to know of a system, with what each choice says."""

    name: str
    ask: str
    choices: Mapping[str, Pull]


@dataclass(frozen=True)
class Part:
    """A thing that a system can consist of; `presumes` are needs that go without saying."""

    pull: Pull
    domains: Mapping[str, str]
    nearest: str
    elsewhere: str
    presumes: Mapping[str, str]


@dataclass(frozen=True)
class Wire:
    """How two parts speak to each other."""

    ends: tuple[str, ...]
    by: str


@dataclass(frozen=True)
class Turn:
    """A change of one need that would decide for the other language; without `choice` it is left open."""

    need: str
    choice: str | None


@dataclass(frozen=True)
class Verdict:
    """What is advised for one part, None where no part was named.

    `pulls` are all facts. `domain` is None where Bedplate has none in that language; then `nearest` and
    `elsewhere` help. `beside` is the language of a second part that this one is better divided into, and
    `beside_domain` the domain for that, if there is one.
    """

    part: str | None
    language: str
    decided: bool
    scores: Mapping[str, int]
    pulls: tuple[Pull, ...]
    domain: str | None
    nearest: str | None
    elsewhere: str | None
    turns: tuple[Turn, ...] = ()
    beside: str | None = None
    beside_domain: str | None = None


@dataclass(frozen=True)
class Advice:
    """What is advised for all parts, and what goes over the wires between them.

    Of parts in one language these are the wires that Bedplate knows.
    """

    verdicts: tuple[Verdict, ...]
    wires: tuple[Wire, ...]
    costs: Mapping[str, Sequence[str]]

    @property
    def answer(self) -> str:
        """One language, or `both`."""
        languages = {verdict.language for verdict in self.verdicts}
        languages |= {verdict.beside for verdict in self.verdicts if verdict.beside}
        return languages.pop() if len(languages) == 1 else "both"


@dataclass(frozen=True)
class Facts:
    """What is known of a system: its parts, needs of all of them, and needs of one, by its name."""

    parts: tuple[str, ...]
    common: Mapping[str, str]
    own: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Knowledge:
    """What advice goes by: an advice.yml that was held against the catalogue beside it."""

    needs: Mapping[str, Need]
    parts: Mapping[str, Part]
    wires: tuple[Wire, ...]
    costs: Mapping[str, Sequence[str]]
    divided_at: int

    @classmethod
    def load(cls, root: Path, catalogue: Catalogue) -> Knowledge:
        """Read what the template in `root` knows; `BadInput` when that is not there or does not fit."""
        file = root / FILE
        if not file.is_file():
            raise BadInput(f"{file}: this template gives no advice: it has no such file")
        try:
            data = read_yaml(file.read_bytes())
            known = cls._read(data)
        except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{file}: can't be used: {' '.join(str(error).split())}") from error
        if problems := tuple(known._misfits(catalogue)):
            raise BadInput(*(f"{file}: {problem}" for problem in problems))
        return known

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Knowledge:
        needs = {
            name: Need(
                name, entry["ask"], {key: _pull(name, key, of) for key, of in entry["choices"].items()}
            )
            for name, entry in data["needs"].items()
        }
        parts = {name: _part(name, entry) for name, entry in data["parts"].items()}
        wires = tuple(
            Wire((entry["from"], entry["to"]) if "from" in entry else (), entry["by"])
            for entry in data["wires"]
        )
        costs = {name: tuple(entry["costs"]) for name, entry in data["languages"].items()}
        return cls(needs, parts, wires, costs, data["divided_at"])

    def _misfits(self, catalogue: Catalogue) -> Iterator[str]:
        pulls = [pull for need in self.needs.values() for pull in need.choices.values()]
        for pull in (*pulls, *(part.pull for part in self.parts.values())):
            if pull.towards not in {None, *self.costs}:
                yield f"{pull.need}={pull.choice}: no such language: {pull.towards}"
        for name, part in self.parts.items():
            for domain in (*part.domains.values(), part.nearest):
                if domain not in catalogue.domains:
                    yield f"parts: {name}: no such domain: {domain}"
            for need, choice in part.presumes.items():
                if need not in self.needs or choice not in self.needs[need].choices:
                    yield f"parts: {name}: presumes {need}={choice}, which there is not"

    def facts(self, given: Sequence[str]) -> Facts:
        """Read `KEY=VALUE` and `PART.KEY=VALUE`; `BadInput` names all that can't be understood."""
        parts: list[str] = []
        common: dict[str, str] = {}
        own: dict[str, dict[str, str]] = {}
        problems: list[str] = []
        for text in given:
            key, equals, value = text.partition("=")
            scope, _, name = key.rpartition(".")
            complaint = self._complaint(scope, name, value) if equals else "write it as KEY=VALUE"
            place = own.get(scope, {}) if scope else common
            if not complaint and place.get(name, value) != value:
                complaint = f"already said to be {place[name]}"
            if complaint:
                problems.append(f"--need {shown(text)}: {complaint}")
            elif name == PART:
                parts.append(value)
            elif scope:
                own[scope] = {**place, name: value}
            else:
                common[name] = value
        absent = sorted(part for part in own if part not in parts)
        problems += [f"--need {part}.…: say --need {PART}={part} as well" for part in absent]
        if problems:
            raise BadInput(*problems)
        return Facts(tuple(dict.fromkeys(parts)), common, own)

    def _complaint(self, scope: str, name: str, value: str) -> str:
        """What is wrong with one need, or nothing."""
        if scope and scope not in self.parts:
            return f"no such part{nearest(scope, list(self.parts))} ({', '.join(self.parts)})"
        known = (
            list(self.parts) if name == PART else list(self.needs[name].choices) if name in self.needs else []
        )
        if not known or (scope and name == PART):
            names = [PART, *self.needs]
            return f"no such need{nearest(name, names)} ({', '.join(names)})"
        return (
            "" if value in known else f"can't be {shown(value)}{nearest(value, known)} ({', '.join(known)})"
        )

    def advise(self, facts: Facts) -> Advice:
        """Weigh the facts for each part, or for a system of which no part is known."""
        verdicts = tuple(self._verdict(part, self._needs_of(part, facts)) for part in facts.parts or (None,))
        return Advice(verdicts, tuple(self._wires_between(verdicts)), self.costs)

    def _needs_of(self, part: str | None, facts: Facts) -> Mapping[str, str]:
        presumed = self.parts[part].presumes if part else {}
        return {**facts.common, **presumed, **facts.own.get(part or "", {})}

    def _verdict(self, part: str | None, needs: Mapping[str, str]) -> Verdict:
        found = self._weighed(part, needs)
        loser = next(language for language in self.costs if language != found.language)
        # What a part is by its nature is not divided by what is merely weighed.
        natural = part is not None and self.parts[part].pull.decides
        divided = not natural and found.scores[loser] >= self.divided_at
        divided |= any(pull.decides and pull.towards == loser for pull in found.pulls)
        domains = self.parts[part].domains if part else {}
        return replace(
            found,
            turns=tuple(
                turn
                for turn, changed in self._changes(needs)
                if self._weighed(part, changed).language != found.language
            ),
            beside=loser if divided else None,
            beside_domain=domains.get(loser) if divided else None,
        )

    def _weighed(self, part: str | None, needs: Mapping[str, str]) -> Verdict:
        pulls = [self.parts[part].pull] if part else []
        pulls += [self.needs[name].choices[choice] for name, choice in needs.items()]
        scores = {
            language: sum(pull.weight for pull in pulls if pull.towards == language)
            for language in self.costs
        }
        # What the part itself decides goes before what a need decides; of equals the first language wins.
        deciding = next((pull for pull in pulls if pull.decides), None)
        heaviest = max(self.costs, key=lambda language: scores[language])
        language = deciding.towards if deciding and deciding.towards else heaviest
        of = self.parts[part] if part else None
        domain = of.domains.get(language) if of else None
        lacking = of if domain is None else None
        return Verdict(
            part=part,
            language=language,
            decided=deciding is not None,
            scores=scores,
            pulls=tuple(pulls),
            domain=domain,
            nearest=lacking.nearest if lacking else None,
            elsewhere=lacking.elsewhere if lacking else None,
        )

    def _changes(self, needs: Mapping[str, str]) -> Iterator[tuple[Turn, Mapping[str, str]]]:
        """Each set of needs that differs in one, and in which."""
        for name, need in self.needs.items():
            for choice in need.choices:
                if choice != needs.get(name):
                    yield Turn(name, choice), {**needs, name: choice}
            if name in needs:
                yield Turn(name, None), {key: of for key, of in needs.items() if key != name}

    def _wires_between(self, verdicts: Sequence[Verdict]) -> Iterator[Wire]:
        for index, one in enumerate(verdicts):
            for other in verdicts[index + 1 :]:
                ends = tuple(verdict.domain or str(verdict.part) for verdict in (one, other))
                known = [wire for wire in self.wires if set(wire.ends) == set(ends)]
                if not known and one.language != other.language:
                    known = [Wire(ends, wire.by) for wire in self.wires if not wire.ends]
                yield from known


def _pull(need: str, choice: str, entry: Mapping[str, Any]) -> Pull:
    known = {key: value for key, value in entry.items() if key in {"towards", "weight", "decides"}}
    return Pull(need, choice, entry["title"], entry["why"], **known)


def _part(name: str, entry: Mapping[str, Any]) -> Part:
    return Part(
        _pull(PART, name, entry),
        entry["domains"],
        entry["nearest"],
        entry["elsewhere"],
        entry.get("presumes", {}),
    )
