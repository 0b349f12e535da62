"""The command line: names, options and help texts. What a command does is in `bedplate.commands`.

Nothing heavy is imported here, so that `--help` and the completion of a shell answer at once.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from bedplate import __version__
from bedplate.errors import BedplateError, Interrupted

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
        metavar="REPO", envvar="BEDPLATE_SOURCE", help="Template: a path, a git URL or a git bundle."
    ),
]


_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def _interrupt(signum: int, _frame: object) -> None:
    # One is enough: another must not cut short what the first sets off, which is cleaning up.
    for ignored in _SIGNALS:
        signal.signal(ignored, signal.SIG_IGN)
    raise Interrupted(signum)


def _finish(work: Callable[[], int], debug: bool) -> None:
    """Run a command and turn its outcome into an exit code, messages on standard error."""
    for signum in _SIGNALS:
        signal.signal(signum, _interrupt)
    try:
        code = work()
    except BedplateError as error:
        if debug:
            raise
        for message in error.messages:
            typer.echo(f"bedplate: {message}", err=True)
        code = error.exit_code
    except Interrupted as interruption:
        typer.echo("bedplate: interrupted", err=True)
        code = interruption.exit_code
    except Exception as error:
        if debug:
            raise
        typer.echo(f"bedplate: {type(error).__name__}: {error} (--debug shows where)", err=True)
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
    destination: Annotated[
        Path | None,
        typer.Argument(metavar="[DEST]", help="Directory to make. Default: one named like the project."),
    ] = None,
    domain: Annotated[
        str | None, typer.Option(help="What is being built; `bedplate list` shows them.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Answer one question. Repeatable.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answers as a YAML mapping; --set goes before them.")
    ] = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Take the default of every other question.")
    ] = False,
    source: Source = None,
    ref: Annotated[str | None, typer.Option(help="Branch, tag or commit of the template.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the files and their sizes, write none.")
    ] = False,
    git: Annotated[bool, typer.Option("--git", help="Make the project a git repository.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a new project, asking what was not answered on the command line."""

    def work() -> int:
        from bedplate.commands import new as command

        return command.run(
            command.NewOptions(
                destination,
                domain,
                tuple(settings or ()),
                answers,
                defaults,
                source,
                ref,
                dry_run,
                git,
                as_json,
            )
        )

    _finish(work, debug)


@app.command(name="list")
def list_domains(source: Source = None, as_json: Json = False, debug: Debug = False) -> None:
    """List what can be built; --json prints a JSON Schema of the questionnaire."""

    def work() -> int:
        from bedplate.commands import list as command

        return command.run(source, as_json)

    _finish(work, debug)


@app.command()
def explain(
    name: Annotated[str, typer.Argument(metavar="DOMAIN|QUESTION")],
    source: Source = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what a domain emits and why in that language, or what a question decides."""

    def work() -> int:
        from bedplate.commands import explain as command

        return command.run(name, source, as_json)

    _finish(work, debug)


@app.command()
def verify(
    domains: Annotated[list[str] | None, typer.Argument(metavar="[DOMAIN]...", help="Default: all.")] = None,
    rows: Annotated[Literal["default"], typer.Option(help="Which rows of answers.")] = "default",
    row: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this row. Repeatable.")] = None,
    level: Annotated[Literal["render", "static", "build", "run"], typer.Option(help="How deep.")] = "run",
    jobs: Annotated[int, typer.Option(min=1, help="Rows verified at the same time.")] = 1,
    engine: Annotated[
        Literal["auto", "container", "host"], typer.Option(help="What builds and runs.")
    ] = "auto",
    bases: Annotated[
        Literal["auto", "registry", "local"],
        typer.Option(help="Base images: pulled, or stand-ins made here."),
    ] = "auto",
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Go on after a failed row.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write report.json and junit.xml.")
    ] = None,
    project: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Verify a project that exists.")
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Remove what killed runs left behind, and end.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Emit projects and prove them: render, check, build, run, drain, boot."""

    def work() -> int:
        from bedplate.commands import verify as command

        return command.run(
            command.VerifyOptions(
                domains=tuple(domains or ()),
                rows=rows,
                row=tuple(row or ()),
                level=level,
                jobs=jobs,
                engine=engine,
                bases=bases,
                keep_going=keep_going,
                report=report,
                project=project,
                sweep=sweep,
                json=as_json,
            )
        )

    _finish(work, debug)


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Say what of the engine, toolchains and base images is here, and what each level needs."""

    def work() -> int:
        from bedplate.commands import doctor as command

        return command.run(json=as_json)

    _finish(work, debug)
