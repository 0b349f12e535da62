"""Budgets that hang on the answers of a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_RUST: Final = 30.0


def image_megabytes(answers: Mapping[str, Any]) -> float:
    """The largest size of a service's image, in MB (10^6 bytes)."""
    return _RUST if answers["template"] == "rust-service" else float(answers["image_megabytes"])
