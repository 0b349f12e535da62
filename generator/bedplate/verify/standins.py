"""Makes stand-ins: local images that take the place of official ones where no registry is reached.

The recipes are in ci/bases/. A stand-in's tag ends in a digest of all that went into it, so one that is
there is the right one, and checkouts with different recipes don't disturb each other.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from bedplate.catalogue import Catalogue
from bedplate.errors import BadInput, MissingTool
from bedplate.verify import gosdk
from bedplate.verify.client import Client, execute
from bedplate.verify.making import DIGITS, LABEL, REPOSITORY, Announce, alone, digest_of, expect_made
from bedplate.verify.trust import additional_bundle

APT_SOURCES: Final = "BEDPLATE_APT_SOURCES"
_ROOT_IMAGE: Final = f"{REPOSITORY}/debian:bookworm-slim"
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Sdk:
    """The Go distribution that a recipe takes as a build context."""

    version: str
    platform: str
    checksum: str


@dataclass(frozen=True)
class Recipe:
    """All that a stand-in is made from. `image` is the name that it stands in for."""

    image: str
    directory: Path
    target: str | None
    arguments: Mapping[str, str]
    root: Root
    bundle: Path | None
    sdk: Sdk | None

    @property
    def tag(self) -> str:
        """Name of the stand-in, ending in the digest of its recipe."""
        return f"{self.friendly_tag}-{self.digest}"

    @property
    def friendly_tag(self) -> str:
        """The same image under a name to type: bedplate/golang:1.26-bookworm."""
        return f"{REPOSITORY}/{self.image.rsplit('/', 1)[-1]}"

    @property
    def digest(self) -> str:
        """Short digest of everything that the image depends on."""
        trusted = self.bundle.read_bytes() if self.bundle else b""
        settings = [self.image, self.target, dict(self.arguments), repr(self.sdk), self.root.digest]
        return digest_of(self.directory, json.dumps(settings, sort_keys=True).encode(), trusted)


@dataclass(frozen=True)
class Root:
    """The Debian file system below all stand-ins. `sources` replaces Debian's own mirrors."""

    directory: Path
    architecture: str
    sources: Path | None

    @property
    def tag(self) -> str:
        """Name of the image, ending in the digest of its recipe."""
        return f"{_ROOT_IMAGE}-{self.digest}"

    @property
    def digest(self) -> str:
        """Short digest of the script, the architecture and the sources."""
        return digest_of(
            self.directory, self.architecture.encode(), self.sources.read_bytes() if self.sources else b""
        )


@dataclass(frozen=True)
class StandIns:
    """Makes stand-ins from the recipes of one checkout, with one engine."""

    client: Client
    recipes: Mapping[str, Recipe]
    announce: Announce = field(default=lambda line: None)

    @classmethod
    def open(cls, checkout: Path, client: Client, announce: Announce = lambda line: None) -> StandIns:
        """Read the recipes, for the architecture of the engine that answers.

        Raises:
            MissingTool: when no engine answers or it is of an architecture for which nothing is made.
        """
        architecture = client.server().architecture
        return cls(client, load(checkout, architecture), announce)

    def provide(self, recipe: Recipe) -> str:
        """Make the stand-in unless it is there; gives its image id.

        Raises:
            MissingTool: when it can't be made; the end of the build's log is in the messages.
        """
        made = self.find(recipe.tag)
        if made is None:
            _check_verifiable(recipe)
            with alone():
                if self.find(recipe.root.tag) is None:
                    self._make_root(recipe.root)
                if self.find(recipe.tag) is None:
                    self._make(recipe)
            made = self.find(recipe.tag)
        if made is None:
            raise MissingTool(f"{recipe.tag}: built, but the engine does not have it")
        return made

    def find(self, tag: str) -> str | None:
        """The id of a local image, if it is there."""
        asked = self.client.run("image", "inspect", "--format", "{{.Id}}", tag)
        return asked.stdout.strip() or None

    def prune(self, *others: str) -> tuple[str, ...]:
        """Remove the images of recipes that are no longer these, nor these others; gives their tags."""
        kept = {tag for recipe in self.recipes.values() for tag in (recipe.tag, recipe.root.tag)} | {*others}
        listed = self.client.run(
            *("image", "ls", f"--filter=label={LABEL}", "--format={{.Repository}}:{{.Tag}}")
        )
        own = re.compile(rf"{REPOSITORY}/.+-[0-9a-f]{{{DIGITS}}}")
        stale = [tag for tag in listed.stdout.split() if own.fullmatch(tag) and tag not in kept]
        return tuple(tag for tag in stale if self.client.run("rmi", tag).returncode == 0)

    def _make_root(self, root: Root) -> None:
        here = _MACHINES.get(platform.machine())
        if here != root.architecture:
            raise MissingTool(
                f"stand-ins are made for this machine ({here}), and the engine is {root.architecture}"
            )
        if shutil.which("mmdebstrap") is None:
            raise MissingTool("mmdebstrap is needed to make stand-ins: apt-get install mmdebstrap")
        self.announce(f"making {root.tag} (about 25 s)")
        script = ("sh", str(root.directory / "import.sh"), root.tag, root.digest)
        sources = (str(root.sources),) if root.sources else ()
        made = execute((*script, *sources), environment=os.environ | {"DOCKER": self.client.path})
        expect_made(root.tag, made.returncode, made.stdout + made.stderr)
        self.client.run("tag", root.tag, _ROOT_IMAGE)

    def _make(self, recipe: Recipe) -> None:
        self.announce(f"making {recipe.tag} (up to a minute)")
        with ExitStack() as stack:
            contexts = {"debian": f"docker-image://{recipe.root.tag}"}
            for name, directory in _contexts(recipe, stack):
                contexts[name] = str(directory)
            arguments = {**recipe.arguments, "RECIPE": recipe.digest}
            made = self.client.run(
                *("buildx", "build", "--progress=plain", "--load", f"--builder={local_builder(self.client)}"),
                *(f"--build-context={name}={place}" for name, place in contexts.items()),
                *(f"--build-arg={name}={value}" for name, value in arguments.items()),
                *((f"--target={recipe.target}",) if recipe.target else ()),
                *(f"--tag={recipe.tag}", f"--tag={recipe.friendly_tag}"),
                str(recipe.directory),
            )
        expect_made(recipe.tag, made.returncode, made.stderr)


