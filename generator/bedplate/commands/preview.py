"""`bedplate preview`: what an update would do, tried where nobody works."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import typer

from bedplate.answers import collect
from bedplate.commands.update import told
from bedplate.commands.waiting import waiting
from bedplate.repository import Repository
from bedplate.upkeep import Origin, update


def run(project: Path, settings: tuple[str, ...], source: str | None, ref: str | None, as_json: bool) -> int:
    """Print the diff of an update, and a summary on standard error; 1 when it would have conflicts."""
    origin = Origin.of(project, source)
    repository = Repository.around(project)
    colour = not as_json and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    with waiting("trying the update on a copy"), repository.apart() as place:
        updated = update(place, origin, ref, collect(None, settings, None))
        diff = place.diff(colour=colour)
    if as_json:
        text = diff.decode(errors="replace")
        typer.echo(json.dumps({**asdict(updated), "diff": text}, indent=2, ensure_ascii=False))
    else:
        typer.echo(diff, nl=False)
        for line in told(updated):
            typer.echo(line, err=True)
    notes = [*updated.notes]
    if repository.uncommitted():
        notes.append("what is not committed is not in this preview; an update wants it committed first")
    for note in notes:
        typer.echo(f"bedplate: note: {note}", err=True)
    return 1 if updated.conflicts else 0
