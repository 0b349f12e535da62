"""What emitted projects of several languages do together: a node, an ingest, an API and its database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import docker

from bedplate.verify.engine import Subject
from bedplate.verify.findings import Findings
from bedplate.verify.firmware_probe import emulator_image
from bedplate.verify.probe.emulator import Emulator
from bedplate.verify.probe.platform import Ports
from bedplate.verify.probe.release import booted_elf
from bedplate.verify.probe.stream.chain import Links, try_chain
from bedplate.verify.probe.trial import Trials


@dataclass(frozen=True)
class Parts:
    """The projects of a chain, of those that were built and probed."""

    node: Subject
    ingest: Subject
    api: Subject

    @classmethod
    def of(cls, subjects: Sequence[Subject]) -> Self | None:
        """The first of each kind that needs nothing else beside it; None when one is missing."""
        node = _first(subjects, archetype="sensor-node")
        ingest = _first(subjects, archetype="stream-ingest")
        api = _first(subjects, archetype="http-api", database="postgres", auth="none", rate_limit=False)
        return cls(node, ingest, api) if node and ingest and api else None


def _first(subjects: Sequence[Subject], **wanted: object) -> Subject | None:
    such = (s for s in subjects if all(s.answers.get(name) == value for name, value in wanted.items()))
    return next(such, None)


def probe(
    client: docker.DockerClient,
    parts: Parts,
    *,
    run_id: str,
    docker: str,
    build_flags: Sequence[str],
    images: tuple[str, str],
    database: str,
) -> Findings:
    """Kill each of them in turn, and see that no acknowledged reading of the node is lost.

    `docker` and `build_flags` give the image with the emulator, `images` are those of the ingest and of
    the API, `database` is one of PostgreSQL. Containers carry the label bedplate.run=`run_id`.
    """
    trials = Trials()
    with trials.part("chain: it has an emulator"):
        answers = parts.node.answers
        image = emulator_image(docker, parts.node.root, build_flags, run_id)
        elf = booted_elf(parts.node.root / "dist", answers["project_name"], twin="twin" in answers["chip"])
        emulator = Emulator(client, image, run_id, answers["emulated"]["machine"], elf)
        links = Links(
            api=images[1],
            api_ports=_ports(parts.api),
            ingest=images[0],
            ingest_ports=_ports(parts.ingest),
            project=parts.ingest.answers["project_name"],
            database=database,
        )
        try_chain(trials, client, run_id, emulator, links)
    return trials.findings()


def _ports(subject: Subject) -> Ports:
    return Ports(subject.answers["ports"]["http"], subject.answers["ports"]["admin"])
