"""A NATS server beside a worker that is probed, and as much of its protocol as that takes.

https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from bedplate.verify.probe.queue import READINGS, Connection, Queue
from bedplate.verify.probe.trial import Unmet, expect
from bedplate.verify.probe.wire import Address

_SOURCE: Final = "telemetry-readings"
_RESULTS: Final = "telemetry-results"
_HELLO: Final = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'


class Nats(Queue):
    """A server with JetStream in the network of the platform, for the time of its with block."""

    name = "NATS"
    ready_within = 30.0
    command = ("--jetstream", "--store_dir", "/data")
    setting = "NATS_URL"
    wrong = "http://nowhere"
    port = 4222

    @property
    def url(self) -> str:
        """What the worker is given as NATS_URL."""
        return f"nats://{self.container.name}:{self.port}"

    def client(self) -> Client:
        """A connection from this machine."""
        return Client(self.address)

    def answers(self) -> bool:
        """Whether JetStream does."""
        try:
            with self.client() as client:
                return "memory" in client.ask("$JS.API.INFO")
        except (OSError, StopIteration, Unmet):
            return False

    @contextmanager
    def publishing(self) -> Iterator[Callable[[bytes], None]]:
        """Publish to the stream of readings."""
        with self.client() as client:
            yield lambda body: client.publish(READINGS, body)

    def left(self) -> int:
        """Messages that its one consumer has not had, or not acknowledged."""
        with self.client() as client:
            (consumer,) = client.ask(f"$JS.API.CONSUMER.LIST.{_SOURCE}")["consumers"]
        return int(consumer["num_pending"] + consumer["num_ack_pending"])

    def stored(self, topic: str) -> list[bytes]:
        """All messages of that subject."""
        with self.client() as client:
            return [text for subject, text in client.stored(_RESULTS) if subject == topic]


class Client(Connection):
    """It notes what is published to the subjects that it listens to."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._inbox = 0
        self.heard: list[tuple[str, bytes]] = []
        """Subjects and payloads, in the order in which they came."""
        self._socket.sendall(_HELLO + b"SUB _INBOX.probe.* 1\r\n")

    def listen(self, *subjects: str) -> None:
        """Note what is published there from now on, whenever something is asked."""
        lines = [f"SUB {subject} {number}\r\n" for number, subject in enumerate(subjects, 2)]
        self._socket.sendall("".join(lines).encode())

    def publish(self, subject: str, payload: bytes) -> None:
        """Return once a stream holds it; raises `Unmet` when none takes it."""
        answer = self._request(subject, payload)
        expect("stream" in answer, f"expected that a stream holds it, got {answer}")

    def ask(self, subject: str) -> Mapping[str, Any]:
        """What JetStream's API answers."""
        return self._request(subject, b"")

    def stored(self, stream: str) -> list[tuple[str, bytes]]:
        """Subjects and payloads of all messages that a stream holds."""
        state = self.ask(f"$JS.API.STREAM.INFO.{stream}")["state"]
        messages = []
        for number in range(state["first_seq"], state["last_seq"] + 1):
            asked = json.dumps({"seq": number}).encode()
            message = self._request(f"$JS.API.STREAM.MSG.GET.{stream}", asked)["message"]
            messages.append((message["subject"], base64.b64decode(message.get("data", ""))))
        return messages

    def _request(self, subject: str, payload: bytes) -> Mapping[str, Any]:
        self._inbox += 1
        inbox = f"_INBOX.probe.{self._inbox}"
        self._socket.sendall(f"PUB {subject} {inbox} {len(payload)}\r\n".encode() + payload + b"\r\n")
        while True:
            name, text = self._receive()
            if name == inbox:
                expect(bool(text), f"expected an answer of {subject}, nobody is there")
                return dict(json.loads(text))
            self.heard.append((name, text))

    def _receive(self) -> tuple[str, bytes]:
        """The next message: its subject and payload. One without payload says that nobody listens."""
        while True:
            line = self._stream.readline()
            if not line:
                raise ConnectionError("NATS has closed the connection")
            words = line.decode().split()
            if words[0] == "PING":
                self._socket.sendall(b"PONG\r\n")
            elif words[0] in ("MSG", "HMSG"):
                size = int(words[-1])
                head = int(words[-2]) if words[0] == "HMSG" else 0
                return words[1], self._stream.read(size + 2)[head:size]
            elif words[0] == "-ERR":
                raise Unmet(f"NATS says {line.decode().strip()}")
