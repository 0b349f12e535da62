"""The command line: names, options and help texts. What a command does is in `bedplate.commands`.

Nothing heavy is imported here, so that `--help` and the completion of a shell answer at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from bedplate import __version__
from bedplate.errors import BadInput, BedplateError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Project generator for Go services, Rust data planes and Cortex-M firmware.",
    epilog="Exit codes: 0 done, 1 found something, 2 bad usage or answers, 3 missing tool or engine, "
    "4 refused, 130 interrupted.",
)

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
    int, typer.Option("--jobs", min=1, help="Rows verified at the same time, as far as memory allows.")
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


def _finish(work: Callable[[], int], debug: bool) -> None:
    """Run a command and turn its outcome into an exit code, messages on standard error."""
    try:
        code = work()
    except BedplateError as error:
        if debug:
            raise
        for message in error.messages:
            typer.echo(f"bedplate: {message}", err=True)
        code = error.exit_code
    except Exception as error:
        # Whoever closes a pipe, as `head` does, has read enough: typer ends without a word then.
        if debug or isinstance(error, BrokenPipeError):
            raise
        reason = " ".join(str(error).split())
        typer.echo(f"bedplate: {type(error).__name__}: {reason} (--debug shows where)", err=True)
        code = 1
    raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bedplate {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def new(
    destination: Destination = None,
    domain: Domain = None,
    settings: Settings = None,
    answers: Answers = None,
    defaults: Defaults = False,
    source: Source = None,
    ref: Ref = None,
    dry_run: DryRun = False,
    git: Git = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a new project. What was not answered on the command line is asked."""

    def work() -> int:
        from bedplate.commands import new as command

        options = command.NewOptions(
            destination=destination,
            domain=domain,
            settings=tuple(settings or ()),
            answers=answers,
            defaults=defaults,
            source=source,
            ref=ref,
            dry_run=dry_run,
            git=git,
            json=as_json,
        )
        return command.run(options)

    _finish(work, debug)


@app.command(name="list")
def list_domains(source: Source = None, as_json: Json = False, debug: Debug = False) -> None:
    """List what can be built. With --json: a JSON Schema of the questionnaire."""

    def work() -> int:
        from bedplate.commands import list as command

        return command.run(source, as_json)

    _finish(work, debug)


@app.command()
def explain(name: Name, source: Source = None, as_json: Json = False, debug: Debug = False) -> None:
    """Explain a domain or a question. What it emits and why in that language; what it decides."""

    def work() -> int:
        from bedplate.commands import explain as command

        return command.run(name, source, as_json)

    _finish(work, debug)


@app.command()
def advise(needs: Needs = None, source: Source = None, as_json: Json = False, debug: Debug = False) -> None:
    """Advise a language and a domain. With reasons, costs, and what would decide otherwise."""

    def work() -> int:
        from bedplate.commands import advise as command

        return command.run(tuple(needs or ()), source, as_json)

    _finish(work, debug)


@app.command()
def verify(
    domains: Domains = None,
    rows: Rows = "default",
    row: Row = None,
    level: Level = "run",
    jobs: Jobs = 1,
    engine: Engine = "auto",
    bases: Bases = "auto",
    keep_going: KeepGoing = False,
    within: Within = None,
    time_limit: TimeLimit = None,
    reuse: Reuse = False,
    report: Report = None,
    project: Existing = None,
    shard: Shard = None,
    merge: Merge = False,
    sweep: Sweep = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Emit projects and prove them. They are rendered, checked, built, run and drained, or booted."""

    def work() -> int:
        if merge:
            from bedplate.commands import merge as joining

            if row or project or shard or sweep:
                raise BadInput("--merge: takes the directories of reports, --report and --json, nothing else")
            return joining.run([Path(name) for name in domains or ()], report, as_json)
        from bedplate.commands import verify as command

        options = command.VerifyOptions(
            domains=tuple(domains or ()),
            rows=rows,
            row=tuple(row or ()),
            level=level,
            jobs=jobs,
            engine=engine,
            bases=bases,
            keep_going=keep_going,
            within=within,
            time_limit=time_limit,
            reuse=reuse,
            report=report,
            project=project,
            shard=shard,
            sweep=sweep,
            json=as_json,
        )
        return command.run(options)

    _finish(work, debug)


@app.command()
def lock(
    domains: OfDomains = None,
    check: Check = False,
    upgrade: Upgrade = False,
    engine: Engine = "auto",
    bases: Bases = "auto",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make the lock files that projects get, by the tools of their languages."""

    def work() -> int:
        from bedplate.commands import lock as command

        return command.run(command.LockOptions(tuple(domains or ()), check, upgrade, engine, bases, as_json))

    _finish(work, debug)


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Say what is here and what is missing. Engine, toolchains, base images; what each level needs."""

    def work() -> int:
        from bedplate.commands import doctor as command

        return command.run(json=as_json)

    _finish(work, debug)
