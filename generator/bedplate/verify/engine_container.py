"""The engine that needs only Docker: images are built with buildx, run through the Docker API."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from bedplate.errors import BadInput
from bedplate.render import checkout
from bedplate.verify import bases
from bedplate.verify.bases import Base
from bedplate.verify.build_log import from_cache, ran, skipped
from bedplate.verify.dockerfile import named_images
from bedplate.verify.engine import Engine, Name, Subject, log_of, stepped
from bedplate.verify.findings import Check, Figure, Findings, Status
from bedplate.verify.levels import Level
from bedplate.verify.linters import LinterImage, Linters, lint_here
from bedplate.verify.run import Docker, Run
from bedplate.verify.sweep import LABEL

if TYPE_CHECKING:
    from bedplate.verify.probe.platform import Instance

# Seconds per step, about ten times what it takes on two busy cores with nothing cached.
_LINT_WITHIN: Final = 1200.0
_BUILD_WITHIN: Final = 2400.0
_SMOKE_WITHIN: Final = 1200.0
MARK: Final = ".bedplate-run"
"""A file that is added to the tree that is built, so that the builder's cache takes it for a new one."""


@dataclass
class Container(Engine):
    """Builds emitted Dockerfiles as they are and runs what comes out."""

    run: Run
    docker: Docker
    mode: bases.Mode
    name: Name = "container"
    _bases: bases.Bases | None = field(default=None, init=False)
    _linters: LinterImage | None = field(default=None, init=False)

    def describe(self) -> str:
        """The daemon's version and architecture."""
        return f"Docker {self.docker.version}, {self.docker.architecture}"

    def answers(self) -> bool:
        """Whether the daemon does."""
        return self.docker.answers()

    def memory(self) -> int:
        """What the engine says of its machine, which may be another than this one."""
        return self.docker.memory()

    def room(self) -> int | None:
        """What is free on the disk of an engine of this machine."""
        return self.docker.room()

    def prepare(self, subjects: Iterable[Subject], announce: Callable[[str], None]) -> None:
        """Pull or make the base images that the Dockerfiles name, and make the image of linters."""
        recipe = Linters.load(root) if (root := checkout()) else None
        images = [image for subject in subjects for image in _images(subject)]
        if recipe:
            images.insert(0, recipe.image)
        known = self._bases.provenance if self._bases else {}
        if self._bases is None or any(image not in known for image in images):
            self._bases = bases.resolve(
                self._bases.mode if self._bases else self.mode,
                (*known, *images),
                client=self.docker.client,
                announce=announce,
            )
        if recipe:
            self._linters = recipe.provide(self.docker.client, self._bases, announce)

    def bases(self) -> tuple[Base, ...]:
        """The base images of all projects that were prepared."""
        return tuple(self._bases.provenance.values()) if self._bases else ()

    def bases_of(self, subject: Subject) -> tuple[Base, ...]:
        """The base images that the Dockerfile of one project names, and what its linters run in."""
        named = _images(subject)
        linters = (self._linters.base,) if self._linters else ()
        return (*(base for base in self.bases() if base.image in named), *linters)

    def steps(self, level: Level) -> Sequence[Callable[[Subject], Findings]]:
        """Stages of the Dockerfile, verbs of the Makefile, then the probe."""
        match level:
            case Level.STATIC:
                stage = partial(self._stage, stage="lint", within=_LINT_WITHIN)
                return (self._lint, stage, self._drift, self._deny)
            case Level.BUILD:
                return (partial(self._stage, stage="check", within=_BUILD_WITHIN), self._image)
            case Level.RUN:
                return (self._smoke, self._integration, self._probe)
        return ()

    def together(self, subjects: Sequence[Subject]) -> Findings:
        """A node, an ingest and an API with its database, where all of these are there."""
        from bedplate.verify import chain_probe

        parts = chain_probe.Parts.of(subjects)
        database = self._database_image(parts.api) if parts else None
        if parts is None or database is None:
            return Findings()
        return chain_probe.probe(
            self.docker.api,
            parts,
            run_id=self.run.id,
            docker=self.docker.client.path,
            build_flags=self._flags(parts.node),
            images=(self._tag(parts.ingest), self._tag(parts.api)),
            database=database,
        )

    @contextmanager
    def serving(self, subject: Subject) -> Iterator[Instance]:
        """A service that level build has built, ready and with what it needs; gone with the context."""
        from bedplate.verify import http_probe

        with http_probe.serving(
            self.docker.api,
            self._tag(subject),
            run_id=self.run.id,
            answers=subject.answers,
            database=self._database_image(subject),
        ) as instance:
            yield instance

    def _lint(self, subject: Subject) -> Findings:
        if self._linters is None:
            return lint_here(subject)
        self._mark(subject)
        return self._linters.lint(self.run, subject)

    def _stage(self, subject: Subject, stage: str, within: float) -> Findings:
        """Build one stage, for what its verb of the same name says."""

        def command(*flags: str) -> Sequence[str]:
            build = (self.docker.client.path, "buildx", "build", *self._flags(subject), *flags)
            return (*build, f"--target={stage}", "--output=type=cacheonly", ".")

        check = self._executed(subject, f"stage {stage}", stage, command, within)
        if check.status is Status.PASSED and not ran(log_of(self.run, subject, check.name), stage):
            check = replace(check, status=Status.FAILED, detail=f"stage {stage} does not run `make {stage}`")
        return Findings((check,))

    def _drift(self, subject: Subject) -> Findings:
        """Whether what is made from other files is as these would make it."""
        return self._stage(subject, "drift", _LINT_WITHIN) if subject.derives else Findings()

    def _deny(self, subject: Subject) -> Findings:
        """Whether crates have a licence, come from where they may and are there once, as in `make deny`."""
        if not subject.denies:
            return Findings()
        if (linters := self._linters) is None:
            return Findings((Check("cargo-deny", Status.SKIPPED, "its image is made from a checkout alone"),))

        def command(*flags: str) -> Sequence[str]:
            return linters.deny(subject, [*self._flags(subject), *flags])

        return Findings((self._executed(subject, "cargo-deny", "deny", command, _LINT_WITHIN),))

    def _image(self, subject: Subject) -> Findings:
        check = stepped(self.run, subject, "make image", self._verb(subject, "image"), within=_BUILD_WITHIN)
        if check.status is not Status.PASSED or not subject.serves:
            return Findings((check,))
        size = self.docker.api.images.get(self._tag(subject)).attrs["Size"] / 1e6
        budget = float(subject.answers["image_megabytes"])
        return Findings((check,), (Figure("image size", round(size, 1), "MB", budget),))

    def _smoke(self, subject: Subject) -> Findings:
        command = partial(self._verb, subject, "smoke")
        return Findings((self._executed(subject, "make smoke", "smoke", command, _SMOKE_WITHIN),))

    def _integration(self, subject: Subject) -> Findings:
        """The tests that need a database; one that leaves itself out has not run."""
        if _database(subject) is None:
            return Findings(())
        command = partial(self._verb, subject, "integration")
        check = self._executed(subject, "make integration", "integration", command, _SMOKE_WITHIN)
        log = log_of(self.run, subject, check.name)
        if check.status is Status.PASSED and (left := skipped(log)):
            check = replace(check, status=Status.FAILED, detail=f"these left themselves out: {left}")
        return Findings((check,))

    def _executed(
        self, subject: Subject, name: str, stage: str, command: Callable[..., Sequence[str]], within: float
    ) -> Check:
        """Run a build that proves something, and see that its stage did not come from a cache.

        The mark in the tree makes each run a build of its own, with warm cache mounts. Where a stage
        takes only some of the tree, it is built again without its cache.
        """
        self._mark(subject)
        check = stepped(self.run, subject, name, command(), within=within)
        if check.status is Status.PASSED and from_cache(log_of(self.run, subject, name), stage):
            check = stepped(self.run, subject, name, command(f"--no-cache-filter={stage}"), within=within)
        return check

    def _mark(self, subject: Subject) -> None:
        (subject.root / MARK).write_text(f"{self.run.id}\n", encoding="utf-8")

    def _probe(self, subject: Subject) -> Findings:
        if subject.serves:
            from bedplate.verify import http_probe

            return http_probe.probe(
                self.docker.api,
                self._tag(subject),
                kind=subject.template,
                run_id=self.run.id,
                answers=subject.answers,
                tester=self._linters.tag if self._linters else None,
                database=self._database_image(subject),
                broker=self._used(_broker(subject)),
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

    def _verb(self, subject: Subject, verb: str, *extra: str) -> Sequence[str]:
        """How a user would call a verb, with an image name that is this run's own."""
        flags = [*self._flags(subject), *extra, *(["--load"] if subject.serves else [])]
        variables = {"DOCKER": self.docker.client.path, "DOCKER_BUILD_FLAGS": shlex.join(flags)}
        if subject.serves:
            variables["IMAGE"] = self._tag(subject)
        if database := self._database_image(subject):
            variables["POSTGRES_IMAGE"] = database
        assignments = (f"{name}={value.replace('$', '$$')}" for name, value in variables.items())
        return ("make", verb, *assignments)

    def _database_image(self, subject: Subject) -> str | None:
        """What is used for the image of the database that the project names, if it names one."""
        return self._used(_database(subject))

    def _used(self, named: str | None) -> str | None:
        """What is used for an image that is started beside a project."""
        return self._bases.provenance[named].reference if named and self._bases else None

    def _flags(self, subject: Subject) -> list[str]:
        if self._bases is None:
            raise RuntimeError("a project is built before it was prepared")
        if not (subject.root / "Dockerfile").is_file():
            raise BadInput("the project has no Dockerfile")
        return [
            *self._bases.flags_for(subject.root),
            "--progress=plain",
            f"--label={LABEL}={self.run.id}",
        ]

    def _tag(self, subject: Subject) -> str:
        return f"bedplate-run-{self.run.id}:{subject.slug}"


def _images(subject: Subject) -> tuple[str, ...]:
    """What a project names. A Dockerfile that is missing or wrong is told when it is built."""
    beside = tuple(image for image in (_database(subject), _broker(subject)) if image)
    try:
        return (*named_images((subject.root / "Dockerfile").read_text(encoding="utf-8")), *beside)
    except (OSError, BadInput):
        return beside


def _database(subject: Subject) -> str | None:
    """The image of the database that a project is run with."""
    if subject.answers.get("database") != "postgres":
        return None
    return str(subject.answers["versions"]["images"]["postgres"])


def _broker(subject: Subject) -> str | None:
    """The image of the broker that a project is run with."""
    if subject.answers.get("broker", "memory") == "memory":
        return None
    return str(subject.answers["versions"]["images"][subject.answers["broker"]])
