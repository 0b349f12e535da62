"""Proofs: what earlier runs proved, kept so that `--reuse` need not prove it again.

A proof holds for a claim, which is everything that a level's outcome hangs on: the emitted tree, the
answers, the verifier with its contract, the engine, the base images. If one of them changed there is
no proof. A row is taken as a whole: it is kept when nothing of it failed or was skipped, and used
when each level that is asked for has its proof. Level update is never kept: it hangs on earlier templates
as well. Files may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from bedplate.project import ANSWERS_FILE, Project
from bedplate.render import checkout
from bedplate.verify.engine import Engine, Subject
from bedplate.verify.findings import Check, Figure, Findings, Status
from bedplate.verify.levels import Level, LevelResult, Proof

VARIABLE: Final = "BEDPLATE_PROOFS"
"""The environment variable that names another directory for proofs."""
_NOT_KEPT: Final = frozenset({Level.RENDER, Level.UPDATE})
_PACKAGE: Final = Path(__file__).parents[1]
_RECORDED: Final = frozenset({"_commit", "_src_path"})
"""Where a template came from, in the answers file: it differs in each run, and nothing is built from it."""


@dataclass(frozen=True)
class Claim:
    """What a proof is about, digests in hex of SHA-256. `bases` are ids by name in the Dockerfile."""

    tree: str
    answers: str
    verifier: str
    engine: str
    bases: Mapping[str, str]

    @classmethod
    def of(cls, subject: Subject, engine: Engine) -> Claim:
        """The claim of a project that was emitted and prepared, and not built yet."""
        return cls(
            tree=tree_digest(subject.root),
            answers=_digest(subject.answers),
            verifier=verifier_digest(_PACKAGE, checkout()),
            engine=f"{engine.name}: {engine.describe()}",
            bases={base.image: base.id for base in engine.bases_of(subject)},
        )

    def key(self, level: Level) -> str:
        """The name of the proof that a level holds."""
        return _digest({**asdict(self), "level": level})


@dataclass(frozen=True)
class Proofs:
    """A directory of proofs, one file for each claim and level."""

    directory: Path

    @classmethod
    def usual(cls, environment: Mapping[str, str]) -> Proofs:
        """What `BEDPLATE_PROOFS` names, or else a place in the user's cache.

        https://specifications.freedesktop.org/basedir-spec/latest/ has relative paths ignored.
        """
        if named := environment.get(VARIABLE):
            return cls(Path(named).absolute())
        cache_home = Path(environment.get("XDG_CACHE_HOME", ""))
        base = cache_home if cache_home.is_absolute() else Path.home() / ".cache"
        return cls(base / "bedplate" / "proofs")

    def find(self, claim: Claim, upto: Level) -> tuple[LevelResult, ...]:
        """The levels from static to run as they were proved; nothing unless all of them were."""
        levels = (level for level in upto.including if level not in _NOT_KEPT)
        found = [self._read(claim, level) for level in levels]
        proved = tuple(result for result in found if result is not None)
        return proved if len(proved) == len(found) else ()

    def keep(self, claim: Claim, results: Sequence[LevelResult], proof: Proof) -> None:
        """Keep the levels of a row that ran now, unless anything of the row failed or was skipped.

        Raises:
            OSError: when the directory can't be written to.
        """
        if not all(_proved(result.findings) for result in results):
            return
        for result in results:
            if result.level not in _NOT_KEPT and result.proof is None:
                self._write(claim, result, proof)

    def _write(self, claim: Claim, result: LevelResult, proof: Proof) -> None:
        body = {
            "claim": {**asdict(claim), "level": result.level},
            "run": proof.run,
            "at": proof.at.isoformat(timespec="seconds"),
            "findings": asdict(result.findings),
        }
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self.directory, encoding="utf-8", delete=False) as file:
            written = Path(file.name)
            try:
                json.dump({**body, "digest": _digest(body)}, file, indent=1)
                file.close()
                written.replace(self.directory / f"{claim.key(result.level)}.json")
            except BaseException:
                written.unlink(missing_ok=True)
                raise

    def _read(self, claim: Claim, level: Level) -> LevelResult | None:
        """A proof, if it is there and as it was written; one that is damaged is none."""
        try:
            content = json.loads((self.directory / f"{claim.key(level)}.json").read_bytes())
            digest = content.pop("digest")
            if digest != _digest(content) or content["claim"] != {**asdict(claim), "level": level}:
                return None
            findings = _findings(content["findings"])
            proof = Proof(content["run"], datetime.fromisoformat(content["at"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return LevelResult(level, findings, proof=proof) if _proved(findings) else None


def tree_digest(root: Path) -> str:
    """Paths, contents, kinds and executable bits of a project's files, where it came from left out."""
    entries = []
    for file in Project(root).files():
        path = root / file.path
        if path.is_symlink():
            entries.append((file.path, "link", str(path.readlink())))
            continue
        kind = "program" if path.stat().st_mode & 0o111 else "file"
        entries.append((file.path, kind, hashlib.sha256(path.read_bytes()).hexdigest()))
    answers = {name: value for name, value in Project(root).answers().items() if name not in _RECORDED}
    return _digest([entry for entry in entries if entry[0] != ANSWERS_FILE] + [answers])


@cache
def verifier_digest(package: Path, template: Path | None) -> str:
    """The sources of this package, and the contract that its probes hold projects to."""
    files = {
        path.relative_to(package).as_posix(): path for path in package.rglob("*") if path.suffix != ".pyc"
    }
    if template is not None:
        files |= {f"contract/{path.name}": path for path in (template / "contract").glob("*.json")}
    contents = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    return _digest({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _proved(findings: Findings) -> bool:
    """True when something was tried and nothing failed or was skipped."""
    tried = bool(findings.checks) and all(check.status is Status.PASSED for check in findings.checks)
    return tried and findings.passed


def _findings(content: Mapping[str, Any]) -> Findings:
    return Findings(
        tuple(Check(**{**check, "status": Status(check["status"])}) for check in content["checks"]),
        tuple(Figure(**figure) for figure in content["figures"]),
        tuple(content["notes"]),
    )
