"""What holds for every emitted tree, whatever was answered. Reads files, runs nothing."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

import yaml

from bedplate.project import ANSWERS_FILE, Project
from bedplate.verify.findings import Check, Findings, Status

SHOWN: Final = 10
"""Complaints of one invariant that are shown."""
_REMEMBERED: Final = 1 << 17
"""Outcomes that are kept of what is asked of a text."""


@dataclass(frozen=True)
class File:
    """One emitted file: its path in the project, its content, and whether it may be executed."""

    path: str
    content: bytes
    executable: bool = False

    @property
    def suffix(self) -> str:
        """What its name says that it is: `.rs`, or the whole name of one like Makefile."""
        path = PurePosixPath(self.path)
        return path.suffix or path.name

    @cached_property
    def text(self) -> str | None:
        """The content as text; nothing when it is not text."""
        try:
            return None if b"\0" in self.content else self.content.decode()
        except UnicodeDecodeError:
            return None

    @property
    def lines(self) -> list[str]:
        """The lines of a text, without their ends."""
        return (self.text or "").split("\n")


@dataclass(frozen=True)
class Tree:
    """An emitted tree, and what it is held against.

    `template` is the one that emitted it, `expected` the paths that this template emits with the
    answers, `names` what the questionnaire calls its questions, `machine_paths` directories of this
    machine that nothing may name, `foreign` words that only other answers bring, `free_text` answers
    in the user's own words.
    """

    files: tuple[File, ...]
    template: str
    expected: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    machine_paths: tuple[str, ...] = ()
    foreign: tuple[re.Pattern[str], ...] = ()
    free_text: tuple[str, ...] = ()

    @classmethod
    def read(cls, root: Path, template: str) -> Tree:
        """Read all files of a project but git's."""
        return cls(tuple(_read(root, file.path) for file in Project(root).files()), template)

    def besides(self, pattern: re.Pattern[str]) -> tuple[File, ...]:
        """The files without answers in which the pattern is found: what a user says may say anything.

        The record of the answers, which writes them in its own way, is left out with them.
        """
        said = sorted((text for text in self.free_text if pattern.search(text)), key=len, reverse=True)
        if not said:
            return self.files
        words = re.compile("|".join(map(re.escape, said)))
        return tuple(
            replace(file, path=words.sub("", file.path), content=words.sub("", file.text).encode())
            for file in self.files
            if file.path != ANSWERS_FILE and file.text is not None
        )


Invariant = Callable[[Tree], Iterator[str]]


def examine(tree: Tree) -> Findings:
    """Hold a tree against every invariant; one check each, its detail the complaints."""
    return hold(tree, INVARIANTS)


def hold(tree: Tree, invariants: Mapping[str, Invariant]) -> Findings:
    """Hold a tree against some invariants."""
    return Findings(tuple(verdict(name, invariant(tree)) for name, invariant in invariants.items()))


def verdict(name: str, complaints: Iterable[str], seconds: float = 0.0) -> Check:
    """A check that failed when there are complaints."""
    told = list(complaints)
    if len(told) > SHOWN:
        told = [*told[:SHOWN], f"and {len(told) - SHOWN} more"]
    return Check(name, Status.FAILED if told else Status.PASSED, "\n".join(told), seconds)


def _read(root: Path, path: str) -> File:
    file = root / path
    if file.is_symlink():
        return File(path, str(file.readlink()).encode())
    return File(path, file.read_bytes(), bool(file.stat().st_mode & 0o111))


def matches(file: File, pattern: re.Pattern[str]) -> Iterator[str]:
    """`path:line: what was found` for each line in which a pattern is found."""
    for number, line in enumerate(file.lines, 1):
        if found := pattern.search(line):
            yield f"{file.path}:{number}: {found[0].strip()}"


_TAGS: Final = (
    "block|call|elif|else|endblock|endcall|endfilter|endfor|endif|endmacro|endraw|endset|endwith|"
    "extends|filter|for|from|if|import|include|macro|raw|set|with"
)


def residue(tree: Tree) -> Iterator[str]:
    """Template text that was not rendered. Braces of other languages (Go, Docker, Rust) are not."""
    names = "|".join(sorted(map(re.escape, tree.names | {"_copier_conf", "_copier_answers", "loop"})))
    pattern = re.compile(
        rf"\{{%[-+]?\s*(?:{_TAGS})\b|\{{\{{[-+]?\s*(?:{names})\b[^}}]*\}}\}}|\{{#.*#\}}|\bjinja2?\b",
        re.IGNORECASE,
    )
    for file in tree.besides(pattern):
        if file.suffix == ".jinja" or pattern.search(file.path):
            yield f"{file.path}: a name that was not rendered"
        yield from matches(file, pattern)


