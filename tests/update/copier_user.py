"""A user of plain copier, in any version that is promised."""

from __future__ import annotations

import yaml
from shell import ROOT, Cli

# 9.19.0 can't check out a local repository with the git of Debian 12.
FLOOR = yaml.safe_load((ROOT / "copier.yml").read_text().split("\n---\n")[0])["_min_copier_version"]


class User(Cli):
    """A user of plain copier in one version, without Bedplate's package."""
