"""`bedplate new`: from answers to a project at its destination, or nothing at all."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from bedplate.answers import Collected, collect, complaints, name_after
from bedplate.catalogue import Catalogue, Domain
from bedplate.commands.waiting import waiting
from bedplate.errors import BadInput
from bedplate.project import Project, check_free, publish, staging, tree
from bedplate.render import Rendered, Source, Template, opened


@dataclass(frozen=True)
class NewOptions:
    """What was asked for on the command line."""

    destination: Path | None
    domain: str | None
    settings: tuple[str, ...]
    answers: Path | None
    defaults: bool
    source: str | None
    ref: str | None
    dry_run: bool
    git: bool
    json: bool


def run(options: NewOptions) -> int:
    """Make the project and say what to do next; raises `BedplateError` with nothing written."""
    collected = collect(options.domain, options.settings, options.answers)
    source = Source.resolve(options.source, options.ref)
    if options.destination is not None and not options.dry_run:
        check_free(options.destination)
    with (
        _workplace(options) as staged,
        waiting("making the project") as end_waiting,
        opened(source, staged) as template,
    ):
        catalogue = Catalogue.of(template.questionnaire)
        rendered = _render(template, collected, options, end_waiting)
        destination = options.destination or Path(str(rendered.answers["project_name"]))
        project = Project(staged)
        if not options.dry_run:
            if options.destination is None:
                check_free(destination)
            if options.git:
                project.start_repository()
            project = publish(staged, destination)
        end_waiting()
        domain = catalogue.domains[str(rendered.answers["domain"])]
        _print(_Report(project, destination, rendered.answers, domain), options)
    for note in () if options.dry_run else template.notes:
        typer.echo(f"bedplate: note: {note}", err=True)
    return 0


@contextmanager
def _workplace(options: NewOptions) -> Iterator[Path]:
    if options.dry_run:
        with tempfile.TemporaryDirectory(prefix="bedplate-") as directory:
            yield Path(directory) / "project"
    else:
        with staging(options.destination or Path("project")) as directory_beside:
            yield directory_beside


def _render(
    template: Template, collected: Collected, options: NewOptions, before_asking: Callable[[], None]
) -> Rendered:
    """Check the answers, all at once, then render; asks on a terminal for what is left."""
    questionnaire = template.questionnaire
    asking = not options.defaults and sys.stdin.isatty() and sys.stdout.isatty()
    name = options.destination and name_after(options.destination, collected.values, questionnaire)
    suggested = {"project_name": name} if name else {}
    check(template, collected, suggested, defaults=options.defaults, asking=asking)
    if asking:
        before_asking()
    rendered = template.render(collected.values, suggested=suggested, defaults=not asking)
    hidden = [collected.origin(name) for name in collected.given if name in rendered.hidden]
    if hidden:
        raise BadInput(*(f"{origin}: not asked with these answers" for origin in hidden))
    return rendered


def check(
    template: Template,
    collected: Collected,
    suggested: Mapping[str, object],
    *,
    defaults: bool,
    asking: bool,
) -> None:
    """Raise `BadInput` that names everything that keeps the answers from being used."""
    evaluation = template.questionnaire.evaluate(
        collected.values, suggested={**template.personal_defaults, **suggested}, defaults=defaults
    )
    missing = () if asking else evaluation.missing
    problems = tuple(complaints(collected, evaluation, template.questionnaire, missing))
    if problems:
        raise BadInput(*problems)


@dataclass(frozen=True)
class _Report:
    """What the command has to say about the project that it made."""

    project: Project
    destination: Path
    answers: Mapping[str, Any]
    domain: Domain


def _print(report: _Report, options: NewOptions) -> None:
    files = report.project.files()
    if options.json:
        record = {
            "destination": str(report.destination.absolute()),
            "written": not options.dry_run,
            "answers": dict(report.answers),
            "files": [{"path": file.path, "size": file.size} for file in files],
            "next": list(report.domain.next),
        }
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    elif options.dry_run:
        typer.echo(f"{report.destination}/  {len(files)} files, {sum(file.size for file in files):,} bytes")
        for line in tree(files):
            typer.echo(line)
    else:
        typer.echo(f"Made {report.answers['project_name']} in {report.destination}: {len(files)} files.")
        typer.echo("\nNext:")
        for command in (f"cd {shlex.quote(str(report.destination))}", *report.domain.next):
            typer.echo(f"  {command}")
