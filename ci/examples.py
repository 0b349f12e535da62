"""Writes examples/: the project that the defaults of each domain give, to be read without running it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from bedplate.catalogue import Catalogue
from bedplate.project import ANSWERS_FILE
from bedplate.render import render

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"


def write(domain: str, directory: Path) -> None:
    """Emit the example of a domain. The record of where it came from is left out: it names a machine."""
    render({"domain": domain, "project_name": domain}, directory)
    (directory / ANSWERS_FILE).unlink()


def main() -> None:
    """Replace all examples; the defaults are those of the template, not of whoever runs this."""
    with TemporaryDirectory(prefix="bedplate-") as place:
        settings, made = Path(place) / "settings.yml", Path(place) / "made"
        settings.write_text("{}\n", encoding="utf-8")
        os.environ["COPIER_SETTINGS_PATH"] = str(settings)
        for domain in Catalogue.load(ROOT).domains:
            write(domain, made / domain)
        for old in EXAMPLES.glob("*/"):
            shutil.rmtree(old)
        for emitted in made.iterdir():
            shutil.copytree(emitted, EXAMPLES / emitted.name, symlinks=True)


if __name__ == "__main__":
    main()
