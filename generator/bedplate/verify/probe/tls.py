"""TLS of a gateway, to clients and to upstreams, with an authority of the probe's own."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Final

from bedplate.verify.probe.certificates import Authority, private
from bedplate.verify.probe.gateway import LISTENERS, started
from bedplate.verify.probe.held import PATIENT, Stalled, try_held
from bedplate.verify.probe.lifecycle import try_bad_configuration
from bedplate.verify.probe.metrics import scrape, total_ending
from bedplate.verify.probe.pki import Pki
from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until
from bedplate.verify.probe.upstream import Upstream
from bedplate.verify.probe.wire import Address, Answer, Line, render

_SHOP, _API = "shop.example.com", "api.example.com"
_PATIENCE: Final = 20.0
"""Seconds in which what was asked of a service must show."""
_ROUNDS: Final = 5
"""Times that certificates change under load."""
_CLIENTS: Final = 4
"""Clients of that load; every other one connects anew for each request."""


class SecureLine(Line):
    """A connection under TLS, to whoever has a certificate for the name."""

    def __init__(self, address: Address, context: ssl.SSLContext, name: str) -> None:
        super().__init__(address)
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=name)
        except BaseException:
            self._socket.close()
            raise
        self.shown = self._socket.getpeercert(binary_form=True)
        """The certificate of the other side, in DER."""

    def get(self, host: str, path: str = "/") -> Answer:
        """Ask for a path of a host."""
        self.send(render("GET", path, [("Host", host)]))
        return self.answer()


def try_tls(trials: Trials, platform: Platform, config: str) -> None:
    """All that is promised of TLS. `config` is the path of the image's configuration file."""
    if not platform.direct:
        trials.skip("tls: upstreams of ours", "the engine runs elsewhere and can't reach this machine")
        return
    with ExitStack() as stack, trials.part("tls: it serves"):
        pki = stack.enter_context(Pki.make())
        web = stack.enter_context(Upstream(platform.gateway))
        files = _files(pki, config, web.address)
        with started(platform, files) as instance:
            try_names(trials, instance, pki)
            try_plain(trials, instance)
            try_rotation(trials, instance, pki, config)
        asked = b'tls.client_auth = "required"\ntls.client_ca = ["%s"]\n' % _beside(config, "ca.pem").encode()
        with started(platform, {**files, config: _settings(config, web.address, asked)}) as instance:
            try_client_certificates(trials, instance, pki)
        with trials.check("tls: what reaches upstreams are well-formed requests"):
            expect_same("what h11 says of anything else", [], web.malformed)
            kept = {got.header("x-forwarded-proto") for got in web.received}
            expect_same("x-forwarded-proto at the upstream", {"https"}, kept)
        try_upstreams(trials, platform, pki, config, files)
        try_held_up(trials, platform, pki, config, files)
        wrong = {**files, _beside(config, "shop.key"): b"none\n", _beside(config, "api.crt"): b"none\n"}
        try_bad_configuration(trials, platform, ("shop.key", "api.crt"), files=wrong)


def _beside(config: str, name: str) -> str:
    return str(PurePosixPath(config).with_name(name))


def _settings(config: str, upstream: Address, more: bytes = b"") -> bytes:
    pairs = ", ".join(
        f'{{ certificate = "{_beside(config, name)}.crt", key = "{_beside(config, name)}.key" }}'
        for name in ("shop", "api")
    )
    routes = '[[route]]\npath_prefix = "/"\ncluster = "web"\n[cluster.web]\n'
    endpoints = f'endpoints = ["{upstream[0]}:{upstream[1]}"]\n'
    return LISTENERS + f"tls.certificates = [{pairs}]\n".encode() + more + (routes + endpoints).encode()


def _files(pki: Pki, config: str, upstream: Address) -> dict[str, bytes]:
    contents = {
        "ca.pem": pki.authority.certificate,
        "shop.crt": pki.authority.sign(pki.keys[0], _SHOP),
        "shop.key": private(pki.keys[0]),
        "api.crt": pki.authority.sign(pki.keys[1], _API),
        "api.key": private(pki.keys[1]),
    }
    files = {_beside(config, name): content for name, content in contents.items()}
    return {config: _settings(config, upstream), **files}


def try_names(trials: Trials, instance: Instance, pki: Pki) -> None:
    """Certificates by name, and hosts that are not the name."""
    context = pki.client()
    with trials.check("tls: a client is shown the certificate of the name that it asks for"):
        for name in (_SHOP, _API):
            with SecureLine(instance.http, context, name) as line:
                expect_same(f"status for {name}", HTTPStatus.OK, line.get(name).status)
    with (
        trials.check("tls: a request for another host is answered 421"),
        SecureLine(instance.http, context, _SHOP) as line,
    ):
        expect_same("status", HTTPStatus.MISDIRECTED_REQUEST, line.get(_API).status)
        expect_same("status of the next", HTTPStatus.OK, line.get(_SHOP).status)


def try_plain(trials: Trials, instance: Instance) -> None:
    """What comes without TLS."""
    with trials.check("tls: plain HTTP is closed without an answer, and counted"):
        before = _count(instance, "handshakes_failed_total")
        with Line(instance.http) as line:
            line.send(render("GET", "/"))
            said = line.drain(_PATIENCE)
            expect(b"HTTP/" not in said, f"expected no answer, got {said[:80]!r}")
        _wait("one more failure", lambda: _count(instance, "handshakes_failed_total") == before + 1)


