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
    """Write the bundle of the releases that HEAD comes after, and of HEAD itself."""
    if git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise RuntimeError("a shallow clone lacks earlier releases: git fetch --unshallow --tags")
    with TemporaryDirectory(prefix="bedplate-") as directory:
        releases = Path(directory) / "releases.git"
        git(root, "clone", "--quiet", "--bare", "--shared", "--no-tags", str(root), str(releases))
        tags = git(root, "tag", "--merged", "HEAD", "--sort=version:refname").split()
        tags = [tag for tag in tags if RELEASE.fullmatch(tag)]
        commit = ""
        for name, revision in {**{tag: tag for tag in tags}, named(root, version, tags): "HEAD"}.items():
            source = git(root, "rev-parse", f"{revision}^{{commit}}").strip()
            tree = git(releases, "mktree", stdin=git(releases, "ls-tree", source, *PARTS)).strip()
            parents = ["-p", commit] if commit else []
            date = git(releases, "show", "--no-patch", "--format=%cI", source).strip()
            commit = git(releases, "commit-tree", tree, *parents, "-m", f"Release {name}", date=date).strip()
            git(releases, "update-ref", f"refs/tags/{name}", commit)
        git(releases, "update-ref", "refs/heads/releases", commit)
        git(releases, "symbolic-ref", "HEAD", "refs/heads/releases")
        git(releases, "bundle", "create", "--quiet", str(bundle), "HEAD", "refs/heads/releases", "--tags")


def named(root: Path, version: str, tags: list[str]) -> str:
    """What HEAD is called: the version when it is released, else one that no release has (PEP 440)."""
    head = git(root, "rev-parse", "HEAD").strip()
    if version in tags and git(root, "rev-parse", f"{version}^{{commit}}").strip() == head:
        return version
    after = ".post" if version in tags else ".dev"
    count = git(root, "rev-list", "--count", *([f"{version}..HEAD"] if version in tags else ["HEAD"])).strip()
    return f"{version}{after}{count}+g{head[:12]}"


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
