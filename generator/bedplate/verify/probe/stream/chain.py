"""A node in QEMU, an ingest, an API and its database: each is killed in turn while the node goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import docker
from docker.models.containers import Container

from bedplate.verify.probe.companion import Companion
from bedplate.verify.probe.database import Database
from bedplate.verify.probe.emulator import Emulator
from bedplate.verify.probe.gateway import configuration_path
from bedplate.verify.probe.platform import Instance, Platform, Ports, readiness
from bedplate.verify.probe.stream.relayed import RelayedLine
from bedplate.verify.probe.stream.serving import POLL, configuration
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until
from bedplate.verify.probe.wire import Address, request

STEADY: Final = 15
"""Readings that are acknowledged before each fault, and again after it."""
_PERIOD: Final = "200ms"
"""Of the node, which holds 64 readings: what it may be away for is 12 s."""
_WITHIN: Final = 60.0
_READY: Final = 200


@dataclass(frozen=True)
class Links:
    """What the chain consists of: images, and of the ingest its name."""

    api: str
    api_ports: Ports
    ingest: str
    ingest_ports: Ports
    project: str
    database: str


class _Service(Companion):
    """The API, which is given the database."""

    name = "the API"
    ready_within = _WITHIN

    def __init__(self, platform: Platform, image: str, ports: Ports, database: Database) -> None:
        self._ports = ports
        self.environment = {"DATABASE_URL": database.url}  # type: ignore[misc]
        super().__init__(platform, image)

    @property
    def address(self) -> Address:
        """Where it listens; another one after each start."""
        self.container.reload()
        (network,) = self.container.attrs["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"]), self._ports.http

    def answers(self) -> bool:
        """Whether it is ready."""
        return readiness((self.address[0], self._ports.admin)) == _READY


def try_chain(
    trials: Trials, client: docker.DockerClient, run_id: str, emulator: Emulator, links: Links
) -> None:
    """All of it. Containers carry the label bedplate.run=`run_id` and are gone afterwards."""
    with (
        trials.part("chain: it works"),
        Platform(client, links.ingest, run_id, links.ingest_ports) as platform,
        Database(platform, links.database) as database,
    ):
        if not platform.direct:
            trials.skip("chain: everything", "the engine runs elsewhere, and its containers can't be reached")
            return
        _migrate(platform, links, database)
        with _Service(platform, links.api, links.api_ports, database) as api:
            endpoint = (str(api.container.name), links.api_ports.http)
            settings = configuration(links.project, [endpoint], f'device.period = "{_PERIOD}"')
            path = configuration_path(client.images.get(links.ingest))
            with platform.start(files={path: settings}) as ingest, emulator.boot() as board:
                ingest.wait_until_ready()
                with RelayedLine(board.uart, ingest.http) as line:
                    _try_faults(trials, line, platform, ingest, api, database)
                _judge(trials, line, api, database)


def _migrate(platform: Platform, links: Links, database: Database) -> None:
    job = platform.accompany(links.api, {"DATABASE_URL": database.url}, ["migrate", "up"])
    try:
        ended = job.wait(timeout=_WITHIN)["StatusCode"]
        expect(ended == 0, f"migrate up ended with {ended}: {job.logs().decode(errors='replace')}")
    finally:
        job.remove(force=True, v=True)


def _try_faults(
    trials: Trials,
    line: RelayedLine,
    platform: Platform,
    ingest: Instance,
    api: _Service,
    database: Database,
) -> None:
    with trials.check("chain: readings of an emulated node are acknowledged"):
        _await_more(line)

    def restart_ingest() -> None:
        _restart(ingest.container)
        line.far = (platform.inside(ingest), line.far[1])

    faults: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "the ingest": (lambda: ingest.signal("SIGKILL"), restart_ingest),
        "the API": (api.kill, api.restart),
        "the database": (database.kill, database.restart),
    }
    for name, (kill, restart) in faults.items():
        with trials.check(f"chain: {name} is killed and started again, and the node goes on"):
            kill()
            restart()
            _await_more(line)


def _restart(container: Container) -> None:
    container.start()
    container.reload()


def _await_more(line: RelayedLine) -> None:
    enough = line.count + STEADY
    wait_until(f"{STEADY} more acknowledged readings", lambda: line.count >= enough, _WITHIN, POLL)


def _judge(trials: Trials, line: RelayedLine, api: _Service, database: Database) -> None:
    rows = [row.split("|") for row in database.ask(_ROWS).splitlines()]
    stored = {
        (device, int(epoch), int(number)): (at, float(value)) for device, epoch, number, at, value in rows
    }
    with trials.check("chain: every acknowledged reading is in the table exactly once, as it was measured"):
        expect(len(rows) == len(stored), f"{len(rows)} rows, of {len(stored)} readings")
        acknowledged = [
            (*boot, number) for boot, last in line.acknowledged.items() for number in range(1, last + 1)
        ]
        lost = [key for key in acknowledged if key not in stored]
        expect(bool(acknowledged) and not lost, f"{len(lost)} of {len(acknowledged)} are missing: {lost[:3]}")
        for key in acknowledged:
            sent = line.sent[key]
            expect_same(f"reading {key}", (sent.measured_at, sent.value / 1000), stored[key])
        trials.figure("chain: acknowledged readings", len(acknowledged), "readings")
        trials.figure("chain: readings in the table", len(stored), "readings")
    with trials.check("chain: no reading of the node is missing"):
        for device, _ in line.acknowledged:
            told = json.loads(request(api.address, "GET", f"/v1/devices/{device}").body)
            trials.figure("chain: missing readings", told["missing"], "readings", 0)
            expect_same("missing readings", 0, told["missing"])
    with trials.check("chain: one boot of the node has one epoch"):
        expect_same("epochs", 1, len(line.acknowledged))


_ROWS: Final = """SELECT device, epoch, sequence,
 to_char(measured_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), value FROM readings"""
