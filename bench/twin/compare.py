"""The firmware's filter, checksum and COBS beside the same in C: bytes of code, and instructions.

    python bench/twin/compare.py [--bases auto|registry|local] [--json]

For each core both sides are built, gcc's with -Os and rustc's as the emitted project says, and each has to
give what the vectors say, in QEMU. Needs a container engine; the first time takes some minutes. Ends with
1 where a limit is exceeded or a side gives something else.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bedplate.catalogue import Catalogue
from bedplate.errors import BedplateError
from bedplate.verify import bases
from bedplate.verify.client import Client
from figures import CORES, Core, Figure, figures, table
from vectors import Vectors

TWIN: Final = Path(__file__).resolve().parent
ROOT: Final = TWIN.parents[1]
PROJECT: Final = ROOT / "examples" / "sensor-node"
"""The emitted project. Tests hold it to the template."""


def main() -> int:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description="Compare emitted firmware with the same in C.")
    parser.add_argument("--bases", choices=("auto", "registry", "local"), default="auto")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    vectors = Vectors.load(ROOT / "contract" / "frames.json")
    try:
        with TemporaryDirectory(prefix="bedplate-twin-") as directory:
            given, out = Path(directory, "given"), Path(directory, "out")
            give(given, vectors, CORES)
            build(options.bases, given, out)
            found = figures((out / "figures").read_text(encoding="utf-8"), vectors)
            versions = (out / "versions").read_text(encoding="utf-8").splitlines()
    except BedplateError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(as_json(found, versions) if options.json else table(found, versions))
    return 0 if all(figure.within for figure in found) else 1


def give(place: Path, vectors: Vectors, cores: Sequence[Core]) -> None:
    """Write what the build takes beside the sources: vectors, the project's profile, and the cores."""
    place.mkdir()
    (place / "vectors.h").write_text(vectors.header(), encoding="utf-8")
    profile = tomllib.loads((PROJECT / "Cargo.toml").read_text(encoding="utf-8"))["profile"]["release"]
    # A plain value is written alike in JSON and in TOML; what build scripts are built with is of no account.
    plain = [
        f"{key} = {json.dumps(value)}\n" for key, value in profile.items() if not isinstance(value, dict)
    ]
    (place / "profile.toml").write_text(f"[profile.release]\n{''.join(plain)}", encoding="utf-8")
    (place / "plan").write_text("".join(f"{core.plan}\n" for core in cores), encoding="utf-8")


def build(mode: bases.Mode, given: Path, out: Path) -> None:
    """Build and measure in an image, which leaves `figures` and `versions` in `out`.

    Raises:
        BedplateError: when it can't be built, or a side gives something else than the vectors say.
    """
    client = Client.find()
    image = str(Catalogue.load(ROOT).versions["rust"]["image"])
    say(f"measuring on {image}")
    made = bases.resolve(mode, (image,), client=client, announce=say)
    contexts = {"bases": ROOT / "ci" / "bases" / "rust", "project": PROJECT, "given": given}
    built = client.run(
        *("buildx", "build", "--progress=plain", *made.flags((image,), "bench/twin/Dockerfile")),
        *(f"--build-context={name}={directory}" for name, directory in contexts.items()),
        *(f"--build-arg=RUST_IMAGE={image}", f"--build-arg=TARGETS={' '.join(c.target for c in CORES)}"),
        *(f"--output=type=local,dest={out}", str(TWIN)),
    )
    if built.returncode:
        raise BedplateError(f"the build ended with:\n{built.stderr[-2_000:]}")


def as_json(found: Sequence[Figure], versions: Sequence[str]) -> str:
    """The figures, with what they were measured with."""
    entries = [asdict(figure) | {"within": figure.within} for figure in found]
    return json.dumps({"versions": list(versions), "figures": entries}, indent=2) + "\n"


def say(line: str) -> None:
    """Say what takes its time, apart from the table."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
