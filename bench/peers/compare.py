"""An emitted http-api beside the same handlers on what people would start from otherwise, in one run.

    python bench/peers/compare.py [--rounds N] [--seconds S] [--json]

Contenders (bench/peers/) are programs inside a copy of an emitted project, so that all answer from its
store. They take turns, each on half of the processors with the load on the other half; the figures are
medians over the rounds, with the smallest and the largest. Needs Go and Linux; takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from measure import Round, measured
from programs import OURS, PEERS, Program, build


def main() -> int:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description="Compare an emitted http-api with frameworks.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each contender (default 5)")
    parser.add_argument("--seconds", type=float, default=4, help="of load in each (default 4)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    wanted = yaml.safe_load((PEERS / "peers.yml").read_text())
    with TemporaryDirectory(prefix="bedplate-peers-") as directory:
        place = Path(directory)
        programs, load = prepared(wanted, place)
        rounds: dict[str, list[Round]] = {program.name: [] for program in programs}
        for _ in range(options.rounds):
            for program in programs:
                rounds[program.name].append(measured(program, load, place, options.seconds))
        if options.json:
            sys.stdout.write(
                json.dumps({name: [asdict(r) for r in found] for name, found in rounds.items()}) + "\n"
            )
        else:
            sys.stdout.write(table(programs, rounds))
    return 0


def prepared(wanted: dict[str, Any], place: Path) -> tuple[list[Program], Path]:
    """Emit a project, and build all contenders and what puts load on them."""
    project = place / "emitted"
    bedplate = (sys.executable, "-m", "bedplate", "new", str(project), "--domain", "http-api", "--defaults")
    answers = [
        f"--set={one}" for one in (f"project_name={OURS}", "module_prefix=example.com", "tracing=false")
    ]
    subprocess.run([*bedplate, *answers], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["go", "install", str(wanted["load"])], check=True, env=os.environ | {"GOBIN": str(place)})
    programs = [build(OURS, ["prometheus/client_golang"], project, place)]
    programs += [build(name, modules, project, place) for name, modules in wanted["peers"].items()]
    return programs, place / "bombardier"


def table(programs: list[Program], rounds: dict[str, list[Round]]) -> str:
    """Rows for contenders; medians, and the smallest and largest in brackets."""
    head = (
        "| | GET µs CPU | GET/s | POST µs CPU | POST/s | idle MiB | loaded MiB | start ms "
        "| program MB | modules direct, linked | lines own, of modules |\n|---|" + "---|" * 10 + "\n"
    )
    rows = []
    for program in programs:
        found = rounds[program.name]
        cells = [
            spread([getattr(one, field) for one in found], digits)
            for field, digits in (
                ("get_cpu", 1),
                ("get_rate", 0),
                ("post_cpu", 1),
                ("post_rate", 0),
                ("idle", 1),
                ("memory", 1),
                ("start", 0),
            )
        ]
        cells += [f"{program.size:.1f}", f"{program.direct_modules}, {program.modules}"]
        cells += [f"{program.own_lines}, {program.lines}"]
        rows.append(f"| {program.name} | " + " | ".join(cells) + " |\n")
    return head + "".join(rows)


def spread(values: list[float], digits: int) -> str:
    """The median of all rounds, with the smallest and the largest."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
