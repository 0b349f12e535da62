"""`bedplate drift`: which files of a project are no longer as its template gave them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from bedplate.commands.waiting import waiting
from bedplate.upkeep import Drift, Origin
from bedplate.upkeep import drift as compare


def run(project: Path, source: str | None, diff: bool, as_json: bool) -> int:
    """Say how a project differs from its template; 1 when files of the template were changed or removed."""
    with waiting("making the project as its template gave it"):
        found = compare(project, Origin.of(project, source))
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    elif diff:
        typer.echo(found.diff, nl=False)
    else:
        for line in _told(found):
            typer.echo(line)
    return 1 if found.changed or found.removed else 0


def _told(found: Drift) -> list[str]:
    lines = [f"As in {found.version}: {len(found.same)} files."]
    for title, paths in (
        ("Changed; an update merges them", found.changed),
        ("Removed; an update leaves them out", found.removed),
        ("Changed, and given only once; updates leave them alone", found.kept),
    ):
        if paths:
            lines += [f"{title}:", *(f"  {path}" for path in paths)]
    return [*lines, f"Your own: {len(found.own)} files."]
