"""Puts the template into wheels and source distributions: a git bundle with one commit for each release.

A project that an installed Bedplate makes is updated from the bundle of a newer one, so releases keep
their tags. Only the parts that a template consists of are in it. A source distribution carries the
bundle on, since it has no history to make one of.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PARTS = ("LICENSE", "contract", "copier.yml", "locks", "questions", "templates")
RELEASE = re.compile(r"\d+\.\d+\.\d+")
WITHIN = {"wheel": "bedplate/template.bundle", "sdist": "generator/bedplate/template.bundle"}


class BundleHook(BuildHookInterface):  # type: ignore[type-arg]
    """Makes the bundle where there is a repository."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have the bundle included; an editable installation reads the template of its checkout."""
        root = Path(self.root)
        if version == "editable" or (root / WITHIN["sdist"]).exists():
            return
        if not (root / ".git").exists():
            self.app.display_warning("no git repository: the template is not included; name it with --source")
            return
        self._place = TemporaryDirectory(prefix="bedplate-")
        bundle = Path(self._place.name) / "template.bundle"
        make(root, self.metadata.version, bundle)
        build_data["force_include"][str(bundle)] = WITHIN[self.target_name]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the bundle, which is in what was built."""
        if hasattr(self, "_place"):
            self._place.cleanup()


def make(root: Path, version: str, bundle: Path) -> None:
    """Write the bundle of the releases that HEAD comes after, and of HEAD as `version`."""
    with TemporaryDirectory(prefix="bedplate-") as directory:
        releases = Path(directory) / "releases.git"
        git(root, "clone", "--quiet", "--bare", "--shared", "--no-tags", str(root), str(releases))
        tags = git(root, "tag", "--merged", "HEAD", "--sort=version:refname").split()
        refs = {tag: f"refs/tags/{tag}" for tag in tags if RELEASE.fullmatch(tag) and tag != version}
        commit = None
        for name, ref in {**refs, version: "HEAD"}.items():
            source = git(root, "rev-parse", f"{ref}^{{commit}}").strip()
            listed = git(releases, "ls-tree", source, *PARTS)
            tree = git(releases, "mktree", stdin=listed).strip()
            parents = ["-p", commit] if commit else []
            date = git(releases, "show", "--no-patch", "--format=%cI", source).strip()
            commit = git(releases, "commit-tree", tree, *parents, "-m", f"Release {name}", date=date).strip()
            git(releases, "tag", name, commit)
        git(releases, "update-ref", "refs/heads/releases", str(commit))
        git(releases, "symbolic-ref", "HEAD", "refs/heads/releases")
        git(releases, "bundle", "create", "--quiet", str(bundle), "HEAD", "releases", *refs, version)


def git(directory: Path, *arguments: str, stdin: str = "", date: str = "") -> str:
    """Run git, with a person and dates that are the same everywhere, and return what it prints."""
    about = {"NAME": "Bedplate", "EMAIL": "bedplate@localhost"} | ({"DATE": date} if date else {})
    person = {
        f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in about.items()
    }
    finished = subprocess.run(
        ["git", *arguments],
        cwd=directory,
        env=os.environ | person,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {finished.stderr.strip()}")
    return finished.stdout
