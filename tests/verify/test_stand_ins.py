"""Stand-ins as builds see them: emitted Dockerfiles are built on them as they are."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from bedplate.catalogue import Catalogue
from bedplate.verify import bases
from bedplate.verify.bases import Bases
from bedplate.verify.client import Client
from shell import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]

GO, RUST = "golang:1.26-bookworm", "rust:1.96-slim-bookworm"
STATIC, CC = "gcr.io/distroless/static-debian12:nonroot", "gcr.io/distroless/cc-debian12:nonroot"
POSTGRES = "postgres:15-bookworm"
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")


@pytest.fixture(scope="module")
def client() -> Client:
    return Client.find()


@pytest.fixture(scope="module")
def local(client: Client) -> Bases:
    return bases.resolve("local", [GO, RUST, STATIC, CC, POSTGRES], client=client)


def run_in(client: Client, local: Bases, image: str, script: str) -> subprocess.CompletedProcess[str]:
    return client.run("run", "--rm", "--network=none", local.provenance[image].id, "sh", "-euc", script)


def build_and_run(client: Client, local: Bases, tree: Path) -> str:
    """Build the tree's Dockerfile with the flags that are under test, and run the image hardened."""
    built = client.run("buildx", "build", "--quiet", "--load", *local.flags_for(tree), str(tree))
    assert built.returncode == 0, built.stderr
    image = built.stdout.strip()
    try:
        ran = client.run("run", "--rm", *HARDENED, image)
    finally:
        client.run("rmi", "--force", image)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_go_program_is_built_and_runs_without_root(client: Client, local: Bases, tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module probe\n\ngo 1.26.0\n")
    (tmp_path / "main.go").write_text(
        'package main\n\nimport ("fmt"; "os"; "runtime")\n\n'
        "func main() { fmt.Println(os.Getuid(), runtime.Version()) }\n"
    )
    (tmp_path / "Dockerfile").write_text(
        "ARG GO=1.26\nFROM --platform=$BUILDPLATFORM golang:${GO}-bookworm AS build\n"
        "WORKDIR /src\nCOPY . .\nRUN CGO_ENABLED=0 go build -o /probe .\n"
        f'FROM {STATIC}\nCOPY --from=build /probe /probe\nENTRYPOINT ["/probe"]\n'
    )
    sdk = Catalogue.load(ROOT).versions["go"]["sdk"]
    assert build_and_run(client, local, tmp_path) == f"65532 go{sdk}\n"


def test_a_rust_program_is_built_and_runs_without_root(client: Client, local: Bases, tmp_path: Path) -> None:
    (tmp_path / "main.rs").write_text(
        "use std::os::unix::fs::MetadataExt;\n"
        'fn main() { println!("{}", std::fs::metadata("/proc/self").unwrap().uid()); }\n'
    )
    (tmp_path / "Dockerfile").write_text(
        f"FROM {RUST} AS build\nCOPY main.rs .\nRUN rustc -O -o /probe main.rs\n"
        f'FROM {CC}\nCOPY --from=build /probe /probe\nENTRYPOINT ["/probe"]\n'
    )
    assert build_and_run(client, local, tmp_path) == "65532\n"


def test_what_is_there_is_not_made_again(client: Client, local: Bases) -> None:
    announced: list[str] = []
    again = bases.resolve("local", local.provenance, client=client, announce=announced.append)
    assert announced == []
    assert again.provenance == local.provenance


def test_the_race_detector_works(client: Client, local: Bases) -> None:
    script = (
        "mkdir /tmp/p && cd /tmp/p && go mod init probe 2>/dev/null\n"
        "printf 'package p\\nimport \"testing\"\\nfunc TestX(t *testing.T) {}\\n' >p_test.go\n"
        "go test -race ."
    )
    ran = run_in(client, local, GO, script)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("ok")


def test_rustup_adds_what_is_there_and_refuses_what_is_not(client: Client, local: Bases) -> None:
    targets = sorted({board.target for board in Catalogue.load(ROOT).boards.values()})
    add = f"rustup component add clippy rustfmt llvm-tools && rustup target add {' '.join(targets)}"
    assert run_in(client, local, RUST, add).returncode == 0
    refused = run_in(client, local, RUST, "rustup target add wasm32-unknown-unknown")
    assert refused.returncode == 1
    assert "the target 'wasm32-unknown-unknown' is not in this image" in refused.stderr
    assert run_in(client, local, RUST, "rustup component add miri").returncode == 1


FIRMWARE = r"""
cd /tmp && cargo init --quiet --vcs none probe && cd probe
cat >src/main.rs <<'EOF'
#![no_std]
#![no_main]
#[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[unsafe(no_mangle)] pub extern "C" fn _start() -> ! { loop {} }
EOF
export CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_PANIC=abort
cargo build --quiet --release --target thumbv7m-none-eabi
tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
"$tools/llvm-objdump" --file-headers target/thumbv7m-none-eabi/release/probe
"""


def test_firmware_links_with_fat_lto_offline(client: Client, local: Bases) -> None:
    ran = run_in(client, local, RUST, FIRMWARE)
    assert ran.returncode == 0, ran.stderr
    assert "elf32-littlearm" in ran.stdout


@pytest.mark.parametrize("image", [STATIC, CC])
def test_final_images_hold_no_program_and_nothing_setuid(
    client: Client, local: Bases, image: str, tmp_path: Path
) -> None:
    archive = tmp_path / "root.tar"
    container = client.run("create", local.provenance[image].id, "none").stdout.strip()
    try:
        client.run("export", f"--output={archive}", container)
    finally:
        client.run("rm", "--force", container)
    with tarfile.open(archive) as root:
        members = {member.name: member for member in root.getmembers()}
    programs = ("bin/", "sbin/", "usr/bin/", "usr/sbin/")
    assert not [name for name in members if name.startswith(programs)]
    assert not [name for name, member in members.items() if member.isfile() and member.mode & 0o6000]
    assert members["etc/ssl/certs/ca-certificates.crt"].size > 0
    assert members["home/nonroot"].uid == 65532


def test_a_database_is_as_its_variables_say_and_orders_as_people_do(client: Client, local: Bases) -> None:
    settings = ("--env=POSTGRES_USER=ada", "--env=POSTGRES_PASSWORD=secret", "--env=POSTGRES_DB=cars")
    started = client.run("run", "--detach", "--network=none", *settings, local.provenance[POSTGRES].id)
    container = started.stdout.strip()
    try:
        ready = "until pg_isready --quiet --host=127.0.0.1 --username=ada; do sleep 0.1; done"
        assert client.run("exec", container, "timeout", "60", "sh", "-c", ready).returncode == 0
        # By bytes, a hyphen would come before every letter.
        statement = "SELECT current_user, 'a-c' > 'ab', current_setting('server_version_num')::int / 10000"
        asked = ("psql", "--username=ada", "--tuples-only", "--no-align", f"--command={statement}", "cars")
        assert client.run("exec", "--user=postgres", container, *asked).stdout.strip() == "ada|t|15"
        without = client.run("exec", container, "psql", "--host=127.0.0.1", "--username=ada", "--no-password")
        assert "no password supplied" in without.stderr
    finally:
        client.run("rm", "--force", "--volumes", container)
