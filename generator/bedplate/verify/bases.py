"""Where the images that emitted Dockerfiles name come from: a registry, or stand-ins made here.

Stand-ins are substituted by name through BuildKit's named contexts, so an emitted Dockerfile is built
as it is. https://docs.docker.com/reference/cli/docker/buildx/build/#build-context
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bedplate.errors import MissingTool
from bedplate.render import checkout
from bedplate.verify.client import Client
from bedplate.verify.dockerfile import named_images
from bedplate.verify.standins import StandIns, local_builder
from bedplate.verify.trust import additional_bundle

Mode = Literal["auto", "registry", "local"]
Origin = Literal["registry", "stand-in"]
REGISTRY_WITHIN: Final = 5.0
"""Seconds that `auto` gives the registry to answer."""


@dataclass(frozen=True)
class Base:
    """One base image: the name in the Dockerfile, where it came from and what was used for it."""

    image: str
    origin: Origin
    reference: str
    id: str


@dataclass(frozen=True)
class Bases:
    """The base images of a run. `provenance` maps the name in a Dockerfile to what was used for it."""

    mode: Literal["registry", "local"]
    provenance: Mapping[str, Base]
    bundle: Path | None = None
    builder: str | None = None

    def flags_for(self, tree: Path) -> list[str]:
        """Options with which `docker build` builds the Dockerfile in `tree` on these images.

        Raises:
            MissingTool: when the Dockerfile names an image for which there is no stand-in.
        """
        dockerfile = tree / "Dockerfile"
        return self.flags(named_images(dockerfile.read_text(encoding="utf-8")), str(dockerfile))

    def flags(self, images: Iterable[str], where: str) -> list[str]:
        """Options with which `docker build` takes these images for those that are named `where`.

        Raises:
            MissingTool: when there is no stand-in for one of them.
        """
        flags = [f"--secret=id=ca,src={self.bundle}"] if self.bundle else []
        if self.mode == "registry":
            return flags
        if self.builder:
            flags.append(f"--builder={self.builder}")
        for image in images:
            base = self.provenance.get(familiar(image))
            if base is None:
                raise MissingTool(f"{where}: no stand-in for {image}; use --bases registry")
            flags.append(f"--build-context={image}=docker-image://{base.reference}")
        return flags


def resolve(
    mode: Mode,
    images: Iterable[str],
    *,
    client: Client | None = None,
    announce: Callable[[str], None] = lambda line: None,
) -> Bases:
    """Have every image in `images` at hand: pulled, or made here.

    `auto` pulls when each registry that is named answers within `REGISTRY_WITHIN` seconds. `announce`
    gets a line before anything that takes longer than a second.

    Raises:
        MissingTool: when an image can be had in no way; the messages say why.
    """
    client = client or Client.find()
    wanted = tuple(dict.fromkeys(images))
    if mode == "auto":
        mode = "registry" if reachable(client, wanted) else "local"
    if mode == "registry":
        pulled = {image: _pull(client, image, announce) for image in wanted}
        return Bases("registry", pulled, additional_bundle())
    root = checkout()
    if root is None:
        raise MissingTool("stand-ins are made from a checkout of bedplate; use --bases registry")
    stand_ins = StandIns.open(root, client, announce)
    made = {image: _stand_in(stand_ins, image) for image in wanted}
    return Bases("local", made, additional_bundle(), local_builder(client))


def reachable(client: Client, images: Iterable[str], within: float = REGISTRY_WITHIN) -> bool:
    """Whether the engine, not this process, gets an answer from the registry of each image in time."""
    by_registry = {registry(image): image for image in images}
    if not by_registry:
        return False
    endpoint = client.endpoint()
    with ThreadPoolExecutor(len(by_registry)) as pool:
        return all(pool.map(lambda image: _answers(endpoint, image, within), by_registry.values()))


def registry(image: str) -> str:
    """Host of the registry that an image name means."""
    first, separator, _ = image.partition("/")
    is_host = separator and ("." in first or ":" in first or first == "localhost")
    return first if is_host else "docker.io"


def familiar(image: str) -> str:
    """The name by which a stand-in is looked up: without digest, and in Docker Hub's short form."""
    name = image.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def _answers(endpoint: str, image: str, within: float) -> bool:
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    environment = os.environ | ({"DOCKER_HOST": endpoint} if endpoint else {})
    try:
        engine = docker.from_env(timeout=max(1, round(within)), environment=environment)
        engine.images.get_registry_data(image)
    except (DockerException, RequestException):
        return False
    return True


def _pull(client: Client, image: str, announce: Callable[[str], None]) -> Base:
    announce(f"pulling {image}")
    pulled = client.run("pull", "--quiet", image)
    if pulled.returncode:
        raise MissingTool(f"{image}: {pulled.stderr.strip() or 'could not be pulled'}")
    found = client.run("image", "inspect", "--format", '{{.Id}} {{join .RepoDigests " "}}', image)
    identity, *digests = found.stdout.split()
    return Base(image, "registry", digests[0] if digests else image, identity)


def _stand_in(stand_ins: StandIns, image: str) -> Base:
    recipe = stand_ins.recipes.get(familiar(image))
    if recipe is None:
        raise MissingTool(f"no stand-in for {image}; use --bases registry")
    return Base(image, "stand-in", recipe.tag, stand_ins.provide(recipe))
