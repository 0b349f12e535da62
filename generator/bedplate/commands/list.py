"""`bedplate list`: what can be built."""

from __future__ import annotations

import json
from itertools import groupby

import typer

from bedplate.catalogue import Catalogue, Domain
from bedplate.questionnaire import Questionnaire
from bedplate.render import questionnaire_of


def run(source: str | None, as_json: bool) -> int:
    """Print the domains by what they are for, or the questionnaire as a JSON Schema."""
    with questionnaire_of(source) as questionnaire:
        catalogue = Catalogue.load(questionnaire.root)
        if as_json:
            from bedplate.schema import schema

            typer.echo(json.dumps(schema(questionnaire, catalogue), indent=2, ensure_ascii=False))
            return 0
        width = max(map(len, catalogue.domains))
        for group, domains in groupby(catalogue.domains.values(), key=lambda domain: domain.group):
            typer.echo(f"{group}\n")
            for domain in domains:
                _print(domain, questionnaire, width)
    typer.echo("bedplate explain DOMAIN says more; bedplate new DEST --domain DOMAIN makes a project.")
    return 0


def _print(domain: Domain, questionnaire: Questionnaire, width: int) -> None:
    asked = [name for name in questionnaire.evaluate({"domain": domain.name}).asked if name != "domain"]
    typer.echo(f"  {domain.name:<{width}} {domain.title} ({domain.language}, template {domain.template})")
    typer.echo(f"  {'':<{width}} {domain.summary}")
    typer.echo(f"  {'':<{width}} Options: {', '.join(asked)}\n")
