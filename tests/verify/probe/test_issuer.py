"""The probe's issuer of tokens: what it publishes fits what it signs."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request

from bedplate.verify.probe.issuer import Issuer
from bedplate.verify.probe.rsa import Key


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def recovered(token: str, public: dict[str, str]) -> bytes:
    """What was signed, by RFC 8017, section 5.2.2, from the public half of a key alone."""
    modulus, exponent = (int.from_bytes(decoded(public[name])) for name in ("n", "e"))
    signature = int.from_bytes(decoded(token.rpartition(".")[2]))
    return pow(signature, exponent, modulus).to_bytes(len(decoded(public["n"])))


def test_a_token_is_signed_with_its_key_over_header_and_claims() -> None:
    key = Key.make("k")
    token = key.token({"sub": "ada"})
    signed = recovered(token, key.public)
    digest = hashlib.sha256(token.rpartition(".")[0].encode()).digest()
    assert len(signed) == 256
    assert signed.startswith(b"\x00\x01\xff\xff")
    assert signed.endswith(digest)
    assert json.loads(decoded(token.split(".")[0]))["kid"] == key.public["kid"] == "k"


def test_another_key_does_not_fit() -> None:
    token = Key.make("k").token({"sub": "ada"})
    assert not recovered(token, Key.make("k").public).startswith(b"\x00\x01")


def test_keys_that_are_published_are_those_that_sign_now() -> None:
    with Issuer("127.0.0.1") as issuer:

        def published() -> list[bytes]:
            with urllib.request.urlopen(issuer.url + "/.well-known/openid-configuration") as answer:  # noqa: S310
                keys = json.load(answer)["jwks_uri"]
            with urllib.request.urlopen(keys) as answer:  # noqa: S310
                return [decoded(key["n"]) for key in json.load(answer)["keys"]]

        before = published()
        issuer.rotate()
        assert published() != before
        assert published() == [issuer.key.modulus.to_bytes(256)]
