"""Certificates of the probe's own authority, as OpenSSL judges them."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from bedplate.verify.probe.certificates import Authority, private, private_info
from bedplate.verify.probe.rsa import Key

HOSTS = ("shop.example.com", "127.0.0.1")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make("authority of a test")


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """What listens with a certificate for `HOSTS`; OpenSSL holds the key to it."""
    directory, key = tmp_path_factory.mktemp("server"), Key.make("server")
    (directory / "certificate").write_bytes(authority.sign(key, *HOSTS))
    (directory / "key").write_bytes(private(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "certificate", directory / "key")
    return context


def handshake(server: ssl.SSLContext, authority: Authority, name: str) -> ssl.SSLObject:
    """Both sides of one, in memory, for a client that trusts the authority; raises what it finds wrong."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=authority.certificate.decode())
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(ours, theirs, server_hostname=name),
        server.wrap_bio(theirs, ours, server_side=True),
    ]
    while sides:
        for side in tuple(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)
            if not side.server_side:
                connected = side
    return connected


@pytest.mark.parametrize("host", HOSTS)
def test_a_certificate_is_trusted_for_its_hosts(
    authority: Authority, server: ssl.SSLContext, host: str
) -> None:
    assert handshake(server, authority, host).getpeercert(binary_form=True)


def test_a_certificate_is_for_no_other_host(authority: Authority, server: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(server, authority, "other.example.com")


def test_whoever_trusts_another_authority_does_not_trust_it(server: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, Authority.make("authority of a test"), HOSTS[0])


def test_the_form_of_a_key_that_java_reads_is_of_the_same_key(authority: Authority, tmp_path: Path) -> None:
    key = Key.make("server")
    (tmp_path / "certificate").write_bytes(authority.sign(key, *HOSTS))
    (tmp_path / "key").write_bytes(private_info(key))
    assert b"BEGIN PRIVATE KEY" in private_info(key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "certificate", tmp_path / "key")
