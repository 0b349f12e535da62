"""`bedplate lock`: make the lock files of all projects anew, or say which of them are stale."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import typer

from bedplate.errors import BadInput
from bedplate.locks import Locks, Store
from bedplate.render import checkout
from bedplate.resolving import Resolver
from bedplate.verify.run import Docker, Run


@dataclass(frozen=True)
class LockOptions:
    """What was asked for on the command line."""

    domains: tuple[str, ...] = ()
    check: bool = False
    upgrade: bool = False
    engine: Literal["auto", "container", "host"] = "auto"
    bases: Literal["auto", "registry", "local"] = "auto"
    json: bool = False


def run(options: LockOptions) -> int:
    """Resolve every dependency key, then store what came out or compare it with what is stored.

    Returns 0 when all is stored, or was up to date; 1 when `--check` found something stale.
    """
    root = checkout()
    if root is None:
        raise BadInput("lock files belong to a checkout of bedplate; this is an installed package")
    if options.check and options.upgrade:
        raise BadInput("--upgrade changes lock files, which --check does not; leave out one of them")
    store = Store(root / "locks")
    stored = store.read()
    docker = Docker.chosen(options.engine)
    with Run.start(docker, None) as running:
        announce = partial(typer.echo, err=True)
        resolver = Resolver(running, docker, options.bases, options.upgrade, announce)
        resolved = resolver.resolve(root, options.domains)
    changes = list(_changes(store, stored, resolved))
    if not options.check and changes:
        store.write(resolved)
    _tell(options, changes, root)
    return 1 if options.check and changes else 0


def _changes(store: Store, stored: Locks, resolved: Locks) -> Iterator[tuple[str, str]]:
    """Each lock file that differs, and how: its key and name, then a word."""
    for key in sorted({*stored, *resolved}):
        before, after = stored.get(key, {}), resolved.get(key, {})
        for name in sorted({*before, *after}):
            if name not in before:
                yield f"{key}: {name}", "missing"
            elif name not in after:
                yield f"{key}: {name}", "not needed"
            elif before[name] != after[name]:
                yield f"{key}: {name}", "stale"
    yield from ((name, "not needed") for name in store.unused())


def _tell(options: LockOptions, changes: list[tuple[str, str]], root: Path) -> None:
    if options.json:
        found = [{"lock": lock, "state": state} for lock, state in changes]
        typer.echo(json.dumps({"checked": options.check, "changes": found}, indent=2, ensure_ascii=False))
        return
    for lock, state in changes:
        typer.echo(f"{lock}: {state}{'' if options.check else ', mended'}")
    if not changes:
        of = f"the lock files of {', '.join(options.domains)}" if options.domains else "all lock files"
        typer.echo(f"{of} are up to date")
    elif options.check:
        typer.echo("run bedplate lock, and commit what it changes in locks/")
    else:
        typer.echo(f"written to {root / 'locks'}")
