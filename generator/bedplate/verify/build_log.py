"""What the log of a build tells: which verbs ran, what came from a cache, which tests left themselves out."""

from __future__ import annotations

import re
from pathlib import Path


def skipped(log: Path) -> list[str]:
    """Tests of Go that say in a log that they were skipped."""
    return re.findall(r"^ *--- SKIP: (\S+)", log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)


def ran(log: Path, stage: str) -> bool:
    """Whether the verb that a stage is named after is one of its steps."""
    return any(re.search(rf"\bmake {re.escape(stage)}\b", command) for _, command in _steps(log, stage))


def from_cache(log: Path, stage: str) -> bool:
    """Whether a build took the last command of a stage from its cache."""
    steps = _steps(log, stage)
    if not steps:
        return False
    text = log.read_text(encoding="utf-8", errors="replace")
    return bool(re.search(rf"^#{steps[-1][0]} CACHED$", text, re.MULTILINE))


def _steps(log: Path, stage: str) -> list[tuple[str, str]]:
    """Number and command of each RUN of a stage, by BuildKit's plain progress.

    A step is named as `#7 [check 2/3] RUN make check`, then followed by `#7 CACHED` or its output.
    """
    text = log.read_text(encoding="utf-8", errors="replace")
    named = rf"^#(\d+) \[(?:\S+ )?{re.escape(stage)}(?: +(\d+)/\d+)?\] RUN (.*)$"
    steps = {
        (int(place or 0), step, command) for step, place, command in re.findall(named, text, re.MULTILINE)
    }
    return [(step, command) for _, step, command in sorted(steps)]
