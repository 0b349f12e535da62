"""A user of plain copier, in any version that is promised."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import yaml
from shell import ROOT, Cli

FLOOR = yaml.safe_load((ROOT / "copier.yml").read_text().split("\n---\n")[0])["_min_copier_version"]
# Copier 9.19.0 checks out local repositories with an option of git that came in 2.43.1.
GIT_FOR_LOCAL_PATHS = (2, 43, 1)


@dataclass(frozen=True)
class User(Cli):
    """A user of plain copier in one version, without Bedplate's package."""

    takes_local_paths: bool = True

    def place(self, template: Cli) -> str:
        """The template's repository as this copier can take it: its path, or a URL of it."""
        return str(template.directory) if self.takes_local_paths else f"git+file://{template.directory}"

    def needs_local_paths(self) -> None:
        """Skip the test where this copier can't take a local repository with the git that is here."""
        if not self.takes_local_paths:
            pytest.skip(f"copier {FLOOR} needs git 2.43.1 for a template in a local repository")
