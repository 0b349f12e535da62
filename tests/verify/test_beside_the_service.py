"""What a data plane has beside its service, which no row builds: fuzz targets and measurements."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bedplate.verify.bases import resolve
from bedplate.verify.client import Client
from bedplate.verify.dockerfile import named_images
from shell import Cli

# They start nothing that runs on, so they do not disturb the others that use the engine. Each takes
# minutes, in which it mostly builds the crates of others.
pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("beside"), pytest.mark.slow]

LINTED = """
FROM lint
RUN --mount=type=cache,target=/usr/local/cargo/registry \\
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \\
    cd bench && cargo clippy --locked --all-targets -- --deny warnings
"""


@pytest.fixture(scope="module", params=["http-gateway", "tcp-proxy", "stream-ingest"])
def plane(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, user_environment: dict[str, str]
) -> Cli:
    """One whose name is sorted elsewhere among its crates than that of the default."""
    user = Cli(tmp_path_factory.mktemp("beside"), user_environment)
    made = user.bedplate("new", "zebra", "--domain", request.param, "--defaults")
    assert made.returncode == 0, made.stderr
    return Cli(user.directory / "zebra", user_environment, within=1200)


def test_fuzz_targets_find_nothing_in_a_minute_for_both(plane: Cli) -> None:
    # Nothing that an earlier run has found counts.
    flags = ("--target=fuzz", "--no-cache-filter=fuzz", "--build-arg=FUZZ_SECONDS=15")
    said = build(plane, plane.directory / "Dockerfile", *flags)
    tried = [int(number) for number in re.findall(r"Done (\d+) runs in \d+ second", said)]
    assert len(tried) == len(list(plane.directory.glob("fuzz/*.rs"))) == 2
    assert min(tried) > 1_000


def test_what_is_measured_is_linted_as_the_service_is(plane: Cli, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text((plane.directory / "Dockerfile").read_text() + LINTED)
    build(plane, dockerfile)


def build(project: Cli, dockerfile: Path, *flags: str) -> str:
    client = Client.find()
    bases = resolve("auto", named_images(dockerfile.read_text()), client=client)
    command = ("buildx", "build", "--progress=plain", "--output=type=cacheonly", f"--file={dockerfile}")
    given = [*bases.flags_for(project.directory), *flags]
    built = project.run(client.path, *command, *given, project.directory)
    assert built.returncode == 0, built.stderr[-4000:]
    return built.stderr
