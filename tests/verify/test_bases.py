"""Choosing between registry and stand-ins, and the options that put the choice into a build."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from bedplate.catalogue import Catalogue
from bedplate.errors import BadInput, MissingTool
from bedplate.verify import bases, standins
from bedplate.verify.bases import Base, Bases
from bedplate.verify.client import Client
from shell import ROOT

GO = Base("golang:1.26-bookworm", "stand-in", "bedplate/golang:1.26-bookworm-abc", "sha256:1")
STATIC = Base("gcr.io/distroless/static-debian12:nonroot", "stand-in", "bedplate/static:x", "sha256:2")
LOCAL = Bases("local", {base.image: base for base in (GO, STATIC)})


def tree(directory: Path, dockerfile: str) -> Path:
    (directory / "Dockerfile").write_text(dockerfile)
    return directory


def test_substitutes_each_image_by_the_name_in_the_dockerfile(tmp_path: Path) -> None:
    dockerfile = f"ARG GO=1.26\nFROM golang:${{GO}}-bookworm AS build\nFROM {STATIC.image}\n"
    assert LOCAL.flags_for(tree(tmp_path, dockerfile)) == [
        "--build-context=golang:1.26-bookworm=docker-image://bedplate/golang:1.26-bookworm-abc",
        f"--build-context={STATIC.image}=docker-image://bedplate/static:x",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "golang:1.26-bookworm@sha256:" + "0" * 64,
        "docker.io/library/golang:1.26-bookworm",
        "docker.io/golang:1.26-bookworm",
    ],
)
def test_knows_an_image_by_its_other_names(tmp_path: Path, name: str) -> None:
    flags = LOCAL.flags_for(tree(tmp_path, f"FROM {name}\n"))
    assert flags == [f"--build-context={name}=docker-image://{GO.reference}"]


def test_says_for_which_image_there_is_no_stand_in(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match="no stand-in for debian:12; use --bases registry"):
        LOCAL.flags_for(tree(tmp_path, "FROM debian:12\n"))


def test_substitutes_nothing_when_images_are_pulled(tmp_path: Path) -> None:
    pulled = Bases("registry", {GO.image: Base(GO.image, "registry", GO.image, "sha256:3")})
    assert pulled.flags_for(tree(tmp_path, f"FROM {GO.image}\n")) == []


def test_passes_additional_authorities_as_a_secret(tmp_path: Path) -> None:
    behind_proxy = Bases("registry", {}, bundle=Path("/etc/company.crt"))
    assert behind_proxy.flags_for(tree(tmp_path, "FROM scratch\n")) == ["--secret=id=ca,src=/etc/company.crt"]


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("golang:1.26", "docker.io"),
        ("library/golang:1.26", "docker.io"),
        ("gcr.io/distroless/static", "gcr.io"),
        ("localhost/x", "localhost"),
        ("registry:5000/x", "registry:5000"),
    ],
)
def test_tells_the_registry_from_the_name(image: str, host: str) -> None:
    assert bases.registry(image) == host


class FakeEngine(BaseHTTPRequestHandler):
    """An engine's answers about registries: one host answers, one is unknown, one never answers."""

    released: Event

    def do_GET(self) -> None:
        if "/distribution/" not in self.path:
            self.answer(200, {"ApiVersion": "1.45", "MinAPIVersion": "1.24"})
        elif "silent.example" in self.path:
            self.released.wait(60)
        elif "absent.example" in self.path:
            self.answer(500, {"message": "no such host"})
        else:
            self.answer(200, {"Descriptor": {"digest": "sha256:1"}, "Platforms": []})

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client whose engine is the fake one."""
    FakeEngine.released = Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeEngine) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, daemon=True).start()
        yield Client("true")
        FakeEngine.released.set()
        server.shutdown()


def test_the_registry_counts_when_the_engine_reaches_it(engine: Client) -> None:
    assert bases.reachable(engine, ["there.example/a:1", "there.example/b:1"])


@pytest.mark.parametrize("host", ["absent.example", "silent.example"])
def test_one_registry_that_does_not_answer_is_enough_to_fall_back(engine: Client, host: str) -> None:
    started = time.monotonic()
    assert not bases.reachable(engine, ["there.example/a:1", f"{host}/b:1"], within=1)
    assert time.monotonic() - started < 10


def fake_docker(directory: Path, pull: str) -> Client:
    client = directory / "docker"
    inspected = "sha256:77 golang@sha256:88"
    client.write_text(f"#!/bin/sh\ncase $1 in pull) {pull} ;; image) echo {inspected} ;; esac\n")
    client.chmod(0o755)
    return Client(str(client))


def test_a_pulled_image_is_recorded_by_its_digest(tmp_path: Path) -> None:
    resolved = bases.resolve("registry", ["golang:1.26"], client=fake_docker(tmp_path, "true"))
    assert resolved.mode == "registry"
    assert resolved.provenance["golang:1.26"] == Base(
        "golang:1.26", "registry", "golang@sha256:88", "sha256:77"
    )


def test_an_image_that_can_not_be_pulled_is_told_with_the_reason(tmp_path: Path) -> None:
    client = fake_docker(tmp_path, "echo 'manifest unknown' >&2; exit 1")
    with pytest.raises(MissingTool, match="golang:9: manifest unknown"):
        bases.resolve("registry", ["golang:9"], client=client)


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """A copy of what stand-ins are made from, to be changed."""
    for part in ("copier.yml", "questions", "ci/bases"):
        source, copy = ROOT / part, tmp_path / "checkout" / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    return tmp_path / "checkout"


def tags(checkout: Path, architecture: str = "amd64") -> dict[str, str]:
    return {image: recipe.tag for image, recipe in standins.load(checkout, architecture).items()}


def test_every_image_that_templates_name_has_a_recipe() -> None:
    assert set(tags(ROOT)) >= {
        "golang:1.26-bookworm",
        "rust:1.96-slim-bookworm",
        "gcr.io/distroless/static-debian12:nonroot",
        "gcr.io/distroless/cc-debian12:nonroot",
    }


@pytest.mark.parametrize(
    ("file", "change", "changed"),
    [
        ("ci/bases/rust/rustup", ("set -eu", "set -e -u"), {"rust"}),
        ("ci/bases/distroless/nsswitch.conf", ("files dns", "dns files"), {"static", "cc"}),
        (
            "ci/bases/debian/import.sh",
            ("bookworm", "trixie"),
            {"golang", "rust", "static", "cc", "postgres", "nats", "kafka"},
        ),
        ("questions/versions.yml", ('sdk: "1.26.', 'sdk: "1.26.9'), {"golang", "nats"}),
        ("questions/boards.yml", ("target: thumbv7m-none-eabi", "target: thumbv6m-none-eabi"), {"rust"}),
    ],
)
def test_a_changed_recipe_is_another_image(
    recipes: Path, file: str, change: tuple[str, str], changed: set[str]
) -> None:
    before = tags(recipes)
    text = (recipes / file).read_text()
    assert change[0] in text
    (recipes / file).write_text(text.replace(*change))
    after = tags(recipes)
    differing = {image for image in before if before[image] != after[image]}
    assert {image.rsplit("/", 1)[-1].partition(":")[0].partition("-")[0] for image in differing} == changed


def test_authorities_are_part_of_builders_and_of_no_final_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tags(ROOT)
    bundle = tmp_path / "company.crt"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nb3du\n-----END CERTIFICATE-----\n")
    monkeypatch.setenv("BEDPLATE_CA_BUNDLE", str(bundle))
    after = tags(ROOT)
    differing = {image for image in before if before[image] != after[image]}
    # NATS is fetched and compiled with them, Kafka is fetched.
    assert differing == {
        "golang:1.26-bookworm",
        "rust:1.96-slim-bookworm",
        "nats:2.15",
        "apache/kafka:4.1.1",
    }


def test_jars_are_those_of_the_kafka_that_is_named() -> None:
    named = Catalogue.load(ROOT).versions["images"]["kafka"].partition(":")[2]
    listed = (ROOT / "ci" / "bases" / "kafka" / "jars.sha256").read_text()
    assert {path.split("/")[4] for path in re.findall("org/apache/kafka/.*", listed)} == {named}


def test_other_apt_sources_are_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tags(ROOT)
    sources = tmp_path / "mirror.list"
    sources.write_text("deb http://mirror.example/debian bookworm main\n")
    monkeypatch.setenv("BEDPLATE_APT_SOURCES", str(sources))
    assert not set(before.values()) & set(tags(ROOT).values())


def test_apt_sources_that_are_not_there_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDPLATE_APT_SOURCES", "/no/such.list")
    with pytest.raises(BadInput, match=r"BEDPLATE_APT_SOURCES=/no/such\.list: no such file"):
        tags(ROOT)


def test_an_architecture_without_a_checksum_for_go_is_told(recipes: Path) -> None:
    versions = recipes / "questions" / "versions.yml"
    versions.write_text(versions.read_text().replace("linux-amd64:", "linux-other:"))
    made = standins.StandIns(Client("true"), standins.load(recipes, "amd64"))
    with pytest.raises(MissingTool, match=r"sdk_checksums has none for linux-amd64"):
        made.provide(made.recipes["golang:1.26-bookworm"])


def test_stand_ins_of_older_recipes_are_pruned_and_no_others(tmp_path: Path) -> None:
    recipes = standins.load(ROOT, "amd64")
    current = recipes["golang:1.26-bookworm"]
    stale = f"{current.friendly_tag}-000000000000"
    removed = tmp_path / "removed"
    images = " ".join((current.tag, current.friendly_tag, current.root.tag, stale))
    client = tmp_path / "docker"
    client.write_text(f"#!/bin/sh\ncase $1 in image) echo {images} ;; rmi) echo $2 >>{removed} ;; esac\n")
    client.chmod(0o755)
    assert standins.StandIns(Client(str(client)), recipes).prune() == (stale,)
    assert removed.read_text() == f"{stale}\n"
