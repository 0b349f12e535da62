"""The commands, their options and help texts. What a command does is in `bedplate.commands`.

Nothing heavy is imported here, so that `--help` and the completion of a shell answer at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bedplate import __version__
from bedplate.errors import BadInput
from bedplate.options import (
    Answers,
    Bases,
    Check,
    Debug,
    Defaults,
    Destination,
    Domain,
    Domains,
    DryRun,
    Engine,
    Existing,
    Git,
    InProject,
    Jobs,
    Json,
    KeepGoing,
    Level,
    Merge,
    Moved,
    Name,
    Needs,
    OfDomains,
    Ref,
    Report,
    Reuse,
    Row,
    Rows,
    Settings,
    Shard,
    ShowDiff,
    Source,
    Sweep,
    TimeLimit,
    Upgrade,
    Within,
)
from bedplate.outcome import finish

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Project generator for Go services, Rust data planes and Cortex-M firmware.",
    epilog="Exit codes: 0 done, 1 found something, 2 bad usage or answers, 3 missing tool or engine, "
    "4 refused, 130 interrupted.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from bedplate.render import bundled_release, checkout

        root = checkout()
        typer.echo(f"bedplate {__version__}, template {f'of {root}' if root else bundled_release()}")
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

    finish(work, debug)


@app.command(name="list")
def list_domains(source: Source = None, as_json: Json = False, debug: Debug = False) -> None:
    """List what can be built. With --json: a JSON Schema of the questionnaire."""

    def work() -> int:
        from bedplate.commands import list as command

        return command.run(source, as_json)

    finish(work, debug)


@app.command()
def explain(name: Name, source: Source = None, as_json: Json = False, debug: Debug = False) -> None:
    """Explain a domain or a question. What it emits and why in that language; what it decides."""

    def work() -> int:
        from bedplate.commands import explain as command

        return command.run(name, source, as_json)

    finish(work, debug)


@app.command()
def advise(needs: Needs = None, source: Source = None, as_json: Json = False, debug: Debug = False) -> None:
    """Advise a language and a domain. With reasons, costs, and what would decide otherwise."""

    def work() -> int:
        from bedplate.commands import advise as command

        return command.run(tuple(needs or ()), source, as_json)

    finish(work, debug)


@app.command()
def preview(
    project: InProject = Path(),
    settings: Settings = None,
    source: Moved = None,
    ref: Ref = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what an update would change. The project and its repository stay as they are."""

    def work() -> int:
        from bedplate.commands import preview as command

        return command.run(project, tuple(settings or ()), source, ref, as_json)

    finish(work, debug)


@app.command()
def update(
    project: InProject = Path(),
    settings: Settings = None,
    source: Moved = None,
    ref: Ref = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Bring a project to a newer template. What its users changed is merged, conflicts are named.

    Answers stay as they are unless --set changes them; new questions take their defaults.
    """

    def work() -> int:
        from bedplate.commands import update as command

        return command.run(project, tuple(settings or ()), source, ref, as_json)

    finish(work, debug)


@app.command()
def drift(
    project: InProject = Path(),
    diff: ShowDiff = False,
    source: Moved = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare a project with its own version of the template. Which of its files were changed."""

    def work() -> int:
        from bedplate.commands import drift as command

        return command.run(project, source, diff, as_json)

    finish(work, debug)


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

    finish(work, debug)


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

    finish(work, debug)


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Say what is here and what is missing. Engine, toolchains, base images; what each level needs."""

    def work() -> int:
        from bedplate.commands import doctor as command

        return command.run(json=as_json)

    finish(work, debug)
