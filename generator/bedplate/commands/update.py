"""`bedplate update`: a project brought to a newer version of its template."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import typer

from bedplate.answers import collect
from bedplate.commands.waiting import waiting
from bedplate.repository import Repository
from bedplate.upkeep import Origin, Updated
from bedplate.upkeep import update as bring

_WORDS = {"A": "new", "D": "removed", "M": "changed"}


def run(project: Path, settings: tuple[str, ...], source: str | None, ref: str | None, as_json: bool) -> int:
    """Update a project and say what came of it; 1 with conflicts. Raises `BedplateError`, nothing done."""
    origin = Origin.of(project, source)
    repository = Repository.around(project)
    repository.check_clean()
    with waiting("updating a copy, then the project"), repository.apart() as place:
        updated = bring(place, origin, ref, collect(None, settings, None))
        left = repository.take(place, updated.changes)
    updated = replace(
        updated,
        changes=tuple(one for one in updated.changes if one[1] not in left),
        conflicts=tuple(path for path in updated.conflicts if path not in left),
    )
    if as_json:
        typer.echo(json.dumps(asdict(updated), indent=2, ensure_ascii=False))
    else:
        for line in told(updated):
            typer.echo(line)
        if updated.changes:
            typer.echo("\nNext:  git diff" + ("; resolve the conflicts" if updated.conflicts else ""))
    notes = [f"{path}: git ignores it, and it was left as it is" for path in left]
    for note in (*updated.notes, *notes):
        typer.echo(f"bedplate: note: {note}", err=True)
    return 1 if updated.conflicts else 0


def told(updated: Updated) -> list[str]:
    """What an update does, in lines: the versions, the files, and the conflicts last."""
    if not updated.changes:
        return [f"{updated.after}: nothing to change"]
    states = [state for state, _ in updated.changes]
    counts = ", ".join(f"{states.count(state)} {word}" for state, word in _WORDS.items() if state in states)
    lines = [f"{updated.before} to {updated.after}: {counts}"]
    lines += [f"  {state} {path}" for state, path in updated.changes if path not in updated.conflicts]
    lines += [f"  C {path}  conflict" for path in updated.conflicts]
    return lines
