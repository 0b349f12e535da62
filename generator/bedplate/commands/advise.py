"""`bedplate advise`: which language and which domain for what is needed, and what speaks against it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import typer

from bedplate.advice import PART, Advice, Knowledge, Pull, Verdict
from bedplate.catalogue import Catalogue
from bedplate.commands.paragraphs import say
from bedplate.errors import BadInput
from bedplate.render import questionnaire_of


def run(needs: tuple[str, ...], source: str | None, as_json: bool) -> int:
    """Print what is advised; asks on a terminal where no need was given. `BadInput` without any need."""
    with questionnaire_of(source) as questionnaire:
        catalogue = Catalogue.of(questionnaire)
        knowledge = Knowledge.load(questionnaire.root, catalogue)
    if not needs and sys.stdin.isatty() and sys.stdout.isatty():
        needs = _asked(knowledge)
    if not needs:
        raise BadInput(f"nothing to go by: --need KEY=VALUE, with {', '.join([PART, *knowledge.needs])}")
    advice = knowledge.advise(knowledge.facts(needs))
    if as_json:
        typer.echo(json.dumps({"answer": advice.answer, **asdict(advice)}, indent=2, ensure_ascii=False))
    else:
        _print(advice, catalogue)
    return 0


def _asked(knowledge: Knowledge) -> tuple[str, ...]:
    """Ask for parts, then for each need; what is left open is no need."""
    import questionary

    parts = [questionary.Choice(part.pull.title, name) for name, part in knowledge.parts.items()]
    chosen = questionary.checkbox("What does it consist of?", choices=parts).unsafe_ask()
    needs = [f"{PART}={name}" for name in chosen]
    for need in knowledge.needs.values():
        choices = [questionary.Choice(pull.title, name) for name, pull in need.choices.items()]
        undecided = questionary.Choice("not decided", "")
        choice = questionary.select(need.ask, choices=[undecided, *choices]).unsafe_ask()
        needs += [f"{need.name}={choice}"] if choice else []
    return tuple(needs)


def _print(advice: Advice, catalogue: Catalogue) -> None:
    if len(advice.verdicts) > 1:
        typer.echo(f"{advice.answer if advice.answer != 'both' else 'Both'}\n")
    for verdict in advice.verdicts:
        _print_verdict(verdict, catalogue)
    for language in dict.fromkeys(verdict.language for verdict in advice.verdicts):
        typer.echo(f"What {language} costs")
        for cost in advice.costs[language]:
            say(cost, "  - ", "    ")
        typer.echo("")
    for wire in advice.wires:
        say(f"Between {' and '.join(wire.ends)}: {wire.by}")
        typer.echo("")


def _print_verdict(verdict: Verdict, catalogue: Catalogue) -> None:
    say(_head(verdict, catalogue))
    supporting = _towards(verdict, True)
    for pull in supporting:
        _line("for", _reason(pull))
    if not supporting:
        _line(
            "for", "nothing that is known decides; of equals Go comes first, which is quicker to begin with"
        )
    for pull in _towards(verdict, False):
        _line("against", _reason(pull))
    _line("turns", _turns(verdict) or "with no other answer to one need")
    if verdict.beside:
        domain = f" ({verdict.beside_domain})" if verdict.beside_domain else ""
        _line("divide", f"much speaks for {verdict.beside}: give that to a part of its own{domain}")
    if verdict.domain:
        _line("begin", f"bedplate new DEST --domain {verdict.domain}")
    elif verdict.elsewhere:
        _line("begin", f"{verdict.elsewhere}; of Bedplate's domains {verdict.nearest} is the nearest")
    typer.echo("")


def _turns(verdict: Verdict) -> str:
    """Which other answers would decide otherwise, by need."""
    by_need: dict[str, list[str]] = {}
    for turn in verdict.turns:
        by_need.setdefault(turn.need, []).append(turn.choice or "not decided")
    return "; ".join(f"{need}: {', '.join(choices)}" for need, choices in by_need.items())


def _head(verdict: Verdict, catalogue: Catalogue) -> str:
    """What is advised, in one line."""
    if verdict.part is None:
        fitting = [name for name, domain in catalogue.domains.items() if domain.language == verdict.language]
        return f"{verdict.language}: one of {', '.join(fitting)}"
    what = verdict.domain or "no domain of Bedplate"
    return f"{verdict.part}: {verdict.language}, {what}"


def _towards(verdict: Verdict, supporting: bool) -> list[Pull]:
    """Facts for or against the language, those that decide first, then the heaviest."""
    pulls = [p for p in verdict.pulls if p.towards and (p.towards == verdict.language) is supporting]
    return sorted(pulls, key=lambda pull: (not pull.decides, -pull.weight))


def _reason(pull: Pull) -> str:
    weight = "decides" if pull.decides else f"{pull.towards} +{pull.weight}"
    return f"{pull.need}={pull.choice} ({weight}): {pull.why}"


def _line(label: str, text: str) -> None:
    say(text, f"  {label:8}", " " * 10)
