"""A private authority: certificates that a probe signs, in DER as RFC 5280 has it."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import secrets
import textwrap
from dataclasses import dataclass
from typing import Final

from bedplate.verify.probe.rsa import EXPONENT, Key

_INTEGER: Final = 0x02
_BITS: Final = 0x03
_OCTETS: Final = 0x04
_NULL: Final = bytes.fromhex("0500")
_TRUE: Final = bytes.fromhex("0101ff")
_UTF8: Final = 0x0C
_UTC_TIME: Final = 0x17
_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_SHORT: Final = 0x80
"""Lengths from here on are themselves preceded by the count of their bytes."""
# Identifiers of objects, whole: commonName, subjectAltName, basicConstraints, and what signs with what.
_COMMON_NAME: Final = bytes.fromhex("0603550403")
_ALTERNATIVE_NAME: Final = bytes.fromhex("0603551d11")
_CONSTRAINTS: Final = bytes.fromhex("0603551d13")
_RSA: Final = bytes.fromhex("06092a864886f70d010101")
_RSA_SHA256: Final = bytes.fromhex("06092a864886f70d01010b")
_VALID: Final = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """Signs what it is asked for; who trusts it trusts that."""

    key: Key
    name: str

    @classmethod
    def make(cls, name: str) -> Authority:
        """A new one, with a key of its own."""
        return cls(Key.make(name), name)

    @property
    def certificate(self) -> bytes:
        """Its own certificate in PEM."""
        constraints = _value(_SEQUENCE, _CONSTRAINTS, _TRUE, _value(_OCTETS, _value(_SEQUENCE, _TRUE)))
        return self._certificate(self.key, self.name, constraints)

    def sign(self, key: Key, *hosts: str) -> bytes:
        """A certificate of `key` in PEM for names and addresses, valid since yesterday until tomorrow."""
        names = _value(_SEQUENCE, *map(_alternative, hosts))
        return self._certificate(key, hosts[0], _value(_SEQUENCE, _ALTERNATIVE_NAME, _value(_OCTETS, names)))

    def _certificate(self, key: Key, subject: str, extension: bytes) -> bytes:
        algorithm = _value(_SEQUENCE, _RSA_SHA256, _NULL)
        now = datetime.datetime.now(datetime.UTC)
        dates = [f"{moment:%y%m%d%H%M%SZ}".encode() for moment in (now - _VALID, now + _VALID)]
        signed = _value(
            _SEQUENCE,
            _value(_VERSION, _integer(2)),
            _integer(secrets.randbits(64) | 1),
            algorithm,
            _named(self.name),
            _value(_SEQUENCE, *(_value(_UTC_TIME, date) for date in dates)),
            _named(subject),
            _public(key),
            _value(_EXTENSIONS, _value(_SEQUENCE, extension)),
        )
        return _pem("CERTIFICATE", _value(_SEQUENCE, signed, algorithm, _bits(self.key.sign(signed))))


def private(key: Key) -> bytes:
    """A key in PEM, PKCS #1 of RFC 8017."""
    return _pem("RSA PRIVATE KEY", _numbers(key))


def private_info(key: Key) -> bytes:
    """A key in PEM, PKCS #8 of RFC 5208, which is what Java reads."""
    algorithm = _value(_SEQUENCE, _RSA, _NULL)
    return _pem("PRIVATE KEY", _value(_SEQUENCE, _integer(0), algorithm, _value(_OCTETS, _numbers(key))))


def _numbers(key: Key) -> bytes:
    first, second = key.primes
    numbers = (
        *(0, key.modulus, EXPONENT, key.secret, first, second),
        *(key.secret % (first - 1), key.secret % (second - 1), pow(second, -1, first)),
    )
    return _value(_SEQUENCE, *map(_integer, numbers))


def _public(key: Key) -> bytes:
    numbers = _value(_SEQUENCE, _integer(key.modulus), _integer(EXPONENT))
    return _value(_SEQUENCE, _value(_SEQUENCE, _RSA, _NULL), _bits(numbers))


def _named(name: str) -> bytes:
    attribute = _value(_SEQUENCE, _COMMON_NAME, _value(_UTF8, name.encode()))
    return _value(_SEQUENCE, _value(_SET, attribute))


def _alternative(host: str) -> bytes:
    try:
        return _value(_IP_ADDRESS, ipaddress.ip_address(host).packed)
    except ValueError:
        return _value(_DNS_NAME, host.encode())


def _integer(number: int) -> bytes:
    # One bit more than it has, for its sign.
    return _value(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def _bits(content: bytes) -> bytes:
    return _value(_BITS, b"\x00", content)


def _value(tag: int, *content: bytes) -> bytes:
    whole = b"".join(content)
    if len(whole) < _SHORT:
        return bytes([tag, len(whole)]) + whole
    length = len(whole).to_bytes((len(whole).bit_length() + 7) // 8)
    return bytes([tag, _SHORT | len(length)]) + length + whole


def _pem(kind: str, content: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(content).decode(), 64)
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""]).encode()
