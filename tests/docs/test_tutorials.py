"""Who follows docs/tutorials from the text gets what the text shows, and keeps it through an update."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bedplate.verify.bases import resolve
from bedplate.verify.client import Client
from bedplate.verify.dockerfile import named_images
from guides import checkout, committed, follow
from shell import ROOT, Cli, caches, free_addresses
from tutorials import Session, pattern

GO, RUST, EMBEDDED, CHAIN = (
    f"tutorials/{name}.md"
    for name in ("go-service", "rust-service", "rust-embedded", "from-board-to-database")
)
# What takes minutes, or an emulator: left out where a page is followed in a hurry, with what comes of it.
LONG = ("make check", "make run", "cargo ", "curl ")
# The same, and what makes projects, where other tests have made each of them.
LONG_AND_NEW = (*LONG, "make new", "make dist", "make migrate", "qemu-system-arm", "sqlite3")


@pytest.fixture
def reader(tmp_path: Path, template_tree: Path, user_environment: dict[str, str]) -> Cli:
    """Someone with a checkout of Bedplate, and toolchains that have worked before."""
    return committed(checkout(tmp_path / "desk", template_tree, user_environment | caches()))


# In projects of firmware the tool of an image that has target and emulator, else the one that is here.
TOOL = """\
#!/bin/sh
test -f firmware/build.rs || exec {here} "$@"
trap '{docker} kill tutorial-$$ >/dev/null' INT
exec 3<&0
{docker} run --rm --interactive --name tutorial-$$ --volume "$PWD:/src" {image} {tool} "$@" <&3 &
wait $!
"""


@pytest.fixture
def equipped(reader: Cli, tmp_path: Path) -> Iterator[Cli]:
    """The same reader, who has what firmware is built and emulated with, in the image of a project of it."""
    project = tmp_path / "another"
    made = reader.bedplate("new", project, "--domain=sensor-node", "--set=board=lm3s6965", "--defaults")
    assert made.returncode == 0, made.stderr
    client, image = Client.find(), f"bedplate-tutorial-{os.getpid()}"
    bases = resolve("auto", named_images((project / "Dockerfile").read_text()), client=client)
    options = ("--load", "--target", "toolchain", "--tag", image)
    built = reader.run(client.path, "build", *bases.flags_for(project), *options, project)
    assert built.returncode == 0, built.stderr
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("cargo", "make", "qemu-system-arm"):
        script = TOOL.format(here=shutil.which(tool), docker=client.path, image=image, tool=tool)
        (tools / tool).write_text(script)
        (tools / tool).chmod(0o755)
    yield Cli(reader.directory, reader.environment | {"PATH": f"{tools}:{reader.environment['PATH']}"})
    reader.run(client.path, "image", "rm", "--force", image)


def beside(reader: Cli, name: str) -> Path:
    return reader.directory.parent / name


def test_every_tutorial_is_followed() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs/tutorials").iterdir()}
    assert pages == {GO, RUST, EMBEDDED, CHAIN}


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_a_go_service_is_made_run_changed_and_updated(reader: Cli) -> None:
    http, admin = free_addresses(2)
    own = Cli(reader.directory, reader.environment | {"HTTP_ADDR": http, "ADMIN_ADDR": admin})
    addresses = {"127.0.0.1:8080": http, "127.0.0.1:9090": admin}
    Session(own, left_out=("make check",), addresses=addresses).follow(GO)
    orders = Cli(beside(reader, "orders"), reader.environment)
    # As much of `make check` as what was changed can break, without the race detector.
    tested = orders.run("go", "test", "./api", "./deploy", "./internal/reading", "./ops")
    assert tested.returncode == 0, tested.stdout
    assert "Handle: h.latest}" in (orders.directory / "internal/reading/http.go").read_text()
    assert "memory: 384Mi\n" in (orders.directory / "deploy/base/deployment.yaml").read_text()
    assert orders.git("status", "--porcelain") == ""
    # A drain may take longer by default, where the pod is given the time for it.
    replace(orders.directory / "internal/config/config.go", "DrainDelay:     5 *", "DrainDelay:     15 *")
    replace(orders.directory / "internal/config/config.go", "DrainTimeout:   20 *", "DrainTimeout:   30 *")
    replace(orders.directory / "deploy/base/deployment.yaml", "PeriodSeconds: 35\n", "PeriodSeconds: 55\n")
    tested = orders.run("go", "test", "./deploy", "./internal/config", "./internal/server")
    assert tested.returncode == 0, tested.stdout


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_what_was_changed_of_a_gateway_is_there_after_the_update(reader: Cli) -> None:
    Session(reader, left_out=LONG).follow(RUST)
    edge = Cli(beside(reader, "edge"), reader.environment)
    assert "fn has_dot_segments(" in (edge.directory / "src/gateway/policy.rs").read_text()
    assert 'listen = "127.0.0.1:9190"' in (edge.directory / "config/default.toml").read_text()
    assert edge.git("status", "--porcelain") == ""


@pytest.mark.skipif(shutil.which("rustc") is None, reason="rustc is not installed")
def test_what_was_changed_of_firmware_is_there_after_the_update(reader: Cli) -> None:
    Session(reader, left_out=LONG).follow(EMBEDDED)
    node = on_this_toolchain(Cli(beside(reader, "node"), reader.environment))
    # The test on the host, without the crates that other tests need.
    rustc = "rustc --edition=2024 --out-dir=target"
    follow(
        node,
        f"{rustc} --crate-type=rlib --crate-name=app app/src/lib.rs\n"
        f"{rustc} --test -Ltarget --extern=app app/tests/thermometer.rs\n"
        "target/thermometer\n",
    )
    firmware = node.directory / "firmware/src"
    assert "thermometer::temperature(" in (firmware / "board/made_up_sensor.rs").read_text()
    assert "PERIOD_MS: u32 = 500;" in (firmware / "setup.rs").read_text()
    assert node.git("status", "--porcelain") == ""


def test_the_links_of_a_chain_are_called_by_their_names(
    tmp_path: Path, user_environment: dict[str, str]
) -> None:
    """In empty directories: what the page has people write, and whether there is what it names."""
    for name in ("bedplate", "board", "ingest", "readings"):
        (tmp_path / name).mkdir()
    Session(Cli(tmp_path / "bedplate", user_environment), left_out=LONG_AND_NEW).follow(CHAIN)
    settings = tomllib.loads((tmp_path / "ingest/ingest.toml").read_text())
    defaults = tomllib.loads((ROOT / "examples/stream-ingest/config/default.toml").read_text())
    assert settings.keys() - {"cluster"} <= defaults.keys()
    assert settings["device"].keys() <= defaults["device"].keys()
    page = (ROOT / "docs" / CHAIN).read_text()
    socket = (tmp_path / "ingest" / settings["source"]).resolve().relative_to(tmp_path / "board")
    assert set(re.findall(r"-serial unix:([^,]+),", page)) == {str(socket)}
    (service,) = settings["cluster"]["readings"]["endpoints"]
    assert set(re.findall(r"HTTP_ADDR=(\S+)", page)) == {service}
    boards = yaml.safe_load((ROOT / "questions/boards.yml").read_text())["boards"]["default"]
    (board,) = re.findall(r"--set board=([\w-]+)", page)
    assert set(re.findall(r"-machine (\S+)", page)) == {boards[board]["machine"]}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
@pytest.mark.xdist_group("tutorials")
def test_a_gateway_is_put_before_the_service(reader: Cli) -> None:
    """At the addresses of the pages, where nobody else may listen."""
    Session(reader).follow(GO)
    Session(on_this_toolchain(reader)).follow(RUST)


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.xdist_group("engine")
def test_firmware_is_booted_changed_and_updated(equipped: Cli) -> None:
    Session(equipped).follow(EMBEDDED)


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3 is not installed")
@pytest.mark.xdist_group("tutorials")
def test_a_reading_gets_from_a_board_into_a_database(equipped: Cli) -> None:
    """At the addresses of the page, where nobody else may listen."""
    Session(on_this_toolchain(equipped)).follow(CHAIN)


def on_this_toolchain(reader: Cli) -> Cli:
    """The same reader, with whichever stable compiler is here."""
    return Cli(reader.directory, reader.environment | {"RUSTUP_TOOLCHAIN": "stable"})


TERMINALS = """\
```sh
NAME=one make run
```

```sh
NAME=two make run
```

Press Ctrl-C in the first terminal.

```sh
NAME=three make run
```

```text
three is here
```

The second terminal says:

```text
two is here
```
"""


def test_a_key_and_a_look_are_for_the_terminal_that_is_named(
    tmp_path: Path, user_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tutorials.PATIENCE", 20.0)
    monkeypatch.setattr("tutorials.STOPPED_WITHIN", 5.0)
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "Makefile").write_text("run:\n\t@echo $(NAME) is here; cat\n")
    page = tmp_path / "page.md"
    page.write_text(TERMINALS)
    Session(Cli(desk, user_environment)).follow(str(page))
    said = {log.name: log.read_text().splitlines()[0] for log in tmp_path.glob("*-terminal.log")}
    assert said == {"first-terminal.log": "three is here", "second-terminal.log": "two is here"}


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("a … c\n", "a b c\n", True),
        ("a … c\n", "a b\nc\n", False),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nd\n", True),
        ("a\nd\n", "a\nb\nd\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_only_what_is_left_out_may_differ(shown: str, printed: str, fits: bool) -> None:
    assert bool(re.fullmatch(pattern(shown), printed)) == fits
