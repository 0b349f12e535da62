"""The faultless service, built once for all tests of the probe, and the API that ingests hand readings to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bedplate.verify.probe.stream.api import Api
from frail_images import workshop

__all__ = ["api", "workshop"]


@pytest.fixture
def api() -> Iterator[Api]:
    """One that keeps what comes."""
    with Api("127.0.0.1") as api:
        yield api
