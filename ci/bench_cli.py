"""How long the command line takes, beside what it can't be faster than, in one run.

    python ci/bench_cli.py [--runs N] [--json]

Start-up is the time beyond a bare interpreter; `new` is told as a multiple of `copier copy` of the
same tree, `preview` as one of `copier update` of the same project. Contenders take turns, so that a
noisy machine slows them alike, and medians are compared. Exits 1 when a figure is over its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory

from bedplate.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[1]
START_UP_LIMIT = 0.30
NEW_LIMIT = 1.25
PREVIEW_LIMIT = 1.30
BEDPLATE = (sys.executable, "-m", "bedplate")
COPIER = (sys.executable, "-m", "copier")
BARE = (sys.executable, "-c", "pass")


@dataclass(frozen=True)
class Measurement:
    """One figure with its limit; `unit` is `s` for seconds beyond the baseline, `x` for a multiple of it."""

    name: str
    value: float
    limit: float
    unit: str
    baseline_seconds: float

    @property
    def within(self) -> bool:
        """True when the figure keeps to its limit."""
        return self.value <= self.limit


def start_up(runs: int) -> list[Measurement]:
    """Time the commands that only read the questionnaire."""
    commands = {
        "bedplate --help": ("--help",),
        "bedplate list": ("list",),
        "bedplate list --json": ("list", "--json"),
        "bedplate explain": ("explain", "http-api"),
        "bedplate advise": ("advise", "--need", "does=json-api"),
    }
    contenders = {name: (*BEDPLATE, *arguments) for name, arguments in commands.items()}
    times = take_turns({"bare": BARE, **contenders}, runs)
    bare = times.pop("bare")
    return [Measurement(name, value - bare, START_UP_LIMIT, "s", bare) for name, value in times.items()]


def new(runs: int, source: Path, project: Path) -> list[Measurement]:
    """Time `new --defaults` against `copier copy` from one clone of the template."""
    found = []
    for domain in Catalogue.load(ROOT).domains:
        copier = (*COPIER, "copy", "--quiet", "--defaults", "--vcs-ref", "HEAD")
        contenders = {
            "copier": (*copier, "--data", f"domain={domain}", str(source), str(project)),
            "bedplate": new_project(source, project, domain),
        }
        times = take_turns(contenders, runs, before=lambda: rmtree(project, ignore_errors=True))
        ratio = times["bedplate"] / times["copier"]
        found.append(Measurement(f"bedplate new, {domain}", ratio, NEW_LIMIT, "x", times["copier"]))
    return found


def preview(runs: int, source: Path, project: Path) -> list[Measurement]:
    """Time `preview` against `copier update` of one project, for one change of the template."""
    rmtree(project, ignore_errors=True)
    subprocess.run((*new_project(source, project, "http-api"), "--git"), check=True, capture_output=True)
    git(project, "commit", "--quiet", "--message", "Start")
    with (source / "templates/_partials/editorconfig").open("a", encoding="utf-8") as settings:
        settings.write("# One line more.\n")
    git(source, "commit", "--quiet", "--all", "--message", "Go on")
    contenders = {
        "copier": (*COPIER, "update", "--quiet", "--defaults", "--vcs-ref", "HEAD", str(project)),
        "bedplate": (*BEDPLATE, "preview", str(project), "--ref", "HEAD"),
    }
    times = take_turns(contenders, runs, before=lambda: git(project, "reset", "--quiet", "--hard"))
    ratio = times["bedplate"] / times["copier"]
    return [Measurement("bedplate preview", ratio, PREVIEW_LIMIT, "x", times["copier"])]


def new_project(source: Path, project: Path, domain: str) -> tuple[str, ...]:
    """The command that makes a project of the last commit of a template."""
    options = ("--source", str(source), "--ref", "HEAD", "--domain", domain, "--defaults")
    return (*BEDPLATE, "new", str(project), *options)


def git(directory: Path, *arguments: str) -> None:
    """Run git in a repository, as a person who is the same everywhere."""
    person = ("-c", "user.name=Bedplate", "-c", "user.email=bedplate@localhost")
    subprocess.run(("git", *person, *arguments), cwd=directory, check=True)


def take_turns(
    contenders: dict[str, Sequence[str]], runs: int, before: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Run every contender once to warm up, then `runs` times in turn; gives medians in seconds."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    environment = os.environ | {"PYTHONPATH": str(ROOT / "generator")}
    for _ in range(runs + 1):
        for name, command in contenders.items():
            before()
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment)
            times[name].append(time.perf_counter() - started)
    return {name: median(found[1:]) for name, found in times.items()}


def main() -> int:
    """Measure, print, and say by the exit code whether all limits hold."""
    parser = argparse.ArgumentParser(description="Time the command line against its limits.")
    parser.add_argument("--runs", type=int, default=7, help="runs of each contender (default 7)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="bedplate-bench-") as directory:
        source, project = Path(directory, "template"), Path(directory, "project")
        git(Path(directory), "clone", "--quiet", str(ROOT), str(source))
        found = start_up(options.runs) + new(options.runs, source, project)
        found += preview(options.runs, source, project)
    if options.json:
        sys.stdout.write(
            json.dumps([asdict(item) | {"within": item.within} for item in found], indent=2) + "\n"
        )
    else:
        for item in found:
            verdict = "ok" if item.within else "OVER"
            sys.stdout.write(
                f"{item.name:<30} {item.value:5.2f} {item.unit}  (limit {item.limit:.2f})  {verdict}\n"
            )
    return 0 if all(item.within for item in found) else 1


if __name__ == "__main__":
    sys.exit(main())
