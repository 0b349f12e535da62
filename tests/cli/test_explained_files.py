"""The files that `bedplate explain` names for a question are those that another answer changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from bedplate.verify.batch import Order, read_outcomes, write_orders
from domains import DOMAINS
from shell import Cli

OTHER_ANSWERS = {
    "project_name": ("other-name",),
    "description": ("Says something else.",),
    "owner": ("Somebody Else",),
    "licence": ("MIT",),
    "module_prefix": ("go.example.org/team",),
    "database": ("postgres", "sqlite"),
    "broker": ("nats", "kafka"),
    "auth": ("oidc",),
    "tracing": (False, True),
    "tls": (True,),
    "http2": (True,),
    "rate_limit": (True,),
    "board": ("mps2-an505", "lm3s6965", "stm32f405", "nrf51822", "stm32g431", "nrf52840"),
    "runtime": ("rtic", "embassy"),
    "logging": ("defmt",),
    "hardening_mpu": (True,),
    "sample_period_ms": (3_600_000,),
    "stack_size": (16_384,),
    "deploy": ("none", "systemd"),
    "ci": ("gitlab", "none"),
}
TEXTS = {"project_name", "description", "owner", "module_prefix"}
LOCKS = {"go.mod", "go.sum", "tools/go.mod", "tools/go.sum"} | {
    f"{place}Cargo.lock" for place in ("", "bench/", "fuzz/")
}
ONLY_GO = {"module_prefix", "database", "broker", "auth"}
ONLY_RUST = {"tls", "http2", "rate_limit"}
ONLY_FIRMWARE = {"board", "runtime", "logging", "hardening_mpu", "sample_period_ms", "stack_size"}
NOT_ASKED = {
    "go-service": ONLY_RUST | ONLY_FIRMWARE,
    "rust-service": ONLY_GO | ONLY_FIRMWARE,
    "rust-embedded": ONLY_GO | ONLY_RUST | {"tracing", "deploy"},
}
# Where the file of dead letters is named, which only an ingest has.
KEEPS = {"config/container.toml", "deploy/base/config.toml", "deploy/overlays/prod/config.toml"}
# Files that ask for an answer, and come out the same.
IDLE = {
    # Clients of gRPC cost as much room in an image as a collector: its budget is the same with both.
    ("rpc-api", "tracing"): {"Makefile"},
    # Only where there are traces does this test import a package of the project.
    ("event-worker", "module_prefix"): {"internal/telemetry/telemetry_test.go"},
    # Only SQLite has its file named there, and no worker has SQLite.
    ("event-worker", "database"): {"deploy/base/kustomization.yaml"},
    # The image of a data plane has the same budget with every answer.
    ("http-gateway", "tracing"): {"Makefile"},
    # Only a gateway tells its name to others, and only an ingest keeps a file under it.
    ("http-gateway", "project_name"): KEEPS,
    ("tcp-proxy", "project_name"): KEEPS | {"config/compose.toml", "config/default.toml"},
    ("stream-ingest", "project_name"): {"config/default.toml"},
    # Only spans say over what a client speaks, and only an ingest lets in fewer devices that have TLS.
    ("http-gateway", "tls"): {
        "src/gateway/served.rs",
        "deploy/base/config.toml",
        "deploy/overlays/prod/config.toml",
    },
    # Only a gateway counts handshakes for themselves, and has a second port for them.
    ("stream-ingest", "tls"): {"deploy/base/service.yaml", "src/stats.rs"},
    # Crates are there twice with HTTP/2 and a limit, not with one of them.
    ("http-gateway", "http2"): {"deny.toml"},
    # No board so far does without it.
    ("sensor-node", "board"): {"firmware/src/board/made_up_sensor.rs"},
    # probe-rs does not know the board that is the default.
    ("sensor-node", "logging"): {".vscode/launch.json"},
    # The board that is the default asks for regions without it, too.
    ("sensor-node", "hardening_mpu"): {
        "README.md",
        "firmware/src/regions.rs",
        "emulator-tests/tests/regions.rs",
    },
}
NOT_ASKED_HERE = {
    "http-api": {"broker"},
    "rpc-api": {"broker"},
    "event-worker": {"auth", "tracing"},
    "metrics-exporter": {"database", "broker", "auth"},
    "tcp-proxy": {"tls", "http2", "tracing"},
    "stream-ingest": {"http2", "tracing", "rate_limit"},
}
# The core of this board has no memory protection.
NOT_ASKED_WITH = {"nrf51822": {"hardening_mpu"}}


@pytest.mark.parametrize("domain", DOMAINS)
def test_explains_which_files_an_answer_changes(cli: Cli, template_tree: Path, domain: str) -> None:
    explained = json.loads(cli.bedplate("explain", domain, "--json").stdout)
    options = {option["name"]: option for option in explained["options"]}
    not_asked = NOT_ASKED[DOMAINS[domain]] | NOT_ASKED_HERE.get(domain, set())
    assert options.keys() == OTHER_ANSWERS.keys() - not_asked
    defaults = {"domain": domain} | {name: option["default"] for name, option in options.items()}
    changes = [
        (name, answer)
        for name, option in options.items()
        for answer in set(option["choices"]) & set(OTHER_ANSWERS[name]) or OTHER_ANSWERS[name]
    ]
    rows = [defaults | {name: to} for name, to in changes]
    for row in rows:
        for name in NOT_ASKED_WITH.get(row.get("board"), set()):
            del row[name]
    made, *others = emitted(cli, template_tree, [defaults, *rows])
    changed: dict[str, set[str]] = {name: set() for name in options}
    for (name, _), other in zip(changes, others, strict=True):
        # A text may be in the names of files, which are told as the other answers give them.
        paths = made.keys() if name in TEXTS else made.keys() | other.keys()
        changed[name] |= {path for path in paths if made.get(path) != other.get(path)}
    for name, option in options.items():
        told = set(option["files"])
        # What a lock file hangs on need not change it.
        idle = IDLE.get((domain, name), set())
        assert told - LOCKS - idle == changed[name] - LOCKS - {".copier-answers.yml"}, name
        assert told >= changed[name] & LOCKS, name


def emitted(cli: Cli, template: Path, rows: Sequence[Mapping[str, object]]) -> list[dict[str, bytes]]:
    """The files of a project for each set of answers, by their paths; one process makes them all."""
    orders = []
    for number, answers in enumerate(rows):
        file = cli.directory / f"{number}.yml"
        file.write_text(yaml.safe_dump(dict(answers)))
        orders.append(Order(str(file), str(cli.directory / str(number)), str(template)))
    write_orders(orders, cli.directory / "orders.json")
    outcomes = cli.directory / "outcomes.json"
    finished = cli.run(sys.executable, "-m", "bedplate.verify.batch", cli.directory / "orders.json", outcomes)
    assert finished.returncode == 0, finished.stderr
    assert [outcome.told for outcome in read_outcomes(outcomes)] == [()] * len(rows)
    return [files(Path(order.destination)) for order in orders]


def files(project: Path) -> dict[str, bytes]:
    """What is in the files of a project, by their paths."""
    paths = [path for path in project.rglob("*") if path.is_file()]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in paths}
