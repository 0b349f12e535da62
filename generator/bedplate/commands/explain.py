"""`bedplate explain`: what a domain emits and why, or what a question decides."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache, partial

import typer

from bedplate.catalogue import Catalogue, Domain
from bedplate.commands.paragraphs import say
from bedplate.effects import Option, Reach
from bedplate.errors import BadInput
from bedplate.questionnaire import Question, Questionnaire, nearest
from bedplate.render import questionnaire_of

_FILES_SHOWN = 6


def run(name: str, source: str | None, as_json: bool) -> int:
    """Print what is known about a domain or a question; `BadInput` when it is neither."""
    with questionnaire_of(source) as questionnaire:
        catalogue = Catalogue.of(questionnaire)
        questions = {question.name: question for question in questionnaire if not question.computed}
        if name in catalogue.domains:
            _explain_domain(catalogue.domains[name], questionnaire, as_json)
        elif name in questions:
            _explain_question(questions[name], questionnaire, catalogue, as_json)
        else:
            known = [*catalogue.domains, *questions]
            raise BadInput(f"{name}: no such domain or question{nearest(name, known)} ({', '.join(known)})")
    return 0


def _explain_domain(domain: Domain, questionnaire: Questionnaire, as_json: bool) -> None:
    reach = Reach(questionnaire, domain.template)
    evaluation = reach.evaluate({"domain": domain.name})
    asked = [questionnaire.questions[name] for name in evaluation.asked if name != "domain"]
    options = [reach.describe(question, evaluation) for question in asked]
    if as_json:
        record = {**asdict(domain), "options": [asdict(option) for option in options]}
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    _paragraph(f"{domain.name}: {domain.title} ({domain.language}, template {domain.template})")
    _paragraph(domain.summary)
    _paragraph(f"Choose it when: {domain.choose_when}")
    _paragraph(f"Why {domain.language}: {domain.why_language}")
    typer.echo("What it emits")
    for item in domain.emits:
        say(item, "  - ", "    ")
    typer.echo("\nOptions")
    for option in options:
        _print_option(option)
    _fact("Make one", f"bedplate new DEST --domain {domain.name}")
    _fact("Then", ", ".join(domain.next))


def _explain_question(
    question: Question, questionnaire: Questionnaire, catalogue: Catalogue, as_json: bool
) -> None:
    by_domain = {}
    reach = cache(partial(Reach, questionnaire))
    for domain in catalogue.domains.values():
        evaluation = reach(domain.template).evaluate({"domain": domain.name})
        if question.name in evaluation.asked:
            by_domain[domain.name] = reach(domain.template).describe(question, evaluation)
    if as_json:
        record = {name: asdict(option) for name, option in by_domain.items()}
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    option = next(iter(by_domain.values()))
    _paragraph(f"{question.name}: {question.help}")
    _paragraph(f"Decides {option.decides}.")
    _fact("Asked for", ", ".join(by_domain))
    if option.choices:
        _fact("Choices", ", ".join(map(str, option.choices)))
    for domain_name, described in by_domain.items():
        if question.name != "domain":
            _fact("Default", f"{described.default} ({domain_name})")
    _fact("Changes", f"dependencies: {option.dependencies}; image size: {option.image}")
    for domain_name, described in by_domain.items():
        if question.name != "domain":
            _fact("Files", f"({domain_name}) {_files(described)}")


def _print_option(option: Option) -> None:
    choices = f" ({', '.join(map(str, option.choices))})" if option.choices else ""
    say(f"{option.name}{choices}, default: {option.default}", "  ", "    ")
    cost = f"Dependencies: {option.dependencies}. Image size: {option.image}."
    for line in (f"Decides {option.decides}.", f"Files: {_files(option)}", cost):
        say(line, " " * 6, " " * 6)
    typer.echo("")


def _files(option: Option) -> str:
    shown = ", ".join(option.files[:_FILES_SHOWN]) or "none"
    hidden = len(option.files) - _FILES_SHOWN
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def _paragraph(text: str) -> None:
    say(text)
    typer.echo("")


def _fact(label: str, text: str) -> None:
    say(text, f"{label + ':':<12}", " " * 12)
