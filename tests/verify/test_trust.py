"""When a build gets certificate authorities beside the public ones."""

from __future__ import annotations

import base64
from pathlib import Path

import certifi
import pytest
from bedplate.errors import BadInput
from bedplate.verify.trust import additional_bundle

PUBLIC = Path(certifi.where()).read_text(encoding="ascii")
OWN = (
    "-----BEGIN CERTIFICATE-----\n"
    + base64.encodebytes(b"an authority of one company").decode()
    + "-----END CERTIFICATE-----\n"
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tmp_path / "bundle.crt"


def test_none_when_the_host_trusts_the_public_ones_only(bundle: Path) -> None:
    bundle.write_text(PUBLIC)
    assert additional_bundle({"SSL_CERT_FILE": str(bundle)}) is None


def test_the_hosts_bundle_when_it_holds_one_more(bundle: Path) -> None:
    bundle.write_text(PUBLIC + OWN)
    assert additional_bundle({"SSL_CERT_FILE": str(bundle)}) == bundle


def test_none_when_the_host_trusts_fewer(bundle: Path) -> None:
    bundle.write_text(PUBLIC[: PUBLIC.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n")
    assert additional_bundle({"SSL_CERT_FILE": str(bundle)}) is None


def test_a_named_bundle_is_taken_as_it_is(bundle: Path) -> None:
    bundle.write_text(PUBLIC)
    assert additional_bundle({"BEDPLATE_CA_BUNDLE": str(bundle)}) == bundle


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_named_bundle_that_is_none_is_refused(bundle: Path, content: str | None) -> None:
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(BadInput, match=f"BEDPLATE_CA_BUNDLE={bundle}: not a file of PEM certificates"):
        additional_bundle({"BEDPLATE_CA_BUNDLE": str(bundle)})
