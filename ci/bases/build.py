"""Makes the stand-ins for all base images that emitted Dockerfiles name and the image of linters.

    python ci/bases/build.py [--prune]

Prints their tags. What is there already is left as it is. `--prune` removes images of recipes that are
no longer these.
"""

from __future__ import annotations

import argparse
import sys

from bedplate.errors import BedplateError
from bedplate.render import checkout
from bedplate.verify import bases
from bedplate.verify.client import Client
from bedplate.verify.linters import Linters
from bedplate.verify.standins import StandIns


def main() -> int:
    """Make them all; gives an exit code as `bedplate` does."""
    parser = argparse.ArgumentParser(description="Make the stand-ins for base images.")
    parser.add_argument("--prune", action="store_true", help="remove images of older recipes")
    options = parser.parse_args()
    root = checkout()
    if root is None:
        parser.error("the bedplate package is not installed from a checkout")
    try:
        client = Client.find()
        stand_ins = StandIns.open(root, client, say)
        made = bases.resolve("local", stand_ins.recipes, client=client, announce=say)
        for base in made.provenance.values():
            say(f"{base.image:<44} {base.reference}")
        linters = Linters.load(root).provide(client, made, say)
        say(f"{'linters':<44} {linters.tag}")
        for tag in stand_ins.prune(linters.tag) if options.prune else ():
            say(f"removed {tag}")
    except BedplateError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
