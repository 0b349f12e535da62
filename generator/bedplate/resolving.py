"""New lock files: a project for each dependency key is rendered, and the real tool resolves it.

The tool runs in the base image that the project is built on, or on this machine. It starts from the
lock file that is stored, so that nothing moves that does not have to.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bedplate.errors import BadInput, BedplateError, MissingTool
from bedplate.locks import Locks, Store, keys
from bedplate.questionnaire import Questionnaire
from bedplate.render import render
from bedplate.verify import bases
from bedplate.verify.engine_container import MARK
from bedplate.verify.rows import select
from bedplate.verify.run import Docker, Run
from bedplate.verify.snapshot import copy_project

_WITHIN: Final = 900.0
"""Seconds for one resolution; with nothing cached it takes about twenty."""
_DOCKERFILE: Final = """\
FROM {image} AS resolve
WORKDIR /src
COPY . .
RUN --mount=type=cache,target={cache} \\
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \\
    {command}

FROM scratch
{copies}
"""
# Each would have a say in which tool runs or what it sees.
_IN_THE_WAY: Final = (".dockerignore", "rust-toolchain.toml")


@dataclass(frozen=True)
class Tool:
    """What resolves the dependencies of a language: its lock files, its cache in an image, its command.

    Not every project has all of the `files`.
    """

    language: str
    files: tuple[str, ...]
    cache: str
    command: Callable[[Path, Mapping[str, Any], bool], str]


def _go(project: Path, values: Mapping[str, Any], upgrade: bool) -> str:
    """Go takes the least versions that satisfy all, so there is nothing else to upgrade to."""
    sources = "".join(path.read_text(encoding="utf-8") for path in project.rglob("*.go"))
    used = [f"{path}@{version}" for path, version in values["modules"].items() if f'"{path}' in sources]
    get = f"go get {shlex.join(used)} && " if used else ""
    resolved = "go mod tidy && go mod verify"
    return f"{get}{resolved} && cd tools && go mod edit {shlex.join(_tools(values))} && {resolved}"


def _tools(values: Mapping[str, Any]) -> list[str]:
    """What `go mod edit` is told for the module of tools."""
    tools = [str(tool) for tool in values["go_tools"]]
    modules = (path for path in values["modules"] if any(tool.startswith(f"{path}/") for tool in tools))
    return [
        *(f"-tool={tool}" for tool in tools),
        *(f"-require={path}@{values['modules'][path]}" for path in modules),
    ]


def _cargo(project: Path, values: Mapping[str, Any], upgrade: bool) -> str:
    command = "cargo generate-lockfile" if upgrade else "cargo update --workspace"
    manifests = [name.replace(".lock", ".toml") for name in _CARGO.files]
    there = (name for name in manifests if (project / name).is_file())
    return " && ".join(f"{command} --manifest-path={name}" for name in there)


_GO: Final = Tool("go", ("go.mod", "go.sum", "tools/go.mod", "tools/go.sum"), "/go/pkg/mod", _go)
_CARGO: Final = Tool(
    "rust", ("Cargo.lock", "bench/Cargo.lock", "fuzz/Cargo.lock"), "/usr/local/cargo/registry", _cargo
)
TOOLS: Final[Mapping[str, Tool]] = {"go-service": _GO, "rust-service": _CARGO, "rust-embedded": _CARGO}
"""The tool of each template."""


@dataclass
class Resolver:
    """Makes the lock files of a template anew, without changing it.

    `docker` is nothing where this machine's own tools resolve. `upgrade` takes the newest versions that
    the manifests allow instead of those that are locked.
    """

    run: Run
    docker: Docker | None
    mode: bases.Mode
    upgrade: bool
    announce: Callable[[str], None]
    _bases: bases.Bases | None = field(default=None, init=False)

    def resolve(self, template: Path, domains: Sequence[str] = ()) -> dict[str, dict[str, str]]:
        """The lock files for every dependency key of a template, by key and name.

        With `domains` those of others are as they are stored.

        Raises:
            BadInput: when there is no such domain.
            BedplateError: when a tool can't resolve a project, with what it said.
            MissingTool: when the tool or its image can't be had.
        """
        copy = self.run.directory / "template"
        copy_project(template, copy)
        wanted, values = {}, {}
        questionnaire = Questionnaire.load(copy)
        for key, given in keys(questionnaire).items():
            evaluation = questionnaire.evaluate(given)
            wanted[key], values[key] = evaluation.answers, evaluation.values
        chosen = {row.domain for row in select(questionnaire, "default", domains)}
        stored = Store(template / "locks").read()
        Store(copy / "locks").write(_seeded(stored, values))
        return {
            key: self._resolved(key, copy, wanted[key], values[key])
            if values[key]["domain"] in chosen
            else stored.get(key, {})
            for key in wanted
        }

    def _resolved(
        self, key: str, template: Path, answers: Mapping[str, object], values: Mapping[str, Any]
    ) -> dict[str, str]:
        self.announce(f"resolving {key}")
        tool = TOOLS[str(values["template"])]
        directory = self.run.directory / "locks" / key.replace(",", "-")  # a comma ends an option of buildx
        project = directory / str(values["project_name"])
        render(answers, project, source=template)
        for name in _IN_THE_WAY:
            (project / name).unlink(missing_ok=True)
        files = tuple(name for name in tool.files if (project / name).is_file())
        for name in files:
            if not (project / name).read_text(encoding="utf-8").strip():
                (project / name).unlink()
        command = tool.command(project, values, self.upgrade)
        if self.docker is None:
            self._execute(key, ("sh", "-ec", command), project)
            made = project
        else:
            made = directory / "made"
            image = str(values["versions"][tool.language]["image"])
            dockerfile = _DOCKERFILE.format(
                image=image,
                cache=tool.cache,
                command=command,
                copies="\n".join(f"COPY --from=resolve /src/{name} /{name}" for name in files),
            )
            self._execute(key, self._build(self.docker, project, made, dockerfile, image), project)
        contents = {name: (made / name).read_text(encoding="utf-8") for name in files}
        return dict(_general(contents, values))

    def _build(
        self,
        docker: Docker,
        project: Path,
        made: Path,
        dockerfile: str,
        image: str,
    ) -> Sequence[str]:
        """The build that resolves: the Dockerfile of the project gives way to one for this."""
        (project / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        (project / MARK).write_text(self.run.id, encoding="utf-8")  # not from the cache
        if self._bases is None or bases.familiar(image) not in self._bases.provenance:
            known = self._bases.provenance if self._bases else {}
            self._bases = bases.resolve(
                self.mode, (*known, image), client=docker.client, announce=self.announce
            )
        flags = self._bases.flags_for(project)
        return (docker.client.path, "buildx", "build", *flags, f"--output=type=local,dest={made}", ".")

    def _execute(self, key: str, command: Sequence[str], project: Path) -> None:
        log = self.run.directory / "locks" / f"{key}.log"
        environment = {name: value for name, value in os.environ.items() if name != "GOFLAGS"}
        try:
            ended = self.run.processes.run(
                command, cwd=project, log=log, within=_WITHIN, environment=environment
            )
        except OSError as error:
            raise MissingTool(f"{key}: {command[0]} can't be run: {error.strerror}") from error
        if ended.passed:
            return
        if ended.code == 127:  # noqa: PLR2004 (what a shell says of a program that is not there)
            raise MissingTool(f"{key}: {ended.tail.splitlines()[-1]}")
        raise BedplateError(*(f"{key}: {line}" for line in ended.tail.splitlines()[-12:]))


def _seeded(stored: Locks, values: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Something to start from for every key: its own locks, else those of its domain, else none."""
    seeded = {}
    for key, settled in values.items():
        kin = (stored[other] for other in stored if other.split(",")[0] == settled["domain"])
        empty = dict.fromkeys(TOOLS[str(settled["template"])].files, "\n")
        seeded[key] = empty | dict(stored.get(key) or next(kin, {}))
        language = f"go {settled['versions']['go']['language']}\n"
        if not seeded[key].get("go.mod", "go").strip():
            seeded[key]["go.mod"] = language
        if "tools/go.mod" in empty:
            seeded[key]["tools/go.mod"] = language  # a tool that is no longer wanted would stay in it
    return seeded


def _general(contents: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Lock files without what differs from project to project."""
    for name, content in contents.items():
        place = Path(name)
        if place.name != "go.mod":
            yield name, content
            continue
        head, _, rest = content.partition("\n\n")
        if head != f"module {Path(values['module_path'], place.parent)}":
            raise BadInput(f"{name} begins with {head!r}, not with the path of the module")
        strangers = _direct(rest) - set(values["modules"])
        if strangers:
            raise BadInput(
                f"questions/versions.yml: no version under modules of {', '.join(sorted(strangers))}"
            )
        yield name, rest


def _direct(go_mod: str) -> set[str]:
    """The modules that a go.mod requires for its own code."""
    lines = (line.strip().removeprefix("require ").split() for line in go_mod.splitlines())
    return {words[0] for words in lines if len(words) == 2 and words[1].startswith("v")}  # noqa: PLR2004