def parses(tree: Tree) -> Iterator[str]:
    """Each file of a data format can be read in it."""
    for file in tree.files:
        kind = "Cargo.lock" if file.path.endswith("Cargo.lock") else file.suffix
        if kind in _READERS and (complaint := _unreadable(kind, file.text or "")):
            yield f"{file.path}: {complaint}"


@lru_cache(_REMEMBERED)
def _unreadable(kind: str, text: str) -> str:
    """Why a text can't be read in its format, or nothing; most files of a row are those of a row before."""
    try:
        _READERS[kind](text)
    except (ValueError, yaml.YAMLError) as error:
        return " ".join(str(error).split())
    return ""


def _read_yaml(text: str) -> None:
    for _ in yaml.safe_load_all(text):
        pass


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    ".json": json.loads,
    ".toml": tomllib.loads,
    "Cargo.lock": tomllib.loads,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
}


def not_empty(tree: Tree) -> Iterator[str]:
    """No file is empty, or has only blanks in it."""
    return (file.path for file in tree.files if not file.content.strip())


def line_ends(tree: Tree) -> Iterator[str]:
    """Lines end with a line feed, the last one too, and nothing comes after it."""
    for file in tree.files:
        if file.text is None or not file.content:
            continue
        if b"\r" in file.content:
            yield f"{file.path}: carriage return"
        if not file.content.endswith(b"\n"):
            yield f"{file.path}: no line feed at the end"
        elif file.content.endswith(b"\n\n"):
            yield f"{file.path}: blank line at the end"


_VERBATIM: Final = frozenset({"LICENSE", ".sum", ".lock"})


def spacing(tree: Tree) -> Iterator[str]:
    """No space at the end of a line, no two blank lines in a row, none at the start."""
    for file in tree.files:
        if file.suffix in _VERBATIM or file.text is None:
            continue
        lines = file.lines
        if len(lines) > 1 and not lines[0].strip():
            yield f"{file.path}:1: blank line at the start"
        for number, (before, line) in enumerate(zip(["", *lines], lines, strict=False), 1):
            if line != line.rstrip(" \t"):
                yield f"{file.path}:{number}: space at the end of the line"
            if number > 1 and not before.strip() and not line.strip() and number < len(lines):
                yield f"{file.path}:{number}: second blank line in a row"


def executable_bits(tree: Tree) -> Iterator[str]:
    """A file may be executed exactly when it says by what."""
    for file in tree.files:
        script = file.content.startswith(b"#!") and not file.content.startswith(b"#![")
        if script != file.executable:
            yield f"{file.path}: {'not executable' if script else 'executable, but names no interpreter'}"


_PERSONAL: Final = re.compile(r"/home/(?!nonroot\b)[a-z_][a-z0-9_-]*|/Users/\w+|\b[A-Z]:\\+Users\b")


def machine_paths(tree: Tree) -> Iterator[str]:
    """Nothing names a directory of the machine that it was emitted on.

    Where its template came from is recorded in the answers file, and may be a directory.
    """
    here = [re.escape(path) for path in tree.machine_paths]
    pattern = re.compile("|".join([*here, _PERSONAL.pattern]))
    for file in tree.besides(pattern):
        for complaint in matches(file, pattern):
            recorded = file.path == ANSWERS_FILE and file.lines[_line_of(complaint)].startswith("_src_path:")
            if not recorded:
                yield complaint


def _line_of(complaint: str) -> int:
    return int(complaint.split(":")[1]) - 1


def own_files_only(tree: Tree) -> Iterator[str]:
    """Exactly the files that the template emits with these answers."""
    if tree.expected:
        emitted = {file.path for file in tree.files}
        yield from (f"{path}: not of these answers" for path in sorted(emitted - tree.expected))
        yield from (f"{path}: not emitted" for path in sorted(tree.expected - emitted))


def own_words_only(tree: Tree) -> Iterator[str]:
    """No word that only another answer brings."""
    for trace in tree.foreign:
        for file in tree.besides(trace):
            if _occurs(trace, file.text or ""):
                yield from matches(file, trace)


@lru_cache(_REMEMBERED)
def _occurs(trace: re.Pattern[str], text: str) -> bool:
    """Whether a word is in a text, which is asked of most files again and again, too."""
    return bool(trace.search(text))


INVARIANTS: Final[Mapping[str, Invariant]] = {
    "no template residue": residue,
    "TOML, YAML and JSON parse": parses,
    "no empty file": not_empty,
    "line ends": line_ends,
    "spacing": spacing,
    "executable bits": executable_bits,
    "no path of this machine": machine_paths,
    "files of these answers only": own_files_only,
    "no word of another answer": own_words_only,
}
"""All invariants of an emitted tree by the names that the report gives them."""

FOR_ANY_PROJECT: Final[Mapping[str, Invariant]] = {"TOML, YAML and JSON parse": parses}
"""What also holds once a user has worked on the project."""
