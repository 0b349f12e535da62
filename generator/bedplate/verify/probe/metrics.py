"""Reading the Prometheus text format, as far as a probe needs it."""

from __future__ import annotations

import re
from typing import Final

from bedplate.verify.probe.trial import expect, expect_same
from bedplate.verify.probe.wire import Address, request

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""Values by the name of the metric and its labels."""

_LINE: Final = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$")
_LABEL: Final = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')


def parse(text: str) -> Samples:
    """The samples of an exposition (https://prometheus.io/docs/instrumenting/exposition_formats/)."""
    samples: Samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = _LINE.match(line)
            expect(match is not None, f"expected the Prometheus text format, got {line!r}")
            if match:
                labels = frozenset(_LABEL.findall(match[2] or ""))
                samples[match[1], labels] = float(match[3])
    return samples


def scrape(admin: Address) -> Samples:
    """What /metrics shows now."""
    answer = request(admin, "GET", "/metrics")
    expect_same("status of /metrics", 200, answer.status)
    return parse(answer.body.decode())


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels, whatever others they have."""
    wanted = labels.items()
    return sum(value for (key, has), value in samples.items() if key == name and wanted <= set(has))


def total_ending(samples: Samples, suffix: str, **labels: str) -> float:
    """The same of the metrics whose names end like this: what they begin with is the service's."""
    names = {name for name, _ in samples if name.endswith(suffix)}
    return sum(total(samples, name, **labels) for name in names)
