"""TLS of an ingest: which devices get through and as whom, and which API gets their readings."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import Final

from bedplate.verify.probe.certificates import Authority, private
from bedplate.verify.probe.lifecycle import try_bad_configuration
from bedplate.verify.probe.pki import Pki
from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.stream.api import Api
from bedplate.verify.probe.stream.serving import PATIENCE, Line, await_count, configuration, counted
from bedplate.verify.probe.trial import Trials, Unmet, expect
from bedplate.verify.probe.wire import Address

HOST: Final = "ingest.example.com"
_DEVICE, _OTHER = 0x2A, 0x2B
_ENDED: Final = "connections_ended_total"
_READINGS: Final = 20


def name(device: int) -> str:
    """How a certificate names a device."""
    return f"{device:08x}.devices.example.com"


class SecureLine(Line):
    """A line of one device under TLS."""

    def __init__(self, address: Address, device: int, context: ssl.SSLContext) -> None:
        super().__init__(address, device)
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=HOST)
        except BaseException:
            self._socket.close()
            raise


def try_secure(trials: Trials, platform: Platform, config: str, project: str) -> None:
    """All that is promised of TLS, by an image. `config` is the path of its configuration file.

    Both sides ask for a certificate: the ingest the devices, and the API the ingest.
    """
    beside = PurePosixPath(config).with_name
    paths = {kind: str(beside(f"device.{kind}")) for kind in ("crt", "key", "ca")}
    pair = f'{{ certificate = "{paths["crt"]}", key = "{paths["key"]}" }}'
    asked = f'tls.client_auth = "required"\ntls.client_ca = ["{paths["ca"]}"]'
    own = f'tls = {{ ca = ["{paths["ca"]}"], certificate = "{paths["crt"]}", key = "{paths["key"]}" }}\n'

    def settings(api: Api) -> bytes:
        listening = f"tls.certificates = [{pair}]\n{asked}"
        return configuration(project, [api.address], listening) + own.encode()

    with trials.part("tls: it serves"), Pki.make() as pki:
        host, stranger = platform.gateway, Authority.make("a stranger")
        files = {
            paths["crt"]: pki.authority.sign(pki.keys[0], HOST),
            paths["key"]: private(pki.keys[0]),
            paths["ca"]: pki.authority.certificate,
        }
        with Api(host, context=pki.server(pki.authority, host, asks=True)) as api:
            files[config] = settings(api)
            with platform.start(files=files) as instance:
                instance.wait_until_ready()
                try_devices(trials, instance.http, instance.admin, pki, api)
            wrong = {**files, paths["ca"]: b"none\n", paths["key"]: b"none\n"}
            try_bad_configuration(trials, platform, ("device.ca", "device.key"), files=wrong)
        with Api(host, context=pki.server(stranger, host)) as api:
            files[config] = settings(api)
            with platform.start(files=files) as instance:
                instance.wait_until_ready()
                try_stranger(trials, instance.http, instance.admin, pki, api)


def try_devices(trials: Trials, http: Address, admin: Address, pki: Pki, api: Api) -> None:
    """An ingest that lets in devices with a certificate alone, each as itself."""
    own = partial(SecureLine, http, _DEVICE, pki.client(shown=name(_DEVICE)))
    with trials.check("tls: what a device with its certificate sends is stored and acknowledged"):
        with own() as line:
            epoch = line.hello()
            for sequence in range(1, _READINGS + 1):
                line.read(epoch, sequence)
            line.await_ack(epoch, _READINGS)
        kept = [key for key in api.stored if key[1] == epoch]
        expect(len(kept) == _READINGS, f"expected {_READINGS} readings in the API, got {len(kept)}")
    with trials.check("tls: without a certificate no device is heard, nor in the clear, and it is counted"):
        before = counted(admin, _ENDED, cause="handshake_failed")
        _expect_unheard("without a certificate", partial(SecureLine, http, _DEVICE, pki.client()))
        _expect_unheard("in the clear", partial(Line, http, _DEVICE, PATIENCE))
        await_count(admin, _ENDED, before + 2, PATIENCE, cause="handshake_failed")
    with trials.check("tls: a frame of a device that the certificate does not name ends the connection"):
        before = counted(admin, _ENDED, cause="another_device")
        with own() as line:
            epoch = line.hello()
            line.device = _OTHER
            line.read(epoch, 1)
            expect(_is_broken_off(line), "expected the end of the connection, got a frame")
        other = f"{_OTHER:08x}"
        expect(all(key[0] != other for key in api.stored), f"expected nothing of {other} in the API")
        await_count(admin, _ENDED, before + 1, PATIENCE, cause="another_device")


def try_stranger(trials: Trials, http: Address, admin: Address, pki: Pki, api: Api) -> None:
    """An API whose certificate another authority has signed."""
    with trials.check("tls: an API that can't be trusted gets no reading, and it is counted"):
        with SecureLine(http, _DEVICE, pki.client(shown=name(_DEVICE))) as line:
            line.read(line.hello(), 1)
            await_count(admin, "upstream_failures_total", 1, PATIENCE, cause="certificate_refused")
            expect(counted(admin, "acks_total") == 0, "expected no acknowledgement, there is one")
        expect(api.batches == 0, f"expected no request, {api.batches} came")


def _expect_unheard(who: str, connect: Callable[[], Line]) -> None:
    try:
        with connect() as line:
            epoch: int | None = line.hello()
    except (Unmet, OSError):  # Under TLS 1.3 it may be told so only after it has spoken.
        epoch = None
    expect(epoch is None, f"{who}: expected no welcome, got one to epoch {epoch}")


def _is_broken_off(line: Line) -> bool:
    try:
        return line.is_ended()
    except OSError:
        return True
