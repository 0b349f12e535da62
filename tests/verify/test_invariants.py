"""Each invariant of an emitted tree: it holds as emitted, and breaking one thing breaks that one alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bedplate.questionnaire import Questionnaire
from bedplate.render import render
from bedplate.verify.findings import Findings, Status
from bedplate.verify.invariants import INVARIANTS, SHOWN, File, Tree, examine, parses, verdict
from bedplate.verify.rendering import foreign
from bedplate.verify.rows import Row, settled
from domains import DOMAINS
from shell import ROOT

MACHINE = "/srv/build-17"
QUESTIONNAIRE = Questionnaire.load(ROOT)


@pytest.fixture(scope="session")
def emitted(tmp_path_factory: pytest.TempPathFactory, template_tree: Path) -> dict[str, Path]:
    """A project of each domain."""
    trees = {domain: tmp_path_factory.mktemp("emitted") / domain for domain in DOMAINS}
    for domain, tree in trees.items():
        render({"domain": domain}, tree, source=template_tree)
    return trees


def failures(
    project: Path, template: str, expected: frozenset[str], said: str = "", domain: str = ""
) -> dict[str, str]:
    domain = domain or next(domain for domain, of in DOMAINS.items() if of == template)
    findings = examine(
        replace(
            Tree.read(project, template),
            expected=expected,
            names=frozenset({"project_name"}),
            machine_paths=(MACHINE,),
            foreign=foreign(settled(QUESTIONNAIRE, Row(domain))),
            free_text=(said,) if said else (),
        )
    )
    assert {check.name for check in findings.checks} == set(INVARIANTS)
    return {check.name: check.detail for check in findings.checks if check.status is Status.FAILED}


@pytest.mark.parametrize("said", ["Templates in Jinja, for /home/ada", "jinja2", "/Users/ada"])
def test_a_user_may_say_what_no_template_may(emitted: dict[str, Path], tmp_path: Path, said: str) -> None:
    project = tmp_path / "project"
    shutil.copytree(emitted["http-gateway"], project)
    expected = frozenset(file.path for file in Tree.read(project, "").files)
    append("README.md", f"{said}.\n")(project)
    append(".copier-answers.yml", f"description: >-\n  {said}\n")(project)
    assert failures(project, "rust-service", expected, said) == {}
    assert set(failures(project, "rust-service", expected)) & {
        "no template residue",
        "no path of this machine",
    }


@pytest.mark.parametrize(("domain", "template"), DOMAINS.items())
def test_what_is_emitted_keeps_every_invariant(emitted: dict[str, Path], domain: str, template: str) -> None:
    present = frozenset(file.path for file in Tree.read(emitted[domain], template).files)
    assert failures(emitted[domain], template, present, domain=domain) == {}


def append(name: str, text: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        with (root / name).open("a", newline="") as file:
            file.write(text)

    return change


def write(name: str, text: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).write_text(text, newline="")

    return change


def mode(name: str, bits: int) -> Callable[[Path], object]:
    return lambda root: (root / name).chmod(bits)


BREAKAGES = {
    "tag": (append("README.md", "{% if x %}\n"), "no template residue", "{% if"),
    "expression": (append("README.md", "{{ project_name }}\n"), "no template residue", "{{ project_name }}"),
    "comment": (append("README.md", "{# why #}\n"), "no template residue", "{# why #}"),
    "JSON": (write("testdata/contract/http.json", "{,}\n"), "TOML, YAML and JSON parse", "http.json"),
    "YAML": (append(".copier-answers.yml", "a: [\n"), "TOML, YAML and JSON parse", ".copier-answers.yml"),
    "blank": (write(".dockerignore", "\n"), "no empty file", ".dockerignore"),
    "CRLF": (append("AGENTS.md", "a\r\n"), "line ends", "AGENTS.md: carriage return"),
    "no end": (append("AGENTS.md", "a"), "line ends", "AGENTS.md: no line feed at the end"),
    "two ends": (append("AGENTS.md", "\n"), "line ends", "AGENTS.md: blank line at the end"),
    "trailing space": (append("AGENTS.md", "a \n"), "spacing", "space at the end of the line"),
    "two blank lines": (append("AGENTS.md", "\n\na\n"), "spacing", "second blank line in a row"),
    "blank start": (write(".gitignore", "\n/bin/\n"), "spacing", ".gitignore:1: blank line at the start"),
    "no script": (mode("README.md", 0o755), "executable bits", "README.md: executable"),
    "script": (mode("scripts/smoke.sh", 0o644), "executable bits", "smoke.sh: not executable"),
    "place": (append("README.md", f"see {MACHINE}/x\n"), "no path of this machine", MACHINE),
    "home": (append("README.md", "see /home/ada/x\n"), "no path of this machine", "/home/ada"),
    "other language": (append("README.md", "Run Cargo.toml\n"), "no word of another answer", "Cargo.toml"),
    "other licence": (append("README.md", "MIT License\n"), "no word of another answer", "MIT License"),
    "too much": (write("extra.txt", "a\n"), "files of these answers only", "extra.txt: not of these answers"),
    "too little": (
        lambda root: (root / "go.sum").unlink(),
        "files of these answers only",
        "go.sum: not emitted",
    ),
}


@pytest.mark.parametrize(("change", "invariant", "told"), BREAKAGES.values(), ids=BREAKAGES)
def test_a_broken_tree_breaks_its_invariant_alone(
    tmp_path: Path, emitted: dict[str, Path], change: Callable[[Path], object], invariant: str, told: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(emitted["http-api"], project)
    expected = frozenset(file.path for file in Tree.read(project, "go-service").files)
    change(project)
    found = failures(project, "go-service", expected)
    # An emptied file also starts and ends with a blank line.
    assert set(found) - ({"spacing", "line ends"} if invariant == "no empty file" else set()) == {invariant}
    assert told in found[invariant]


@pytest.mark.parametrize("name", ["a.toml", "Cargo.lock", "a.json", "a.yaml", "deep/a.yml"])
def test_a_file_of_a_data_format_has_to_be_readable_in_it(name: str) -> None:
    complaints = list(parses(Tree((File(name, b"{ = [\n"),), "go-service")))
    assert len(complaints) == 1
    assert complaints[0].startswith(f"{name}: ")


def test_every_invariant_is_seen_broken() -> None:
    assert {invariant for _, invariant, _ in BREAKAGES.values()} == set(INVARIANTS)


def test_a_user_may_write_the_words_of_another_answer(tmp_path: Path, emitted: dict[str, Path]) -> None:
    project = tmp_path / "project"
    shutil.copytree(emitted["http-api"], project)
    append("README.md", "Reads every Cargo.toml below.\n")(project)
    present = frozenset(file.path for file in Tree.read(project, "go-service").files)
    assert failures(project, "go-service", present, said="Reads every Cargo.toml") == {}


def test_each_choice_has_words_that_the_others_must_not_leave() -> None:
    told: dict[str, set[object]] = {}
    values = QUESTIONNAIRE.evaluate({"domain": "http-api"}).values
    for trace in (*values["traces"], *values["board_traces"]):
        told.setdefault(trace["question"], set()).update(trace["answers"])
    assert told.pop("template") == set(DOMAINS.values())
    templates = list(DOMAINS.values())
    assert told.pop("domain") == {name for name, template in DOMAINS.items() if templates.count(template) > 1}
    asked = [question for question in QUESTIONNAIRE if not question.computed and question.name != "domain"]
    by_domain = [QUESTIONNAIRE.evaluate({"domain": domain}).values for domain in DOMAINS]
    yes = {question.name: {True} for question in asked if question.type == "bool"}
    choices = {
        question.name: {
            choice.value for given in by_domain for choice in QUESTIONNAIRE.choices(question, given)
        }
        for question in asked
        if question.choices is not None
    }
    assert told.keys() == yes.keys() | choices.keys()
    for name, answers in (yes | choices).items():
        assert told[name] in (answers, answers - {"none"}), name


def test_braces_of_other_languages_are_no_residue(tmp_path: Path) -> None:
    (tmp_path / "ok.txt").write_text('docker ps --format "{{.ID}}"\n${{ github.sha }}\nformat!("{{}}")\n')
    findings = examine(Tree.read(tmp_path, "go-service"))
    assert findings.passed, findings


def test_many_complaints_are_cut_short() -> None:
    check = verdict("x", (str(number) for number in range(SHOWN + 5)))
    assert check.detail.splitlines()[-1] == "and 5 more"
    assert not Findings((check,)).passed
