"""What somebody decides about a verification, beside its rows and level."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bedplate.verify.bases import Mode
from bedplate.verify.proofs import Proofs


@dataclass(frozen=True)
class Settings:
    """How to verify. `source` is the template, this checkout by default; `logs` keeps those of failures.

    `rows` is the set that the rows are from. `within` are seconds for each step, in place of its own
    deadline; after `time_limit` seconds no further row is taken below level render. `proofs` is where
    what was proved is kept; `reuse` takes a row as proved that has its proofs there.
    """

    engine: Literal["auto", "container", "host"] = "auto"
    bases: Mode = "auto"
    source: Path | None = None
    logs: Path | None = None
    jobs: int = 1
    keep_going: bool = True
    rows: str = "default"
    within: float | None = None
    time_limit: float | None = None
    proofs: Proofs | None = None
    reuse: bool = False
