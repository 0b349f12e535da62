"""`bedplate verify`: emit projects, prove them level by level, and say what was found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class VerifyOptions:
    """What was asked for on the command line."""

    domains: tuple[str, ...] = ()
    rows: str = "default"
    row: tuple[str, ...] = ()
    level: str = "run"
    jobs: int = 1
    engine: Literal["auto", "container", "host"] = "auto"
    bases: Literal["auto", "registry", "local"] = "auto"
    keep_going: bool = False
    report: Path | None = None
    project: Path | None = None
    sweep: bool = False
    json: bool = False


def run(options: VerifyOptions) -> int:
    """Verify what the options select; 0 when all of it passed, 1 when something failed."""
    raise NotImplementedError
