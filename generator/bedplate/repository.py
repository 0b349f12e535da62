"""The git repository that a project is kept in, which may be larger than the project."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import copy2, rmtree, which
from stat import S_IXUSR
from tempfile import TemporaryDirectory
from typing import Final

from bedplate.errors import BedplateError, MissingTool, Refused, shown
from bedplate.project import Project

_NAMED: Final = 3
"""Files that a message names before it only counts."""
_UNMERGED: Final = frozenset({"DD", "AU", "UD", "UA", "DU", "AA", "UU"})
"""What `git status` says of files with a conflict; from its manual."""

_MARK: Final = "^<<<<<<< before updating"
"""How copier begins what it could not merge."""


@dataclass(frozen=True)
class Repository:
    """The working tree around a project; `prefix` is the way from its top to the project, or empty."""

    top: Path
    prefix: str

    @classmethod
    def find(cls, project: Path) -> Repository | None:
        """The repository of a project, or nothing when it is in none.

        Raises:
            MissingTool: when git is not installed.
            Refused: when a part of the project is not checked out.
        """
        if which("git") is None:
            raise MissingTool("git is not installed; it has the history of a project")
        try:
            top, _, prefix = git(project, "rev-parse", "--show-toplevel", "--show-prefix").partition("\n")
        except GitFailed as error:
            if "not a git repository" in str(error):
                return None
            raise
        found = cls(Path(top), prefix.strip())
        left_out = [line[2:] for line in git(project, "ls-files", "-t").splitlines() if line.startswith("S ")]
        if left_out:
            remedy = f"add {found.prefix}" if found.prefix else "disable"
            raise Refused(
                f"{project}: a sparse checkout leaves out {_few(left_out)}; get it: "
                f"git sparse-checkout {remedy}"
            )
        return found

    @classmethod
    def around(cls, project: Path) -> Repository:
        """As `find`, but `Refused` as well for what copier can't update.

        That is a project in no repository, without a commit, or with names of files that are not UTF-8.
        """
        found = cls.find(project)
        if found is None:
            raise Refused(
                f"{project}: not in a git repository; make it one first: "
                "git init && git add --all && git commit"
            )
        try:
            git(found.top, "rev-parse", "--verify", "--quiet", "HEAD")
        except GitFailed as error:
            raise Refused(f"{project}: nothing is committed yet: git add --all && git commit") from error
        names = _git(project, "ls-tree", "-r", "--name-only", "-z", "HEAD").split(b"\0")
        texts = {name: name.decode(errors="backslashreplace") for name in names}
        if damaged := [text for name, text in texts.items() if text.encode() != name]:
            raise Refused(f"{project}: names of files that are not UTF-8: {_few(damaged)}; rename them first")
        return found

    @property
    def project(self) -> Path:
        """The directory of the project."""
        return self.top / self.prefix

    def uncommitted(self) -> list[str]:
        """Files of the project that are not as they were committed, by their paths in the project."""
        return [path for _, path in self._status("--untracked-files=all")]

    def check_clean(self) -> None:
        """Raise `Refused` when a part of the project is not committed, or has marks of a conflict."""
        status = list(self._status("--untracked-files=all"))
        if unmerged := [path for state, path in status if state in _UNMERGED]:
            raise Refused(
                f"{self.project}: conflicts of an earlier update are left in {_few(unmerged)}; "
                "`git add` or `git rm` decides, then commit"
            )
        if files := [path for _, path in status]:
            raise Refused(f"{self.project}: not committed: {_few(files)}; commit or stash first")
        plainly = ("--basic-regexp", "--no-color", "--name-only", "-z")
        try:
            marked = git(self.project, "grep", *plainly, "-e", _MARK, "--", ".").split("\0")
        except GitFailed:  # there are none
            return
        raise Refused(f"{self.project}: conflicts of an earlier update are left in {_few(marked[:-1])}")

    def conflicts(self) -> tuple[str, ...]:
        """Files of the project with a conflict: as git says, with marks of one, or with parts rejected."""
        found = set()
        for state, path in self._status("--untracked-files=all", "--ignored"):
            if state in _UNMERGED or path.endswith(".rej") or _is_marked(self.project / path):
                found.add(path.removesuffix(".rej"))
        return tuple(sorted(found))

    def changes(self) -> tuple[tuple[str, str], ...]:
        """Files of the project that differ from the last commit: `A`, `D` or `M`, and the path in it.

        For a place apart, where git ignores nothing that was there before.
        """
        listed = self._status("--untracked-files=all", "--ignored")
        return tuple((_letter(state), path) for state, path in listed)

    def committed(self, path: str) -> bytes:
        """The content of a file in the last commit."""
        return _git(self.project, "cat-file", "blob", f"HEAD:{self.prefix}{path}")

    def keep(self, path: str) -> None:
        """Put back one file as it was committed."""
        git(self.project, "restore", "--source=HEAD", "--staged", "--worktree", "--", path)

    def contest(self, path: str, before: Path | None, after: Path, *, theirs: bool) -> None:
        """Record the conflict that git makes of a file which one side removed and the other changed.

        `before` is what both began with, `after` what it was changed to, on `their` side or here.
        """
        stages = {1: before, 3 if theirs else 2: after}
        entries = [f"0 {'0' * 40}"]
        for stage, file in stages.items():
            if file is not None:
                entries.append(f"{self._written(path, file)} {stage}")
        listed = "".join(f"{entry}\t{self.prefix}{path}\0" for entry in entries)
        git(self.top, "update-index", "-z", "--index-info", stdin=listed)

    def take(self, place: Repository, changes: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        """Make the changes of a place apart, conflicts as well; all of them, or none when that fails.

        Files that git ignores and that are there are left as they are; their paths are returned.
        """
        there = {path for state, path in changes if state == "A" and self._is_taken(path)}
        taken = [(state, path) for state, path in changes if path not in there]
        try:
            for state, path in taken:
                _move(state, place.project / path, self.project / path)
            unmerged = git(place.project, "ls-files", "--unmerged", "--full-name", "-z", "--", ".")
            ignored = {f"{self.prefix}{path}" for path in there}
            stages = [one for one in unmerged.split("\0") if one and one.partition("\t")[2] not in ignored]
            if stages:
                paths = sorted({entry.partition("\t")[2] for entry in stages})
                entries = [f"0 {'0' * 40}\t{path}" for path in paths] + stages
                git(
                    self.top,
                    "update-index",
                    "-z",
                    "--index-info",
                    stdin="".join(f"{one}\0" for one in entries),
                )
        except BaseException:
            for state, path in taken:
                if state == "A":
                    (self.project / path).unlink(missing_ok=True)
                else:
                    self.keep(path)
            raise
        return tuple(sorted(there))

    def diff(self, *, colour: bool) -> bytes:
        """What was changed since the last commit, as git shows it; not for the user's own index."""
        git(self.project, "reset", "--quiet")
        git(self.project, "add", "--intent-to-add", "--force", "--", ".")
        as_it_is = (
            "--binary",
            "--no-ext-diff",
            "--no-textconv",
            f"--color={'always' if colour else 'never'}",
        )
        return _git(self.project, "diff", "HEAD", "--relative", *as_it_is, "--", ".")

    def own_files(self) -> list[str]:
        """Files of the project that git keeps or would keep, by their paths in the project."""
        listed = git(self.project, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return [path for path in listed.split("\0") if path]

    @contextmanager
    def apart(self) -> Iterator[Repository]:
        """The last commit, checked out in a temporary place of its own.

        Nothing stays of it that a user sees: git collects the few objects that were made.
        """
        with TemporaryDirectory(prefix="bedplate-") as directory:
            place = Path(directory).resolve() / "tree"
            try:
                git(self.top, "worktree", "add", "--quiet", "--detach", str(place), "HEAD")
                yield Repository(place, self.prefix)
            finally:
                # Twice, since what was interrupted while it was made is locked.
                with suppress(GitFailed):
                    git(self.top, "worktree", "remove", "--force", "--force", str(place))
                rmtree(place, ignore_errors=True)
                git(self.top, "worktree", "prune")

    def _is_taken(self, path: str) -> bool:
        obstacle = Project(self.project).obstacle(PurePosixPath(path))
        return obstacle is not None or _is_there(self.project / path)

    def _written(self, path: str, file: Path) -> str:
        """Have git store what is to be at a path; its mode, and the name that git gave it."""
        if file.is_symlink():
            stored = git(self.project, "hash-object", "-w", "--stdin", stdin=os.fspath(file.readlink()))
            return f"120000 {stored.strip()}"
        stored = git(self.project, "hash-object", "-w", f"--path={path}", str(file))
        return f"{'100755' if file.stat().st_mode & S_IXUSR else '100644'} {stored.strip()}"

    def _status(self, *options: str) -> Iterator[tuple[str, str]]:
        listed = git(self.project, "status", "--porcelain", "--no-renames", "-z", *options, "--", ".")
        for entry in filter(None, listed.split("\0")):
            yield entry[:2], entry[3:].removeprefix(self.prefix)


class GitFailed(BedplateError):
    """Git said no; the message is its own."""


def git(directory: Path, *arguments: str, stdin: str = "") -> str:
    """Run git in a directory, no hooks, and return what it prints; raises `GitFailed`."""
    return os.fsdecode(_git(directory, *arguments, stdin=stdin))


def _git(directory: Path, *arguments: str, stdin: str = "") -> bytes:
    command = ["git", "-c", f"core.hooksPath={os.devnull}", "-c", "core.quotePath=false", *arguments]
    finished = subprocess.run(
        command,
        cwd=directory,
        input=os.fsencode(stdin),
        capture_output=True,
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )
    if finished.returncode:
        said = os.fsdecode(finished.stderr).strip().splitlines() or [f"exit code {finished.returncode}"]
        # What is fatal may have a hint behind it, as where a search has met another file system.
        fatal = next((line for line in said if line.startswith("fatal: ")), said[-1])
        raise GitFailed(f"git {arguments[0]}: {fatal.removeprefix('fatal: ')}")
    return finished.stdout


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _move(state: str, before: Path, after: Path) -> None:
    """Give a file to the project, or take it from there, with directories that are empty then."""
    if state != "D":
        after.parent.mkdir(parents=True, exist_ok=True)
        after.unlink(missing_ok=True)
        copy2(before, after, follow_symlinks=False)
        return
    after.unlink(missing_ok=True)
    for parent in after.parents:
        if any(parent.iterdir()):
            break
        parent.rmdir()


def _letter(state: str) -> str:
    if state in {"??", "!!", "DU"}:  # the latter is brought back
        return "A"
    return "D" if "D" in state and state not in _UNMERGED else "M"


def _is_marked(path: Path) -> bool:
    """Whether a file has what git writes around parts that it could not merge."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return False
    return any(line.startswith(b"<<<<<<< ") for line in lines) and any(
        line.startswith(b">>>>>>> ") for line in lines
    )


def _few(files: list[str]) -> str:
    rest = len(files) - _NAMED
    return ", ".join(map(shown, files[:_NAMED])) + (f" and {rest} more" if rest > 0 else "")
