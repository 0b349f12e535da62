"""Several projects made in one process, each as `bedplate new` makes it.

A process that makes one alone spends half of its time on importing copier, and most of the rest on cloning
the template, reading it and compiling what it compiled for the project before. Called as

    python -m bedplate.verify.batch ORDERS OUTCOMES

with a JSON list of orders. The outcomes are JSON as well, one line for each order as it ends, so that it
is known how far a process came that ended early.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from bedplate.commands import new
from bedplate.errors import BedplateError


@dataclass(frozen=True)
class Order:
    """A project to make: the file with its answers, where it goes, and from which template."""

    answers: str
    destination: str
    source: str
    ref: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of an order: the lines that a user would be told, none when it was made.

    `trace` is where an error came from that nobody foresaw, which a user is told as one line too.
    """

    seconds: float
    told: tuple[str, ...] = ()
    trace: str = ""

    @property
    def made(self) -> bool:
        """True when the project is there."""
        return not self.told


def fill(order: Order) -> Outcome:
    """Make one project in this process."""
    options = new.NewOptions(
        destination=Path(order.destination),
        domain=None,
        settings=(),
        answers=Path(order.answers),
        defaults=True,
        source=order.source,
        ref=order.ref,
        dry_run=False,
        git=False,
        json=True,
    )
    started = time.monotonic()
    told: tuple[str, ...] = ()
    trace = ""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            new.run(options)
        except BedplateError as error:
            told = error.messages
        except Exception as error:
            told = (f"{type(error).__name__}: {' '.join(str(error).split())}",)
            trace = traceback.format_exc()
    return Outcome(time.monotonic() - started, told, trace)


def compile_once() -> None:
    """Let Jinja compile each text once, although copier makes an environment for each project."""
    from jinja2 import Environment

    compiled: dict[tuple[object, ...], object] = {}
    compile_it = Environment.compile

    def look_up(environment: Environment, source: object, *rest: object, **named: object) -> object:
        # A sandboxed environment makes other code than one that is not.
        key = (type(environment), source, *rest, *named.items())
        if key not in compiled:
            compiled[key] = compile_it(environment, source, *rest, **named)  # type: ignore[call-overload]
        return compiled[key]

    Environment.compile = look_up  # type: ignore[method-assign,assignment]


def fetch_once() -> None:
    """Let copier clone a template once and read it once; the clone is left among the temporary files."""
    from copier import _template, _vcs

    fetch, load = cache(_vcs.clone), cache(_template.load_template_config)

    def fetched(url: str, ref: str = "HEAD", location: str | None = None) -> str:
        return fetch(url, ref)

    def loaded(conf_path: Path, quiet: bool = False) -> dict[str, Any]:
        return deepcopy(load(conf_path, quiet))

    _template.clone = fetched  # type: ignore[attr-defined]
    _template.load_template_config = loaded


def write_orders(orders: Iterable[Order], file: Path) -> None:
    """Write the orders for a process of their own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(order) for order in orders]), encoding="utf-8")


def read_outcomes(file: Path) -> list[Outcome]:
    """What became of the orders, as far as the process came."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    records = [json.loads(line) for line in lines if line.endswith("}")]
    return [Outcome(record["seconds"], tuple(record["told"]), record["trace"]) for record in records]


def main(orders: str, outcomes: str) -> None:
    """Fill the orders in turn."""
    compile_once()
    fetch_once()
    with Path(outcomes).open("w", encoding="utf-8", buffering=1) as lines:
        for order in json.loads(Path(orders).read_text(encoding="utf-8")):
            lines.write(json.dumps(asdict(fill(Order(**order)))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
