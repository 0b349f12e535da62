"""The site of docs/ is built without a warning, has no broken link, and fetches nothing from elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import yaml
from shell import ROOT

# What a browser fetches by itself, by the attribute that names it.
FETCHED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
QUESTIONS = ROOT / "questions"


class Page(HTMLParser):
    """What a page can be linked by, what it links to, and what it has the browser fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        if tag == "a" and (href := given.get("href")):
            self.links.add(href)
        if tag in FETCHED and (address := given.get(FETCHED[tag])):
            self.fetched.add(address)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def build(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "generator")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, which was built without a word of warning."""
    place = tmp_path_factory.mktemp("site") / "site"
    finished = build("--site-dir", place)
    assert finished.returncode == 0, finished.stderr
    assert [line for line in finished.stderr.splitlines() if line.startswith(("WARNING", "ERROR"))] == []
    return place


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(found) > len(list((ROOT / "docs").rglob("*.md")))
    return found


def test_every_link_leads_to_a_page_and_a_place_on_it(pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            address, anchor = urldefrag(link)
            if ELSEWHERE.match(address) or path.name == "404.html":
                continue
            target = path if address in {"", "."} else (path.parent / unquote(address)).resolve()
            target = target / "index.html" if target.is_dir() else target
            there = target.exists() and (
                not anchor or target.suffix != ".html" or anchor in pages[target].anchors
            )
            broken += [] if there else [(path.name, link)]
    assert broken == []


def test_no_escape_of_a_table_is_shown(pages: dict[Path, Page]) -> None:
    assert [path.name for path, page in pages.items() if any("\\|" in text for text in page.texts)] == []


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert {
        address for page in pages.values() for address in page.fetched if ELSEWHERE.match(address)
    } == set()
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        named = re.findall(
            r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", sheet.read_text(encoding="utf-8")
        )
        assert [address for pair in named for address in pair if ELSEWHERE.match(address)] == []


@pytest.mark.parametrize("fault", ["[x](nowhere.md)", "[x](verification.md#nowhere)", "[x](/x.md)"])
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path, fault: str) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    with (tmp_path / "docs/index.md").open("a", encoding="utf-8") as index:
        index.write(f"\n{fault}\n")
    config = {
        "INHERIT": str(ROOT / "mkdocs.yml"),
        "docs_dir": str(tmp_path / "docs"),
        "hooks": [str(ROOT / "ci/docs/pages.py")],
    }
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    finished = build("--config-file", tmp_path / "mkdocs.yml", "--site-dir", tmp_path / "site")
    assert finished.returncode != 0
    assert fault[4:-1] in finished.stderr


def data(file: str, name: str) -> dict[str, object]:
    entries: dict[str, object] = yaml.safe_load((QUESTIONS / f"{file}.yml").read_text())[name]["default"]
    return entries


def test_the_reference_has_every_domain_question_and_board(site: Path, pages: dict[Path, Page]) -> None:
    reference = site / "reference"
    assert pages[reference / "domains.html"].anchors >= data("domains", "domains").keys()
    assert pages[reference / "questions.html"].anchors >= data("project", "effects").keys()
    assert pages[reference / "boards.html"].anchors >= data("boards", "boards").keys()


@pytest.mark.parametrize("command", ["", "new", "verify", "preview"])
def test_the_reference_has_what_help_tells_of_a_command(site: Path, command: str) -> None:
    page = (site / "reference/command-line.html").read_text(encoding="utf-8")
    anchor = f"bedplate-{command}" if command else "bedplate"
    section = page[page.index(f'<h2 id="{anchor}"') :].partition("</table>")[0]
    texts = [word for text in Page(section).texts for word in text.split()]
    named = [command] if command else []
    finished = subprocess.run(
        [sys.executable, "-m", "bedplate", *named, "--help"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "generator"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    listed = finished.stdout.partition("Commands:")[0]
    options = set(re.findall(r"^  (--[a-z-]+)", listed, re.MULTILINE))
    choices = {
        name for listing in re.findall(r"<([a-z]+(?:\|[a-z]+)+)>", listed) for name in listing.split("|")
    }
    defaults = set(re.findall(r"\[default: ([a-z0-9]+)", listed))
    variables = set(re.findall(r"\[env var: ([A-Z_]+)", listed))
    assert options
    assert (options | choices | variables) - set(texts) == set()
    assert {f"Default: {name}" for name in defaults} <= set(re.findall(r"Default: \w+", " ".join(texts)))


@pytest.mark.parametrize("part", ["linters", "programs", "testers"])
def test_the_reference_has_every_version(site: Path, pages: dict[Path, Page], part: str) -> None:
    texts = pages[site / "reference/versions.html"].texts
    assert [item for pair in data("versions", part).items() for item in pair if str(item) not in texts] == []


SCHEMAS = sorted((ROOT / "generator").rglob("*.schema.json"))


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name)
def test_every_schema_is_published_and_told(site: Path, pages: dict[Path, Page], schema: Path) -> None:
    assert (site / "schemas" / schema.name).read_bytes() == schema.read_bytes()
    name = "report-schema" if schema.name == "report.schema.json" else "output-schemas"
    page = pages[site / f"reference/{name}.html"]
    content = json.loads(schema.read_text(encoding="utf-8"))
    assert f"../schemas/{schema.name}" in page.links
    assert content["$id"] in page.texts
    members = {
        name for part in (content, *content.get("$defs", {}).values()) for name in part.get("required", ())
    }
    assert members - set(page.texts) == set()
