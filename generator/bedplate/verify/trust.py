"""Certificate authorities that a build has to trust beside the public ones.

Where TLS is re-signed, by a company's proxy for instance, builders reach nothing without them. They are
passed to each build as the secret `ca`, and never end up in an image that is emitted.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bedplate.errors import BadInput

VARIABLE: Final = "BEDPLATE_CA_BUNDLE"
SYSTEM_BUNDLES: Final = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/cert.pem"),
)
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def additional_bundle(environment: Mapping[str, str] | None = None) -> Path | None:
    """The bundle that builds need: the one BEDPLATE_CA_BUNDLE names, or the host's when it differs.

    The host's differs when it holds a certificate that certifi, which follows the public list, lacks.
    An authority that was public once counts as well; passing it on does no harm.

    Raises:
        BadInput: when BEDPLATE_CA_BUNDLE names no bundle.
    """
    environment = os.environ if environment is None else environment
    if named := environment.get(VARIABLE):
        bundle = Path(named).expanduser().absolute()
        if not bundle.is_file() or not certificates(bundle):
            raise BadInput(f"{VARIABLE}={named}: not a file of PEM certificates")
        return bundle
    host = host_bundle(environment)
    if host is None:
        return None
    import certifi

    return host if certificates(host) - certificates(Path(certifi.where())) else None


def host_bundle(environment: Mapping[str, str] | None = None) -> Path | None:
    """The bundle that programs on this host trust, if it is in a place that is known."""
    environment = os.environ if environment is None else environment
    named = [Path(environment["SSL_CERT_FILE"])] if environment.get("SSL_CERT_FILE") else []
    return next((path for path in (*named, *SYSTEM_BUNDLES) if path.is_file()), None)


def certificates(bundle: Path) -> frozenset[bytes]:
    """The certificates of a PEM bundle in DER."""
    text = bundle.read_text(encoding="ascii", errors="ignore")
    return frozenset(base64.b64decode("".join(body.split())) for body in _CERTIFICATE.findall(text))


def tls_context() -> ssl.SSLContext:
    """For downloads by this process: the named bundle, or the host's, or what OpenSSL finds."""
    bundle = additional_bundle() or host_bundle()
    return ssl.create_default_context(cafile=bundle)