def try_rotation(trials: Trials, instance: Instance, pki: Pki, config: str) -> None:
    """Certificates that change under load, and a pair that is none."""
    with trials.check("tls: certificates change under load, and no request fails"):
        with _load(instance.http, pki.client()) as lost:
            for number in range(_ROUNDS):
                key = pki.keys[number % 2]
                new = _put(instance, config, pki.authority.sign(key, _SHOP), private(key))
                instance.signal("SIGHUP")
                _wait("the new certificate", partial(_is_shown, instance, pki, new))
        expect_same("requests that failed", [], lost)
    with trials.check("tls: a key of another certificate changes nothing, and is counted"):
        before = _shown(instance, pki)
        _put(instance, config, pki.authority.sign(pki.keys[0], _SHOP), private(pki.keys[1]))
        instance.signal("SIGHUP")
        _wait("a reload that was refused", lambda: _count(instance, "reloads_refused_total") == 1)
        expect(_shown(instance, pki) == before, "expected the last good certificate, got another")


def _put(instance: Instance, config: str, certificate: bytes, key: bytes) -> bytes:
    """Write a pair anew; its certificate in DER."""
    instance.write(_beside(config, "shop.crt"), certificate)
    instance.write(_beside(config, "shop.key"), key)
    return ssl.PEM_cert_to_DER_cert(certificate.decode())


def _shown(instance: Instance, pki: Pki) -> bytes | None:
    with SecureLine(instance.http, pki.client(), _SHOP) as line:
        return line.shown


def _is_shown(instance: Instance, pki: Pki, certificate: bytes) -> bool:
    return _shown(instance, pki) == certificate


@contextmanager
def _load(address: Address, context: ssl.SSLContext) -> Iterator[list[str]]:
    """Clients that never stop asking; how each request failed that did."""
    lost: list[str] = []
    over = threading.Event()

    def ask(keeps: bool) -> None:
        while not over.is_set():
            try:
                with SecureLine(address, context, _SHOP) as line:
                    line.get(_SHOP)
                    while keeps and not over.is_set():
                        line.get(_SHOP)
            except Exception as error:
                lost.append(f"{type(error).__name__}: {error}")

    clients = [threading.Thread(target=ask, args=(number % 2 == 0,)) for number in range(_CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield lost
    finally:
        over.set()
        for client in clients:
            client.join()


def try_client_certificates(trials: Trials, instance: Instance, pki: Pki) -> None:
    """A gateway that lets nobody through without a certificate."""
    with trials.check("tls: clients come through with a certificate alone"):
        with SecureLine(instance.http, pki.client(shown="client"), _SHOP) as line:
            expect_same("status with a certificate", HTTPStatus.OK, line.get(_SHOP).status)
        try:
            with SecureLine(instance.http, pki.client(), _SHOP) as line:
                answer: Answer | None = line.get(_SHOP)
        except OSError:  # Under TLS 1.3 it may be told so only after it has asked.
            answer = None
        expect(answer is None, f"expected no answer without a certificate, got {answer}")


def try_upstreams(
    trials: Trials, platform: Platform, pki: Pki, config: str, files: Mapping[str, bytes]
) -> None:
    """TLS on both sides: an upstream to trust, which asks who the gateway is, and three that are not."""
    host, stranger = platform.gateway, Authority.make("a stranger")
    contexts = {
        "good": pki.server(pki.authority, host, asks=True),
        "other": pki.server(pki.authority, _API),
        "strange": pki.server(stranger, host),
        "plain": None,
    }
    with ExitStack() as stack, trials.check("tls: upstreams are trusted by their certificates alone"):
        upstreams = {name: stack.enter_context(Upstream(host, context)) for name, context in contexts.items()}
        settings = _clusters({name: it.address for name, it in upstreams.items()}, config)
        instance = stack.enter_context(started(platform, {**files, config: settings}))
        context = pki.client()

        def get(name: str) -> Answer:
            with SecureLine(instance.http, context, _SHOP) as line:
                return line.get(_SHOP, f"/{name}")

        expect_same("status of the good one", HTTPStatus.OK, get("good").status)
        tokens = dict.fromkeys(("other", "strange"), "tls_certificate_error") | {
            "plain": "tls_protocol_error"
        }
        for name, token in tokens.items():
            answer = get(name)
            expect_same(f"status of /{name}", HTTPStatus.BAD_GATEWAY, answer.status)
            told = answer.header("proxy-status") or ""
            expect(f"error={token}" in told, f"/{name}: expected {token}, got {told!r}")
            expect_same(f"requests that reached /{name}", 0, len(upstreams[name].received))


def try_held_up(
    trials: Trials, platform: Platform, pki: Pki, config: str, files: Mapping[str, bytes]
) -> None:
    """Large bodies that nobody reads, with TLS on both sides."""
    with Stalled(platform.gateway, pki.server(pki.authority, platform.gateway)) as upstream:
        settings = _clusters({"held": upstream.address}, config) + PATIENT
        start = partial(started, platform, {**files, config: settings})
        try_held(trials, start, _SHOP, pki.client())


def _clusters(addresses: Mapping[str, Address], config: str) -> bytes:
    ca, certificate, key = (_beside(config, name) for name in ("ca.pem", "shop.crt", "shop.key"))
    shown = f'certificate = "{certificate}", key = "{key}"'
    parts: Sequence[str] = [
        f'[[route]]\npath_prefix = "/{name}"\ncluster = "{name}"\n'
        f'[cluster.{name}]\nendpoints = ["{host}:{port}"]\ntls = {{ ca = ["{ca}"], {shown} }}\n'
        for name, (host, port) in addresses.items()
    ]
    return LISTENERS + "".join((f"tls.certificates = [{{ {shown} }}]\n", *parts)).encode()


def _count(instance: Instance, end: str) -> float:
    return total_ending(scrape(instance.admin), end)


def _wait(what: str, holds: Callable[[], bool]) -> None:
    wait_until(what, holds, _PATIENCE, 0.02)
