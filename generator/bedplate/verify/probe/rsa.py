"""RSA signatures for tokens and certificates of a probe, over SHA-256: keys that protect nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_PRIME_BITS: Final = 1024
EXPONENT: Final = 65_537
"""The public one of every key."""
_ROUNDS: Final = 20
"""Of Miller and Rabin's test; a composite passes with a chance below 4^-20."""
# DER of DigestInfo for SHA-256, RFC 8017, section 9.2, note 1.
_SHA256: Final = bytes.fromhex("3031300d060960864801650304020105000420")
_SMALL_PRIMES: Final = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)


@dataclass(frozen=True)
class Key:
    """A key pair of 2048 bits."""

    id: str
    modulus: int
    secret: int
    primes: tuple[int, int]

    @classmethod
    def make(cls, id: str) -> Key:
        """A new one; takes about a second."""
        first, second = _prime(), _prime()
        order = (first - 1) * (second - 1)
        return cls(id, first * second, pow(EXPONENT, -1, order), (first, second))

    @property
    def public(self) -> dict[str, str]:
        """The public half as a JSON Web Key."""
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.id,
            "n": encoded(_bytes(self.modulus)),
            "e": encoded(_bytes(EXPONENT)),
        }

    def token(self, claims: Mapping[str, object]) -> str:
        """A JSON Web Token with these claims."""
        text = f"{part({'alg': 'RS256', 'typ': 'JWT', 'kid': self.id})}.{part(claims)}"
        return f"{text}.{encoded(self.sign(text.encode()))}"

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`, RSASSA-PKCS1-v1_5 of RFC 8017."""
        info = _SHA256 + hashlib.sha256(data).digest()
        size = len(_bytes(self.modulus))
        padded = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
        return pow(int.from_bytes(padded), self.secret, self.modulus).to_bytes(size)


def part(members: Mapping[str, object]) -> str:
    """Header or claims as they stand in a token."""
    return encoded(json.dumps(members).encode())


def encoded(data: bytes) -> str:
    """Base64 as RFC 7515 has it: of the URL alphabet, and not padded."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def _prime() -> int:
    while True:
        # The two highest bits make the product of two of them 2048 bits long.
        candidate = secrets.randbits(_PRIME_BITS) | 3 << (_PRIME_BITS - 2) | 1
        if candidate % EXPONENT != 1 and _is_prime(candidate):
            return candidate


def _is_prime(candidate: int) -> bool:
    if any(candidate % small == 0 for small in _SMALL_PRIMES):
        return False
    odd, twos = candidate - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_passes(candidate, odd, twos) for _ in range(_ROUNDS))


def _passes(candidate: int, odd: int, twos: int) -> bool:
    power = pow(2 + secrets.randbelow(candidate - 3), odd, candidate)
    if power == 1:
        return True
    for _ in range(twos):
        if power == candidate - 1:
            return True
        power = pow(power, 2, candidate)
    return False
