"""What comes out: every file of the template somewhere, junk nowhere, the shared files right."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from bedplate.catalogue import Catalogue
from domains import DOMAINS
from shell import ROOT, Cli

BOARDS = Catalogue.load(ROOT).boards
# Answers that, with the defaults, bring in every file of the templates.
ANSWERS = [
    *((domain, ()) for domain in DOMAINS),
    ("http-api", ("auth=oidc", "database=postgres")),
    ("http-api", ("database=sqlite", "ci=gitlab")),
    (
        "http-gateway",
        ("deploy=systemd", "ci=gitlab", "rate_limit=true", "tls=true", "http2=true", "tracing=true"),
    ),
    ("event-worker", ("broker=nats", "database=postgres")),
    ("event-worker", ("broker=kafka",)),
    ("tcp-proxy", ("rate_limit=true",)),
    ("stream-ingest", ("tls=true",)),
    *(("sensor-node", (f"board={board}",)) for board in BOARDS),
    *(("sensor-node", (f"board={board}", "hardening_mpu=true")) for board in BOARDS if board != "nrf51822"),
    ("sensor-node", ("ci=gitlab", "runtime=rtic", "logging=defmt")),
    ("sensor-node", ("runtime=embassy", "board=nrf51822", "logging=defmt")),
    ("sensor-node", ("runtime=embassy",)),
]
GO = ("http-api", "rpc-api", "event-worker", "metrics-exporter")
SHARED = {".copier-answers.yml", ".editorconfig", ".gitattributes", "LICENSE", "SECURITY.md", "README.md"}
# Names at the bounds of what is accepted: shortest, longest, digits, hyphens.
NAMES = ("a1", "a" * 40, "x9-y8-z7", "a-b-c-d-e-f-g-h")
# The Apache licence as its authors publish it: sha256 of https://www.apache.org/licenses/LICENSE-2.0.txt
APACHE = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def emit(cli: Cli, name: str, domain: str, source: Path, *answers: str) -> Path:
    settings = [part for answer in answers for part in ("--set", answer)]
    finished = cli.bedplate(
        "new", name, "--domain", domain, "--defaults", "--source", source, "--json", *settings
    )
    assert finished.returncode == 0, finished.stderr
    return Path(json.loads(finished.stdout)["destination"])


def test_every_template_file_is_emitted_by_some_answers(
    cli: Cli, template_tree: Path, tmp_path: Path
) -> None:
    """Each file is replaced by its own name, so that whatever comes out says where it came from."""
    marked = tmp_path / "marked"
    shutil.copytree(template_tree, marked)
    templates = [path for path in (marked / "templates").iterdir() if not path.name.startswith("_")]
    sources = {path for template in templates for path in template.rglob("*") if path.is_file()}
    names = {str(path.relative_to(marked)) for path in sources if "answers_file" not in path.name}
    for name in names:
        text = f"{{% raw %}}{name}{{% endraw %}}" if name.endswith(".jinja") else name
        (marked / name).write_text(text)
    emitted = {
        path.read_text()
        for number, (domain, answers) in enumerate(ANSWERS)
        for path in emit(cli, str(number), domain, marked, *answers).rglob("*")
        if path.is_file()
    }
    assert names - emitted == set()


def test_junk_in_the_template_stays_there(cli: Cli, template_tree: Path, tmp_path: Path) -> None:
    littered = tmp_path / "littered"
    shutil.copytree(template_tree, littered)
    junk = ("__pycache__/x.cpython-311.pyc", "deep/__pycache__/y.pyc", "z.pyc", ".DS_Store", "deep/.DS_Store")
    for name in (*junk, "_drafts/notes.md"):
        path = littered / "templates/go-service" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("junk\n")
    clean = emit(cli, "clean", "http-api", template_tree)
    project = emit(cli, "clean2", "http-api", littered, "project_name=clean")
    assert files_of(project) == files_of(clean)


def files_of(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", NAMES)
def test_emits_under_any_accepted_name(cli: Cli, template_tree: Path, domain: str, name: str) -> None:
    project = emit(cli, "project", domain, template_tree, f"project_name={name}")
    emitted = files_of(project)
    assert emitted >= SHARED
    assert max(map(len, emitted)) <= 150
    assert not any(set(path) & set('<>:"|?*\\{}') for path in emitted)


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_same_answers_give_the_same_bytes(cli: Cli, template_repository: Cli, domain: str) -> None:
    (template_repository.directory / "questions/uncommitted.txt").write_text("a working tree in use\n")
    one = emit(cli, "one", domain, template_repository.directory, "project_name=same")
    two = emit(cli, "two", domain, template_repository.directory, "project_name=same")
    assert cli.run("diff", "--recursive", one, two).stdout == ""


def test_apache_is_the_published_text_with_the_owner(cli: Cli, template_tree: Path) -> None:
    project = emit(cli, "demo", "http-api", template_tree, "owner=Ada Lovelace")
    text = (project / "LICENSE").read_text()
    assert text.count("Copyright Ada Lovelace") == 1
    published = text.replace("Copyright Ada Lovelace", "Copyright [yyyy] [name of copyright owner]")
    assert hashlib.sha256(published.encode()).hexdigest() == APACHE


def test_mit_names_the_owner(cli: Cli, template_tree: Path) -> None:
    project = emit(cli, "demo", "sensor-node", template_tree, "licence=MIT", "owner=Ada Lovelace")
    text = (project / "LICENSE").read_text()
    assert text.startswith("MIT License\n\nCopyright (c) Ada Lovelace\n")
    assert text.endswith("SOFTWARE.\n")


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_editor_is_told_how_each_language_is_indented(cli: Cli, template_tree: Path, domain: str) -> None:
    text = (emit(cli, "demo", domain, template_tree) / ".editorconfig").read_text()
    assert ("[{*.go,go.mod}]" in text) == (domain in GO)
    assert ("[*.rs]" in text) == (domain not in GO)


@pytest.mark.parametrize("domain", DOMAINS)
def test_line_ends_are_the_same_on_every_system(cli: Cli, template_tree: Path, domain: str) -> None:
    project = Cli(emit(cli, "demo", domain, template_tree), cli.environment)
    project.git("init", "--quiet")
    project.git("add", "--all")
    assert "eol: lf" in project.git("check-attr", "eol", "README.md")
    lock = "go.sum" if domain in GO else "Cargo.lock"
    assert "linguist-generated: set" in project.git("check-attr", "linguist-generated", lock)


@pytest.mark.parametrize(
    ("domain", "answer", "program"),
    [("http-api", "database=postgres", "POSTGRES"), ("http-gateway", "deploy=kustomize", "CARGO_DENY")],
)
def test_versions_in_the_makefile_are_renewed(
    cli: Cli, template_tree: Path, domain: str, answer: str, program: str
) -> None:
    """What Renovate's preset customManagers:makefileVersions looks for: a comment, and `…_VERSION` below."""
    makefile = (emit(cli, "it", domain, template_tree, answer) / "Makefile").read_text()
    literal = re.findall(r"(?m)^(\w+) *[:?]?= *(?:\w+:)?v?\d\S*$", makefile)
    comment = r"# renovate: datasource=[a-z-]+ depName=\S+(?: extractVersion=\S+)?"
    known = re.findall(rf"(?m)^{comment}\n(\w+_VERSION) *[:?]?= *\S+$", makefile)
    assert f"{program}_VERSION" in known
    assert literal == known


def test_a_program_that_the_user_names_is_not_built(cli: Cli, template_tree: Path) -> None:
    project = Cli(emit(cli, "it", "http-gateway", template_tree), cli.environment)
    own, named = (project.run("make", "--dry-run", "deny", *set).stdout for set in ((), ("CARGO_DENY=deny",)))
    assert own.startswith("cargo install ")
    assert named == "deny --locked check bans licenses sources\n"


def test_an_undefined_name_in_a_template_is_an_error(cli: Cli, template_tree: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(template_tree, broken)
    (broken / "templates/go-service/oops.txt.jinja").write_text("{{ projct_name }}\n")
    finished = cli.bedplate("new", "demo", "--domain", "http-api", "--defaults", "--source", broken)
    assert finished.returncode == 2
    assert "templates/go-service/oops.txt.jinja:1: 'projct_name' is undefined" in finished.stderr
    assert not (cli.directory / "demo").exists()


def test_the_repository_carries_what_these_tests_copy() -> None:
    assert all(
        (ROOT / part).exists() for part in ("copier.yml", "questions", "templates", "locks", "contract")
    )
