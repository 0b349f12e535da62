"""`render` for other parts of the program: in a process apart, and from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from bedplate.errors import BadInput
from bedplate.render import Source, checkout, render
from domains import DOMAINS
from shell import Cli


def test_renders_the_answers_and_the_defaults_of_the_rest(tmp_path: Path, template_repository: Cli) -> None:
    render(
        {"domain": "sensor-node", "licence": "MIT"}, tmp_path / "out", source=template_repository.directory
    )
    recorded = yaml.safe_load((tmp_path / "out/.copier-answers.yml").read_text())
    assert (recorded["project_name"], recorded["licence"]) == ("sensor-node", "MIT")


def test_refuses_answers_that_can_not_stand(tmp_path: Path, template_repository: Cli) -> None:
    with pytest.raises(BadInput) as raised:
        render({"licence": "GPL"}, tmp_path / "out", source=template_repository.directory)
    assert raised.value.messages == ("licence: not one of Apache-2.0, MIT", "domain: not answered")
    assert not (tmp_path / "out").exists()


def test_threads_keep_their_working_directory(
    tmp_path: Path, template_repository: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor() as pool:
        source = template_repository.directory
        list(pool.map(lambda domain: render({"domain": domain}, Path(domain), source=source), DOMAINS))
    assert Path.cwd() == tmp_path
    for domain in DOMAINS:
        recorded = yaml.safe_load((tmp_path / domain / ".copier-answers.yml").read_text())
        assert recorded["domain"] == domain


def test_a_source_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert Source.resolve("here") == Source(str(tmp_path / "here"))
    assert Source.resolve("gh:acme/bedplate", "1.0.0") == Source("gh:acme/bedplate", "1.0.0")
    assert Source.resolve("https://example.com/bedplate.git").location == "https://example.com/bedplate.git"
    assert Source.resolve("file:///srv/bedplate").location == "git+file:///srv/bedplate"


def test_the_default_source_is_the_working_tree_of_the_checkout() -> None:
    assert Source.resolve() == Source(str(checkout()), "HEAD")
