"""The description of an API against the API: requests are made from it, and answers held to it."""

from __future__ import annotations

from typing import Final

from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.trial import Trials, expect

PATH: Final = "/openapi.yaml"
_EXAMPLES: Final = 30
"""Requests per operation and way of making them."""
_SEED: Final = 1
"""Of the random requests: every run sends the same."""
_WITHIN: Final = 120.0
"""Seconds, about ten times what it takes."""
_LAST_LINES: Final = 60


def try_description(trials: Trials, platform: Platform, tester: str | None) -> None:
    """Have schemathesis in the image `tester` try one instance; where there is none, say so."""
    name = "description: schemathesis finds no answer that it does not allow"
    if tester is None:
        trials.skip(name, "the image of linters comes with a checkout of the template, which is not here")
        return
    with trials.check(name), platform.start() as instance:
        instance.wait_until_ready()
        url = f"http://{platform.inside(instance)}:{platform.ports.http}{PATH}"
        headers = [f"--header={name}: {value}" for name, value in platform.credentials]
        code, said = platform.beside(
            tester,
            [
                *("schemathesis", "run", url, *headers, "--no-color"),
                *("--phases=examples,coverage,fuzzing", f"--max-examples={_EXAMPLES}", f"--seed={_SEED}"),
            ],
            directory="/opt/schemathesis",
            within=_WITHIN,
        )
        expect(code == 0, "expected none, got:\n" + "\n".join(said.splitlines()[-_LAST_LINES:]))
