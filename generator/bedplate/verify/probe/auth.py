"""Who is let in: tokens of the issuer that is trusted, for this service, and nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bedplate.verify.probe.issuer import AUDIENCE, Issuer, bearer
from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.rsa import Key, part
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.wire import Answer, Caller, Headers

Ask = Callable[[Caller, Headers], Answer]
"""Sends a request that needs a token, with headers beside its own."""
Refusal = Callable[[Answer, int], None]
"""Raises `Unmet` unless an answer says in its protocol that a token was missing (401) or too weak (403)."""

_FAR: Final = 3600
_PATIENCE: Final = 30.0
"""Seconds within which a service gives up an issuer that can't be reached."""
_SETTLED_WITHIN: Final = 6.0
"""Seconds: twice the pause between two requests for keys."""
_NOWHERE: Final = 9
"""A port that nobody listens on."""


def try_auth(trials: Trials, platform: Platform, issuer: Issuer, ask: Ask, refused: Refusal) -> None:
    """Try tokens of every kind on one instance, with a rotation of keys, then start without an issuer."""
    with trials.part("auth: it serves"), platform.start() as instance:
        instance.wait_until_ready()
        caller = Caller(instance.http)
        with trials.check("auth: without a token 401, with one of the issuer 200"):
            refused(ask(caller, ()), 401)
            refused(ask(caller, (("Authorization", "Basic cHJvYmU6cHJvYmU="),)), 401)
            expect_same("status with a token", 200, ask(caller, bearer(issuer.token())).status)
        for name, token in _bad(issuer).items():
            with trials.check(f"auth: a token {name} is refused"):
                refused(ask(caller, bearer(token)), 401)
        with trials.check("auth: a token without the scope is refused with 403"):
            refused(ask(caller, bearer(issuer.token(scope="openid"))), 403)
        with trials.check("auth: keys are rotated while it serves"):
            before = issuer.token()
            issuer.rotate()
            _settled("the new key", lambda: ask(caller, bearer(issuer.token())), 200)
            _settled("the old key", lambda: ask(caller, bearer(before)), 401)
            refused(ask(caller, bearer(before)), 401)
        with trials.check("auth: no token and no reason leaves it"):
            answer = ask(caller, bearer(issuer.token(exp=1)))
            expect(b"expired" not in answer.body, f"expected no reason in the answer, got {answer}")
            leaked = [line for line in instance.log() if "eyJ" in line]
            expect(not leaked, f"expected no token in the log, got {leaked[:1]}")
    platform.credentials = bearer(issuer.token())
    with (
        trials.check("auth: an issuer that can't be reached ends the start, in time and with a reason"),
        platform.start(environment={"OIDC_ISSUER": f"http://{platform.gateway}:{_NOWHERE}"}) as instance,
    ):
        begun = time.monotonic()
        code = instance.exit_code(_PATIENCE)
        expect_same("exit code", 1, code)
        expect("issuer" in instance.last_words(), f"expected the issuer in:\n{instance.last_words()}")
        trials.note(f"an issuer that can't be reached is given up after {time.monotonic() - begun:.1f} s")


def _settled(what: str, again: Callable[[], Answer], status: int) -> None:
    """Wait for a status: keys are asked for once in a while, and old ones in use a moment after new ones."""
    deadline = time.monotonic() + _SETTLED_WITHIN
    while (got := again().status) != status and time.monotonic() < deadline:
        pass
    expect_same(f"status with {what}", status, got)


def _bad(issuer: Issuer) -> Mapping[str, str]:
    """Tokens that must not be accepted, by what is wrong with them."""
    now = int(time.time())
    stranger = Key.make("stranger")
    head, claims, signature = issuer.token().split(".")
    other = part(issuer.claims(sub="somebody else"))
    return {
        "that has expired": issuer.token(exp=now - 1),
        "that is not valid yet": issuer.token(nbf=now + _FAR),
        "for another audience": issuer.token(aud="others"),
        "for nobody": issuer.token(aud=[]),
        "of another issuer": issuer.token(iss="https://issuer.example"),
        "of an unknown key": stranger.token(issuer.claims()),
        "of an unknown key under a known name": replace(stranger, id=issuer.key.id).token(issuer.claims()),
        "that nobody signed": f"{part({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        "with claims that were changed": f"{head}.{other}.{signature}",
        "that was cut off": f"{head}.{claims}",
        "that is none": AUDIENCE,
    }
