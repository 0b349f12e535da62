"""What TLS is tried with: an authority of a probe, and contexts with certificates that it has signed."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bedplate.verify.probe.certificates import Authority, private
from bedplate.verify.probe.rsa import Key


@dataclass(frozen=True)
class Pki:
    """An authority, two keys, and a directory for what a client has to read from files."""

    authority: Authority
    keys: tuple[Key, Key]
    directory: Path

    @classmethod
    @contextmanager
    def make(cls) -> Iterator[Pki]:
        """For the time of a with block; takes some seconds."""
        with TemporaryDirectory() as directory:
            keys = (Key.make("first"), Key.make("second"))
            yield cls(Authority.make("authority of a probe"), keys, Path(directory))

    def client(self, shown: str | None = None) -> ssl.SSLContext:
        """For clients that trust the authority, and show a certificate of it when they have a name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.authority.certificate.decode())
        context.set_alpn_protocols(["http/1.1"])
        if shown:
            self._load(context, self.authority, shown)
        return context

    def server(self, authority: Authority, host: str, *, asks: bool = False) -> ssl.SSLContext:
        """For an upstream with a certificate that `authority` signed for `host`.

        With `asks`, it serves nobody without a certificate of the own authority.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.authority.certificate.decode())
        self._load(context, authority, host)
        return context

    def _load(self, context: ssl.SSLContext, authority: Authority, host: str) -> None:
        (self.directory / "certificate").write_bytes(authority.sign(self.keys[0], host))
        (self.directory / "key").write_bytes(private(self.keys[0]))
        context.load_cert_chain(self.directory / "certificate", self.directory / "key")
