"""Budgets that hang on the answers of a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MINIMAL: Final = 18.0
_CONNECTED: Final = 26.0
"""With modules that speak to something else: a database, a collector, an issuer, clients of gRPC."""
_SQLITE: Final = 34.0
_RUST: Final = 30.0


def image_megabytes(answers: Mapping[str, Any]) -> float:
    """The largest size of a service's image, in MB (10^6 bytes)."""
    if answers["template"] == "rust-service":
        return _RUST
    if answers.get("database") == "sqlite":
        return _SQLITE
    connected = (
        answers.get("tracing"),
        answers.get("database", "memory") != "memory",
        answers.get("auth", "none") != "none",
        answers["archetype"] == "rpc-api",
    )
    return _CONNECTED if any(connected) else _MINIMAL
