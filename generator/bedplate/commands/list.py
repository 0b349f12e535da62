"""`bedplate list`: what can be built."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby

import typer

from bedplate.catalogue import Catalogue, Domain
from bedplate.commands.paragraphs import say
from bedplate.questionnaire import Questionnaire
from bedplate.references import behind, names_in_code
from bedplate.render import questionnaire_of


def run(source: str | None, as_json: bool) -> int:
    """Print the domains by what they are for, or the questionnaire as a JSON Schema."""
    with questionnaire_of(source) as questionnaire:
        catalogue = Catalogue.of(questionnaire)
        if as_json:
            from bedplate.schema import schema

            typer.echo(json.dumps(schema(questionnaire, catalogue), indent=2, ensure_ascii=False))
            return 0
        asked = _asked(questionnaire, catalogue)
        width = max(map(len, catalogue.domains))
        for group, domains in groupby(catalogue.domains.values(), key=lambda domain: domain.group):
            typer.echo(f"{group}\n")
            for domain in domains:
                _print(domain, asked[domain.name], width)
    say("bedplate explain DOMAIN says more; bedplate new DEST --domain DOMAIN makes a project.")
    return 0


def _asked(questionnaire: Questionnaire, catalogue: Catalogue) -> dict[str, list[str]]:
    """The options of each domain. Only what decides over them is settled, not what they default to."""
    conditions = set().union(*(names_in_code(str(question.when)) for question in questionnaire))
    deciding = behind(questionnaire, conditions)
    settled = {name: questionnaire.evaluate({"domain": name}, wanted=deciding) for name in catalogue.domains}
    return {domain: [name for name in one.asked if name != "domain"] for domain, one in settled.items()}


def _print(domain: Domain, asked: Sequence[str], width: int) -> None:
    beside = f"  {'':<{width}} "
    title = f"{domain.title} ({domain.language}, template {domain.template})"
    say(title, f"  {domain.name:<{width}} ", beside)
    say(domain.summary, beside, beside)
    say(f"Options: {', '.join(asked)}", beside, beside)
    typer.echo("")
