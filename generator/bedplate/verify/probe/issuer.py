"""An OpenID Connect issuer for a service that is probed: discovery, keys that rotate, and tokens."""

from __future__ import annotations

import json
import time
from typing import Final

from bedplate.verify.probe.rsa import Key
from bedplate.verify.probe.web import Handler, Web
from bedplate.verify.probe.wire import JSON, Headers

AUDIENCE: Final = "probe"
SCOPE: Final = "readings"
_HOUR: Final = 3600


class Issuer(Web):
    """An issuer on an address of this machine, for the time of its with block."""

    def __init__(self, host: str, port: int = 0) -> None:
        self.key = Key.make("first")
        issuer = self

        class Publishing(Handler):
            def do_GET(self) -> None:  # noqa: N802 (as http.server calls it)
                documents = {
                    "/.well-known/openid-configuration": issuer.discovery,
                    "/keys": {"keys": [issuer.key.public]},
                }
                body = json.dumps(documents.get(self.path, {})).encode()
                self.send_response(200 if self.path in documents else 404)
                self.send_header(*JSON)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Publishing, host, port)

    @property
    def discovery(self) -> dict[str, object]:
        """The members of OpenID Connect Discovery 1.0, section 3, that a verifier needs."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    @property
    def environment(self) -> dict[str, str]:
        """Settings of a service that trusts it."""
        return {"OIDC_ISSUER": self.url, "OIDC_AUDIENCE": AUDIENCE, "OIDC_SCOPE": SCOPE}

    def claims(self, **changes: object) -> dict[str, object]:
        """Claims that are accepted, for an hour, unless `changes` break them."""
        now = int(time.time())
        valid = {
            "iss": self.url,
            "sub": "somebody",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + _HOUR,
            "scope": f"openid {SCOPE}",
        }
        return {**valid, **changes}

    def token(self, **changes: object) -> str:
        """A token that is signed with the present key."""
        return self.key.token(self.claims(**changes))

    def rotate(self) -> None:
        """Sign with a new key from now on, and forget the present one."""
        self.key = Key.make("second")


def bearer(token: str) -> Headers:
    """The header that carries a token."""
    return (("Authorization", f"Bearer {token}"),)
