"""What `ci/provision` does, on fresh Debian machines that are containers."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator

import pexpect
import pytest
from bedplate.verify import bases
from bedplate.verify.client import Client
from bedplate.verify.standins import StandIns
from shell import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]

PROVISION = ROOT / "ci" / "provision"


class Container:
    """A fresh Debian machine, as a container."""

    def __init__(self, client: Client, image: str, *options: str) -> None:
        self.client = client
        self.name = f"bedplate-test-{uuid.uuid4().hex[:12]}"
        mount = f"--volume={PROVISION}:/provision:ro"
        # Docker's own file system can't be stacked on itself, so its data goes into a volume.
        started = client.run(
            *(
                "run",
                "--detach",
                "--rm",
                "--init",
                "--label=bedplate.run=test",
                f"--name={self.name}",
                mount,
                "--volume=/var/lib/docker",
            ),
            *options,
            *(image, "sleep", "3600"),
        )
        assert started.returncode == 0, started.stderr

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return self.client.run("exec", self.name, "sh", "-euc", script, timeout=300)

    def remove(self) -> None:
        self.client.run("rm", "--force", "--volumes", self.name)


@pytest.fixture(scope="module")
def client() -> Client:
    return Client.find()


@pytest.fixture(scope="module")
def debian(client: Client) -> str:
    recipe = StandIns.open(ROOT, client).recipes["gcr.io/distroless/static-debian12:nonroot"]
    bases.resolve("local", [recipe.image], client=client)
    return recipe.root.tag


@pytest.fixture
def fresh(client: Client, debian: str) -> Iterator[Container]:
    container = Container(client, debian)
    yield container
    container.remove()


@pytest.fixture
def privileged(client: Client, debian: str) -> Iterator[Container]:
    container = Container(client, debian, "--privileged")
    yield container
    container.remove()


def test_on_a_fresh_machine_an_engine_is_installed_started_and_started_again(privileged: Container) -> None:
    first = privileged.run("/provision engine </dev/null")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "apt-get install -y --no-install-recommends -t trixie docker.io" in first.stdout
    versions = privileged.run("docker version --format '{{.Server.Version}}' && docker buildx version")
    assert versions.returncode == 0, versions.stderr
    assert privileged.run("/provision engine").stdout == "provision: nothing is missing\n"

    # As after a power cut: the daemons are gone, their pid files name other programs.
    privileged.run(
        "for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do\n"
        '  pid=$(cat "$file"); kill -9 "$pid"; while [ -e "/proc/$pid/exe" ]; do sleep 0.05; done\n'
        '  echo 1 >"$file"\n'
        "done"
    )
    again = privileged.run("/provision engine")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "apt-get" not in again.stdout
    assert privileged.run("docker info").returncode == 0


FAKES = r"""
mkdir /fakes
printf '#!/bin/sh\n' >/fakes/apt-get
printf '#!/bin/sh\n' >/fakes/apt-cache
printf '#!/bin/sh\ntouch /started\n' >/fakes/dockerd
printf '#!/bin/sh\ntest -e /started\n' >/fakes/docker
chmod 755 /fakes/*
PATH=/fakes:$PATH
"""


def sources_after(container: Container, files: dict[str, str]) -> str:
    """Debian's newer release as an apt source, derived from these files of /etc/apt."""
    script = ["rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*", FAKES]
    script += [f"cat >/etc/apt/{name} <<'END'\n{text}END" for name, text in files.items()]
    finished = container.run(
        "\n".join([*script, "/provision engine >&2", "cat /etc/apt/sources.list.d/bedplate-*"])
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_mirrors_and_keys_are_those_of_the_machine(fresh: Container) -> None:
    derived = sources_after(
        fresh,
        {
            "sources.list.d/debian.sources": (
                "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n"
                "Components: main\nSigned-By: /usr/share/keyrings/own.gpg\n\n"
                "Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\n"
                "Components: main\n"
            ),
            "sources.list.d/others.sources": (
                "Types: deb\nURIs: https://packages.example/node\nSuites: nodistro\nComponents: main\n"
            ),
        },
    )
    assert derived == (
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie trixie-updates\n"
        "Components: main\nSigned-By: /usr/share/keyrings/own.gpg\n\n"
        "Types: deb\nURIs: http://mirror.example/security\nSuites: trixie-security\nComponents: main\n\n"
    )


def test_one_line_sources_are_derived_as_well(fresh: Container) -> None:
    derived = sources_after(
        fresh,
        {
            "sources.list": (
                "# deb http://commented.example/debian bookworm main\n"
                "deb [signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib\n"
                "deb-src http://mirror.example/debian bookworm main\n"
                "deb https://packages.example/apt cloud-sdk-bookworm main\n"
            ),
            "sources.list.d/security.list": "deb http://mirror.example/security bookworm-security main\n",
        },
    )
    assert derived == (
        "deb [signed-by=/k.gpg] http://mirror.example/debian trixie main contrib\n"
        "deb http://mirror.example/security trixie-security main\n"
    )


def test_the_newer_release_is_pinned_below_everything(fresh: Container) -> None:
    sources_after(fresh, {"sources.list": "deb http://mirror.example/debian bookworm main\n"})
    pinned = fresh.run("cat /etc/apt/preferences.d/bedplate-trixie").stdout
    assert pinned == "Package: *\nPin: release n=trixie*\nPin-Priority: 100\n"


def test_a_user_who_is_not_root_is_told_what_to_install(client: Client, fresh: Container) -> None:
    finished = client.run("exec", "--user=65534", fresh.name, "/provision")
    assert finished.returncode == 3
    assert "docker.io docker-cli docker-buildx iptables" in finished.stdout
    assert "not root" in finished.stderr


def test_another_system_is_told_what_to_install(fresh: Container) -> None:
    finished = fresh.run("echo ID=fedora >/etc/os-release; /provision engine")
    assert finished.returncode == 3
    assert "docker.io" in finished.stdout
    assert "not Debian 12 or 13" in finished.stderr


def test_on_a_terminal_it_asks_once_and_no_means_no(client: Client, fresh: Container) -> None:
    terminal = pexpect.spawn(
        client.path, ["exec", "-it", fresh.name, "/provision"], timeout=60, encoding="utf-8"
    )
    terminal.expect("start dockerd")
    terminal.expect("go ahead\\? \\[y/N\\] ")
    terminal.sendline("n")
    terminal.expect("nothing was changed")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 3
    assert fresh.run("ls /etc/apt/sources.list.d").stdout == ""


def test_on_a_terminal_no_answer_means_no(client: Client, fresh: Container) -> None:
    terminal = pexpect.spawn(
        client.path, ["exec", "-it", fresh.name, "/provision"], timeout=60, encoding="utf-8"
    )
    terminal.expect("go ahead\\? \\[y/N\\] ")
    terminal.sendeof()
    terminal.expect("nothing was changed")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 3


def test_on_a_terminal_yes_goes_ahead(client: Client, fresh: Container) -> None:
    fresh.run(FAKES)
    command = ["exec", "-it", "--env=PATH=/fakes:/usr/sbin:/usr/bin:/sbin:/bin", fresh.name, "/provision"]
    terminal = pexpect.spawn(client.path, command, timeout=60, encoding="utf-8")
    terminal.expect("go ahead\\? \\[y/N\\] ")
    terminal.sendline("y")
    terminal.expect("provision: done")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
