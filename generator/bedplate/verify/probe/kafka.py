"""A Kafka beside a worker that is probed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from typing import ClassVar, Final

from bedplate.verify.probe.kafka_client import Client
from bedplate.verify.probe.queue import READINGS, Queue
from bedplate.verify.probe.trial import Unmet

PORT: Final = 9092
PARTITIONS: Final = 4
"""Of each topic, so that workers share them."""


class Kafka(Queue):
    """A broker that controls itself, in the network of the platform, for the time of its with block."""

    name = "Kafka"
    ready_within = 60.0
    setting = "KAFKA_BROKERS"
    wrong = "nowhere"
    port = PORT
    environment: ClassVar[Mapping[str, str]] = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        # It is known to clients by the name of its machine, which is that of its container.
        "KAFKA_LISTENERS": f"PLAINTEXT://:{PORT},CONTROLLER://localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_NUM_PARTITIONS": str(PARTITIONS),
        # As the probe can read it, whatever the worker sends.
        "KAFKA_COMPRESSION_TYPE": "uncompressed",
    }

    @property
    def url(self) -> str:
        """What the worker is given as KAFKA_BROKERS."""
        return f"{self.container.name}:{self.port}"

    def client(self) -> Client:
        """A connection from this machine."""
        return Client(self.address)

    def answers(self) -> bool:
        """Whether it is a member of its own cluster."""
        try:
            with self.client() as client:
                return client.brokers() == 1
        except (OSError, StopIteration, Unmet):
            return False

    @contextmanager
    def publishing(self) -> Iterator[Callable[[bytes], None]]:
        """Publish to one partition after the other, as clients do that give no key."""
        partitions = cycle(range(PARTITIONS))
        with self.client() as client:
            yield lambda body: client.produce(READINGS, next(partitions), body)

    def left(self) -> int:
        """Messages of all partitions above what their group has committed."""
        group = str(
            self._platform.client.images.get(self._platform.image).labels["org.opencontainers.image.title"]
        )
        with self.client() as client:
            return sum(
                client.end(READINGS, partition) - client.committed(group, READINGS, partition)
                for partition in range(PARTITIONS)
            )

    def stored(self, topic: str) -> list[bytes]:
        """All messages of its partitions."""
        with self.client() as client:
            return [text for partition in range(PARTITIONS) for text in client.stored(topic, partition)]
