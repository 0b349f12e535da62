"""A worker and a Kafka that speak TLS, each with a certificate of an authority of the probe's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from bedplate.verify.probe.broker import WITHIN, numbered
from bedplate.verify.probe.certificates import Authority, private, private_info
from bedplate.verify.probe.counted import encoded, readings_of
from bedplate.verify.probe.kafka import PORT, Kafka
from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.rsa import Key
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until

_SECURE: Final = 9094
_MESSAGES: Final = 50
_FAILED: Final = 1
_REASON: Final = "certificate signed by unknown authority"


class SecureKafka(Kafka):
    """It has a second listener, for those alone who show a certificate; the probe uses the first."""

    def __init__(self, platform: Platform, image: str) -> None:
        super().__init__(platform, image)
        self.authority: Final = Authority.make("authority of Kafka")
        self._name: Final = platform.unused_name()
        self._key: Final = Key.make("kafka")

    def __enter__(self) -> Self:
        return self._begin(
            {
                **self.environment,
                "KAFKA_LISTENERS": f"{self.environment['KAFKA_LISTENERS']},SECURE://:{_SECURE}",
                "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{self._name}:{PORT},SECURE://{self._name}:{_SECURE}",
                "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SSL",
                "KAFKA_SSL_CLIENT_AUTH": "required",
                "KAFKA_SSL_KEYSTORE_TYPE": "PEM",
                "KAFKA_SSL_KEYSTORE_KEY": _line(private_info(self._key)),
                "KAFKA_SSL_KEYSTORE_CERTIFICATE_CHAIN": _line(self.authority.sign(self._key, self._name)),
                "KAFKA_SSL_TRUSTSTORE_TYPE": "PEM",
                "KAFKA_SSL_TRUSTSTORE_CERTIFICATES": _line(self.authority.certificate),
            },
            self._name,
        )

    def settings(self, trusted: Authority) -> Mapping[str, str]:
        """Those of a worker that trusts an authority, and shows a certificate that Kafka knows."""
        key = Key.make("worker")
        return {
            self.setting: f"{self._name}:{_SECURE}",
            "KAFKA_TLS": "true",
            "KAFKA_CA": trusted.certificate.decode(),
            "KAFKA_CERTIFICATE": self.authority.sign(key, "worker").decode(),
            "KAFKA_KEY": private(key).decode(),
        }


def _line(text: bytes) -> str:
    """PEM as Kafka takes it from a property."""
    return text.decode().replace("\n", " ").strip()


def try_secure_kafka(trials: Trials, platform: Platform, image: str) -> None:
    """A worker and its Kafka know each other by certificates."""
    if not platform.direct:
        trials.skip("broker under TLS", "the engine runs elsewhere and can't reach this machine")
        return
    with trials.part("broker under TLS: it answers"), SecureKafka(platform, image) as queue:
        with (
            trials.check("broker under TLS: messages of one that is known are counted"),
            platform.start(environment=queue.settings(queue.authority)) as instance,
        ):
            instance.wait_until_ready()
            with queue.publishing() as publish:
                for number in range(1, _MESSAGES + 1):
                    publish(encoded([numbered(number)]))
            wait_until("all readings", lambda: readings_of(instance, "added") == _MESSAGES, WITHIN, 0.1)
        stranger = Authority.make("authority of somebody else")
        with (
            trials.check("broker under TLS: one that is not known ends the worker, which says why"),
            platform.start(environment=queue.settings(stranger)) as instance,
        ):
            expect_same("exit code", _FAILED, instance.exit_code(10))
            log = "\n".join(instance.log())
            expect(_REASON in log, f"expected {_REASON!r} in the log:\n{log}")
