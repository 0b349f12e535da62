"""What holds over the rows of all domains together: no file of a template is there for nobody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from jinja2 import TemplateError

from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.invariants import verdict
from bedplate.verify.rows import Row, default_rows, select, settled
from bedplate.verify.snapshot import Snapshot

NAME: Final = "no unused template file"


def hold_every_file_used(snapshot: Snapshot, rows: Iterable[Row]) -> Findings:
    """When rows cover every domain, no file of a template is unused.

    A file is used when one of the pairwise rows emits it, whichever rows are verified.
    """
    chosen = tuple(rows)
    missing = {row.domain for row in default_rows(snapshot.questionnaire)} - {row.domain for row in chosen}
    if missing:
        reason = f"needs rows of {', '.join(sorted(missing))}"
        return Findings((Check(NAME, Status.SKIPPED, reason),))
    try:
        unused = _unused(snapshot, chosen)
        if unused:
            unused = _unused(snapshot, (*chosen, *select(snapshot.questionnaire, "pairwise")))
    except TemplateError as error:  # one of the rows says which path it is
        return Findings((Check(NAME, Status.FAILED, f"a path can't be rendered: {error}"),))
    return Findings((verdict(NAME, unused),))


def _unused(snapshot: Snapshot, rows: Iterable[Row]) -> list[str]:
    """Files of the templates that none of these rows emits."""
    return list(snapshot.unused(settled(snapshot.questionnaire, row) for row in rows))
