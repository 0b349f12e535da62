"""The options and arguments of the command line: their names, forms and help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", envvar="BEDPLATE_DEBUG")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="REPO",
        envvar="BEDPLATE_SOURCE",
        help="Template: a path, a git URL or a git bundle.",
    ),
]
Destination = Annotated[
    Path | None,
    typer.Argument(metavar="DEST", help="Directory to make. Default: one named like the project."),
]
Domain = Annotated[
    str | None,
    typer.Option("--domain", metavar="DOMAIN", help="What is being built; `bedplate list` shows them."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Answer one question. Repeatable.")
]
Answers = Annotated[
    Path | None,
    typer.Option("--answers", metavar="FILE", help="Answers as a YAML mapping; options override."),
]
Defaults = Annotated[bool, typer.Option("--defaults", help="Take the default of every other question.")]
Ref = Annotated[
    str | None, typer.Option("--ref", metavar="REF", help="Branch, tag or commit of the template.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the files and their sizes, write none.")]
Git = Annotated[bool, typer.Option("--git", help="Make the project a git repository, all files staged.")]
Name = Annotated[str, typer.Argument(metavar="DOMAIN|QUESTION", help="What to explain.")]
Domains = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOMAIN|DIR", help="Default: all. With --merge the directories of reports."),
]
Needs = Annotated[
    list[str] | None,
    typer.Option(
        "--need", metavar="KEY=VALUE", help="One thing that is known; PART.KEY=VALUE of a part. Repeatable."
    ),
]
OfDomains = Annotated[list[str] | None, typer.Argument(metavar="DOMAIN", help="Default: all.")]
Shard = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="Only part I of N of the rows, such as 2/3.")
]
Merge = Annotated[bool, typer.Option("--merge", help="Join the reports of all shards, and end.")]
Rows = Annotated[
    Literal["default", "each", "pairwise", "triples", "all"],
    typer.Option("--rows", help="Which rows of answers: the defaults, or how far they are varied."),
]
Row = Annotated[list[str] | None, typer.Option("--row", metavar="ID", help="Only this row. Repeatable.")]
Level = Annotated[
    Literal["render", "static", "build", "run", "update"], typer.Option("--level", help="How deep.")
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", metavar="N", min=1, help="Rows verified at the same time, as far as memory allows."
    ),
]
Engine = Annotated[
    Literal["auto", "container", "host"], typer.Option("--engine", help="What builds and runs.")
]
Bases = Annotated[
    Literal["auto", "registry", "local"],
    typer.Option("--bases", help="Base images: pulled, or stand-ins made here."),
]
Within = Annotated[
    float | None,
    typer.Option("--within", metavar="SECONDS", min=1, help="Deadline of each step, in place of its own."),
]
TimeLimit = Annotated[
    float | None,
    typer.Option("--time-limit", metavar="SECONDS", min=0, help="Build no further row after that long."),
]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Go on after a failed row.")]
Reuse = Annotated[bool, typer.Option("--reuse", help="Do not prove again what was proved on the same.")]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="DIR", help="Write report.json, junit.xml and report.html.")
]
Existing = Annotated[
    Path | None, typer.Option("--project", metavar="PATH", help="Verify a project that exists.")
]
Check = Annotated[bool, typer.Option("--check", help="Change nothing; exit with 1 when one is stale.")]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", help="Take the newest versions that the manifests allow.")
]
Sweep = Annotated[bool, typer.Option("--sweep", help="Remove what killed runs left behind, and end.")]
InProject = Annotated[Path, typer.Argument(metavar="PROJECT", help="A project. Default: this directory.")]
Moved = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="REPO",
        help="Where its template is now. Default: where it was; for a project of an installation, "
        "BEDPLATE_SOURCE or the releases of this one.",
    ),
]
ShowDiff = Annotated[bool, typer.Option("--diff", help="Show what was changed in the template's files.")]
