"""What an image must not be: each variant breaks one promise, and the probe names that one."""

from __future__ import annotations

import pytest
from bedplate.verify.probe.image import Expected, try_image
from frail_images import File, Variant, Workshop, told

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("probe")]

PROGRAM = b"\x7fELF" + bytes(60)
VARIANTS = {
    "faultless": (Variant(), ""),
    "root": (Variant(["USER root"]), "runs as 65532:65532"),
    "no version": (Variant(['LABEL org.opencontainers.image.version=""']), "labels"),
    "another title": (Variant(['LABEL org.opencontainers.image.title="other"']), "labels"),
    "another port": (Variant(["EXPOSE 22"]), "declares its ports"),
    "entry point with a shell": (
        Variant(['ENTRYPOINT ["/bin/sh", "-c", "/frail"]']),
        "starts without a shell",
    ),
    "a password": (Variant(['ENV DB_PASSWORD="hunter2"']), "no secret"),
    "a shell": (Variant(files=[File("/bin/sh", PROGRAM, 0o755)]), "no shell"),
    "a setuid file": (Variant(files=[File("/bin/mount", PROGRAM, 0o4755)]), "setuid"),
    "a file for everyone": (Variant(files=[File("/srv/data", b"x", 0o666)]), "writable for everyone"),
    "a program that can be changed": (
        Variant(files=[File("/frail", PROGRAM, 0o755, 65532)]),
        "can't be changed",
    ),
    "a program for another machine": (Variant(files=[File("/frail", PROGRAM, 0o555)]), "the program is for"),
    "a private key": (
        Variant(files=[File("/etc/key.pem", b"-----BEGIN PRIVATE KEY-----", 0o400)]),
        "no private key",
    ),
    "a file hidden by a layer": (Variant(removed="/etc/os-release"), "hides"),
    "too large": (Variant(files=[File("/srv/ballast", bytes(20_000_000))]), "MB"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_probe_names_what_is_wrong_with_an_image(workshop: Workshop, name: str) -> None:
    variant, claim = VARIANTS[name]
    image = workshop.image(variant)
    expected = Expected("frail", "Apache-2.0", frozenset({8080, 9090}), 18)
    wrong = told(lambda trials: try_image(trials, workshop.client, image, expected, workshop.run_id))
    if not claim:
        assert wrong == {}
    else:
        assert [check for check in wrong if claim in check], wrong
