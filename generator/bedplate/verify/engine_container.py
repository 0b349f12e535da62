"""The engine that needs only Docker: images are built with buildx, run through the Docker API."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from bedplate.verify import bases
from bedplate.verify.dockerfile import named_images
from bedplate.verify.engine import Engine, Name, Subject, stepped
from bedplate.verify.findings import Check, Figure, Findings, Status
from bedplate.verify.levels import Level
from bedplate.verify.run import Docker, Run
from bedplate.verify.sweep import LABEL

# Seconds per step, about ten times what it takes on two busy cores with nothing cached.
_LINT_WITHIN: Final = 1200.0
_BUILD_WITHIN: Final = 2400.0
_SMOKE_WITHIN: Final = 1200.0
IMAGE_BUDGETS: Final[Mapping[str, float]] = {"http-api": 18.0, "http-gateway": 30.0}
"""The largest size of an image in MB, by archetype."""


@dataclass
class Container(Engine):
    """Builds emitted Dockerfiles as they are and runs what comes out."""

    run: Run
    docker: Docker
    mode: bases.Mode
    name: Name = "container"
    _bases: bases.Bases | None = field(default=None, init=False)

    def describe(self) -> str:
        """The daemon's version and architecture."""
        return f"Docker {self.docker.version}, {self.docker.architecture}"

    def prepare(self, subjects: Iterable[Subject], announce: Callable[[str], None]) -> None:
        """Pull or make the base images that the Dockerfiles name."""
        dockerfiles = (subject.root / "Dockerfile" for subject in subjects)
        texts = (path.read_text(encoding="utf-8") for path in dockerfiles if path.is_file())
        images = [image for text in texts for image in named_images(text)]
        known = self._bases.provenance if self._bases else {}
        if any(image not in known for image in images):
            self._bases = bases.resolve(
                self._bases.mode if self._bases else self.mode,
                (*known, *images),
                client=self.docker.client,
                announce=announce,
            )

    def bases(self) -> tuple[bases.Base, ...]:
        """The base images of all projects that were prepared."""
        return tuple(self._bases.provenance.values()) if self._bases else ()

    def steps(self, level: Level) -> Sequence[Callable[[Subject], Findings]]:
        """Stages of the Dockerfile, verbs of the Makefile, then the probe."""
        match level:
            case Level.STATIC:
                return (partial(self._stage, stage="lint", within=_LINT_WITHIN),)
            case Level.BUILD:
                return (partial(self._stage, stage="check", within=_BUILD_WITHIN), self._image)
            case Level.RUN:
                return (self._smoke, self._probe)
        return ()

    def _stage(self, subject: Subject, stage: str, within: float) -> Findings:
        """Build one stage for what its commands say, and have them run even if they ran before."""
        command = (
            *(self.docker.client.path, "buildx", "build", *self._flags(subject)),
            *(f"--no-cache-filter={stage}", f"--target={stage}", "--output=type=cacheonly", "."),
        )
        return Findings((stepped(self.run, subject, f"stage {stage}", command, within=within),))

    def _image(self, subject: Subject) -> Findings:
        check = self._make(subject, "image", _BUILD_WITHIN)
        if check.status is not Status.PASSED or not subject.serves:
            return Findings((check,))
        size = self.docker.api.images.get(self._tag(subject)).attrs["Size"] / 1e6
        budget = IMAGE_BUDGETS.get(str(subject.answers["archetype"]))
        return Findings((check,), (Figure("image size", round(size, 1), "MB", budget),))

    def _smoke(self, subject: Subject) -> Findings:
        return Findings((self._make(subject, "smoke", _SMOKE_WITHIN),))

    def _probe(self, subject: Subject) -> Findings:
        if subject.serves:
            from bedplate.verify import http_probe

            return http_probe.probe(
                self.docker.api,
                self._tag(subject),
                kind=subject.template,
                run_id=self.run.id,
                answers=subject.answers,
            )
        from bedplate.verify import firmware_probe

        return firmware_probe.probe(
            self.docker.api,
            subject.root,
            run_id=self.run.id,
            build_flags=self._flags(subject),
            docker=self.docker.client.path,
            answers=subject.answers,
        )

    def _make(self, subject: Subject, verb: str, within: float) -> Check:
        """Call a verb as a user would, with an image name that is this run's own."""
        flags = [*self._flags(subject), *(["--load"] if subject.serves else ["--no-cache-filter=smoke"])]
        variables = {"DOCKER": self.docker.client.path, "DOCKER_BUILD_FLAGS": shlex.join(flags)}
        if subject.serves:
            variables["IMAGE"] = self._tag(subject)
        assignments = (f"{name}={value.replace('$', '$$')}" for name, value in variables.items())
        return stepped(self.run, subject, f"make {verb}", ("make", verb, *assignments), within=within)

    def _flags(self, subject: Subject) -> list[str]:
        if self._bases is None:
            raise RuntimeError("a project is built before it was prepared")
        return [
            *self._bases.flags_for(Path(subject.root)),
            "--progress=plain",
            f"--label={LABEL}={self.run.id}",
        ]

    def _tag(self, subject: Subject) -> str:
        return f"bedplate-run-{self.run.id}:{subject.slug}"
