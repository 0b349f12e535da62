"""The schemas of what commands print with --json: real output keeps to them, and what can't be true does not.

The output of `lock` and of `verify --sweep` is real in test_lock.py and verify/test_killing.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from output import SCHEMAS, told, validator
from shell import ROOT, Cli

Content = dict[str, Any]

QUESTIONS = """\
_subdirectory: template
domain:
  type: str
  choices: [one]
"""


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, user_environment: dict[str, str]) -> Cli:
    """A user in a project that an update has a conflict with."""
    place = tmp_path_factory.mktemp("output")
    template = Cli(place / "template", user_environment)
    files = template.directory / "template"
    files.mkdir(parents=True)
    (template.directory / "copier.yml").write_text(QUESTIONS)
    (files / "{{ _copier_conf.answers_file }}.jinja").write_text("{{ _copier_answers|to_nice_yaml }}")
    (files / "title.txt").write_text("The title\n")
    template.git("init", "--quiet", "--initial-branch=stem")
    committed(template, "1.0.0")
    project = Cli(place / "project", user_environment)
    made = template.copier(
        "copy", "--data=domain=one", "--defaults", "--quiet", template.directory, project.directory
    )
    assert made.returncode == 0, made.stderr
    project.git("init", "--quiet", "--initial-branch=stem")
    committed(project, "start")
    (files / "title.txt").write_text("The new title\n")
    (files / "new.txt").write_text("new\n")
    committed(template, "1.1.0")
    (project.directory / "title.txt").write_text("Our title\n")
    committed(project, "ours")
    return project


def committed(repository: Cli, tag: str) -> None:
    repository.git("add", "--all")
    repository.git("commit", "--quiet", f"--message={tag}")
    repository.git("tag", tag)


# By a name: the schema, the command, and its exit code. `update` comes last, since it changes the project.
COMMANDS: dict[str, tuple[str, tuple[str, ...], int]] = {
    "new": ("new", ("new", "demo", "--domain", "sensor-node", "--defaults", "--dry-run"), 0),
    "domain": ("explain", ("explain", "http-api"), 0),
    "question": ("explain", ("explain", "licence"), 0),
    "advice": (
        "advise",
        ("advise", "--need=does=firmware", "--need=does=json-api", "--need=team=changing"),
        0,
    ),
    "no part": ("advise", ("advise", "--need=start=at-once"), 0),
    "no domain": ("advise", ("advise", "--need=does=operator"), 0),
    "doctor": ("doctor", ("doctor",), 3),
    "drift": ("drift", ("drift",), 1),
    "preview": ("update", ("preview",), 1),
    "update": ("update", ("update",), 1),
}
# What takes an engine, or resolves dependencies.
ELSEWHERE: dict[str, tuple[str, Content]] = {
    "lock": ("lock", {"checked": True, "changes": [{"lock": "http-api: go.sum", "state": "stale"}]}),
    "sweep": ("sweep", {"here.0123abcd": "1 container, 1 network"}),
}


@pytest.fixture(scope="module")
def outputs(user: Cli) -> dict[str, tuple[str, Content]]:
    """What each command printed, which kept to the schema that is named."""
    found = dict(ELSEWHERE)
    for name, (schema, command, code) in COMMANDS.items():
        finished = user.bedplate(*command, "--json", DOCKER_HOST="unix:///no/such/engine.sock")
        assert finished.returncode == code, finished.stderr
        found[name] = (schema, told(finished, schema))
    return found


def test_outputs_of_commands_keep_to_their_schemas(outputs: dict[str, tuple[str, Content]]) -> None:
    for schema, content in outputs.values():
        validator(schema).validate(content)
    assert {schema for schema, _ in outputs.values()} == {
        path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json")
    }
    # Where they have something to say of each kind, so that the schema was asked.
    of = {name: content for name, (_, content) in outputs.items()}
    assert of["drift"]["changed"] == of["preview"]["conflicts"] == of["update"]["conflicts"] == ["title.txt"]
    assert ["A", "new.txt"] in of["update"]["changes"]
    assert ("diff" in of["preview"], "diff" in of["update"]) == (True, False)
    assert of["advice"]["wires"]
    assert of["no domain"]["verdicts"][0]["elsewhere"]
    assert {item["present"] for item in of["doctor"]["items"]} == {True, False}


@pytest.mark.parametrize(
    "domain", yaml.safe_load((ROOT / "questions/domains.yml").read_text())["domains"]["default"]
)
def test_every_domain_is_explained_by_the_schema(cli: Cli, domain: str) -> None:
    assert told(cli.bedplate("explain", domain, "--json"), "explain")["name"] == domain


def test_every_part_is_advised_by_the_schema(cli: Cli) -> None:
    parts = yaml.safe_load((ROOT / "questions/advice.yml").read_text())["parts"]
    finished = cli.bedplate("advise", *(f"--need=does={part}" for part in parts), "--json")
    assert [verdict["part"] for verdict in told(finished, "advise")["verdicts"]] == list(parts)


Change = Callable[[Content], object]
UNTRUE: dict[str, tuple[str, Change]] = {
    "a project without files": ("new", lambda c: c.update(files=[])),
    "a file outside the project": ("new", lambda c: c["files"][0].update(path="../x")),
    "a file of less than nothing": ("new", lambda c: c["files"][0].update(size=-1)),
    "a project of no domain": ("new", lambda c: c["answers"].pop("domain")),
    "written perhaps": ("new", lambda c: c.update(written="yes")),
    "a domain without options": ("domain", lambda c: c.pop("options")),
    "an option without a default": ("domain", lambda c: c["options"][0].pop("default")),
    "an option with a file twice": ("domain", lambda c: c["options"][0].update(files=["x", "x"])),
    "a question that no domain asks": ("question", dict.clear),
    "a question explained in words": ("question", lambda c: c.update({"http-api": "a licence"})),
    "advice about nothing": ("advice", lambda c: c.update(verdicts=[])),
    "a domain, and elsewhere as well": ("advice", lambda c: c["verdicts"][0].update(elsewhere="x")),
    "decided by nothing": ("advice", lambda c: c["verdicts"][0].update(pulls=[])),
    "a wire with one end": ("advice", lambda c: c["wires"][0]["ends"].pop()),
    "a domain for no part": ("no part", lambda c: c["verdicts"][0].update(domain="http-api")),
    "a domain beside nothing": (
        "no part",
        lambda c: c["verdicts"][0].update(beside=None, beside_domain="http-api"),
    ),
    "no domain, and nowhere to begin": ("no domain", lambda c: c["verdicts"][0].update(elsewhere=None)),
    "a level that is possible and lacks something": (
        "doctor",
        lambda c: c["levels"][1].update(possible=True),
    ),
    "a level that lacks nothing and is not possible": (
        "doctor",
        lambda c: c["levels"][0].update(possible=False),
    ),
    "an item of another group": ("doctor", lambda c: c["items"][0].update(group="luck")),
    "a level of another name": ("doctor", lambda c: c["levels"][0].update(name="deep")),
    "changed without a difference": ("drift", lambda c: c.update(diff="")),
    "a difference without a change": ("drift", lambda c: c.update(changed=[])),
    "drift from no version": ("drift", lambda c: c.update(version=None)),
    "a change of another kind": ("update", lambda c: c["changes"][0].__setitem__(0, "R")),
    "a change of no file": ("update", lambda c: c["changes"][0].pop()),
    "a change of two files": ("preview", lambda c: c["changes"][0].append("x")),
    "a conflict twice": ("preview", lambda c: c["conflicts"].extend(c["conflicts"])),
    "a lock file in another state": ("lock", lambda c: c["changes"][0].update(state="old")),
    "a lock file of no name": ("lock", lambda c: c["changes"][0].update(lock="")),
    "a count of what was removed": ("sweep", lambda c: c.update({"here.0123abcd": 2})),
    **{
        f"a member that nobody knows: {name}": (name, lambda c: c.update(extra=1))
        for name in ("new", "domain", "question", "advice", "doctor", "drift", "update", "lock", "sweep")
    },
}


@pytest.mark.parametrize("name", UNTRUE)
def test_output_that_could_not_be_true_is_refused(outputs: dict[str, tuple[str, Content]], name: str) -> None:
    output, change = UNTRUE[name]
    schema, content = outputs[output][0], deepcopy(outputs[output][1])
    change(content)
    assert content != outputs[output][1]
    with pytest.raises(jsonschema.ValidationError):
        validator(schema).validate(content)


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.schema.json")), ids=lambda path: path.name)
def test_a_schema_is_named_after_its_command_and_describes_each_member(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert schema["$id"] == f"urn:bedplate:{path.name.removesuffix('.schema.json')}:1"
    assert schema["description"].startswith("What `bedplate ")
    parts = (schema, *schema.get("$defs", {}).values())
    members = [member for part in parts for member in part.get("properties", {}).items()]
    assert [name for name, member in members if not member.get("description")] == []


@pytest.mark.parametrize(
    "command",
    [
        ("new", "demo", "--domain", "sensr-node", "--defaults"),
        ("explain", "http-apy"),
        ("advise", "--need=x"),
        ("drift", "nowhere"),
        ("preview", "nowhere"),
        ("update", "nowhere"),
        ("lock", "--check", "--upgrade"),
        ("verify", "http-apy"),
    ],
    ids=lambda command: command[0],
)
def test_what_ends_with_a_message_prints_nothing(cli: Cli, command: tuple[str, ...]) -> None:
    finished = cli.bedplate(*command, "--json")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith("bedplate: ")