def load(checkout: Path, architecture: str) -> dict[str, Recipe]:
    """The recipes of a checkout by the name of the image that each stands in for."""
    bases = checkout / "ci" / "bases"
    try:
        entries = yaml.safe_load((bases / "stand-ins.yml").read_bytes())
    except OSError as error:
        raise MissingTool("no recipes for stand-ins come with this installation: use a checkout") from error
    catalogue = Catalogue.load(checkout)
    versions = catalogue.versions
    values = {**versions, "targets": " ".join(sorted({b.target for b in catalogue.boards.values()}))}
    root = Root(bases / "debian", architecture, _apt_sources())
    bundle = additional_bundle()
    recipes = {}
    for entry in entries.values():
        contexts = entry.get("contexts", ())
        recipe = Recipe(
            image=_lookup(values, entry["replaces"]),
            directory=bases / entry["directory"],
            target=entry.get("target"),
            arguments={name: _lookup(values, key) for name, key in entry.get("arguments", {}).items()},
            root=root,
            bundle=bundle if "trust" in contexts else None,
            sdk=_sdk(versions["go"], architecture) if "sdk" in contexts else None,
        )
        recipes[recipe.image] = recipe
    return recipes


def local_builder(client: Client) -> str:
    """The builder that sees the engine's own images: the one named after the docker context."""
    return client.run("context", "show").stdout.strip() or "default"


def _lookup(values: Mapping[str, Any], dotted: str) -> str:
    found: Any = values
    for part in dotted.split("."):
        found = found[part]
    return str(found)


def _sdk(go: Mapping[str, Any], architecture: str) -> Sdk:
    name = f"linux-{architecture}"
    return Sdk(go["sdk"], name, go["sdk_checksums"].get(name, ""))


def _apt_sources() -> Path | None:
    named = os.environ.get(APT_SOURCES)
    if not named:
        return None
    path = Path(named).expanduser().absolute()
    if not path.is_file():
        raise BadInput(f"{APT_SOURCES}={named}: no such file")
    return path


def _check_verifiable(recipe: Recipe) -> None:
    if recipe.sdk and not recipe.sdk.checksum:
        raise MissingTool(
            f"questions/versions.yml: go.sdk_checksums has none for {recipe.sdk.platform}, "
            "without which the download can't be verified"
        )


def _contexts(recipe: Recipe, stack: ExitStack) -> Iterator[tuple[str, Path]]:
    """Directories that the recipe's build takes files from; they are gone when the stack closes."""
    scratch = Path(stack.enter_context(TemporaryDirectory(prefix="bedplate-")))
    trust = scratch / "trust"
    trust.mkdir()
    if recipe.bundle:
        shutil.copy(recipe.bundle, trust / "ca-certificates.crt")
    yield "trust", trust
    if recipe.sdk:
        gosdk.fetch(recipe.sdk.version, recipe.sdk.platform, recipe.sdk.checksum, scratch / "sdk")
        yield "sdk", scratch / "sdk"
