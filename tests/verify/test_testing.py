"""The plugin of pytest: sentences about projects, for owners of templates."""

from __future__ import annotations

import sys

import pytest
from shell import Cli

HOLD = """
def test_files(emitted):
    node = emitted("sensor-node", description="A node.")
    node.has_file("Makefile").has_no_file("go.mod").says("A node.", "README.md")


def test_the_same_answers_give_the_same_project(emitted):
    assert emitted("sensor-node", owner="Ada").root == emitted("sensor-node", owner="Ada").root
    assert emitted("sensor-node", owner="Ada").root != emitted("sensor-node", owner="Bob").root
"""
DO_NOT_HOLD = """
def test_a_file(emitted):
    emitted("sensor-node").has_file("go.mod")


def test_no_file(emitted):
    emitted("sensor-node").has_no_file("Makefile")


def test_a_text(emitted):
    emitted("sensor-node").says("no such words", "README.md")


def test_a_service(emitted):
    emitted("sensor-node").serves("/")


def test_an_answer(emitted):
    emitted("sensor-node", owner=" ")
"""
SERVE = """
def test_a_service(emitted):
    emitted("http-api").builds().serves("/v1/readings").serves("/nothing", status=404)


def test_another_answer(emitted):
    emitted("http-api").serves("/nothing")
"""
BUILD = """
def test_a_level(emitted):
    emitted("http-api").builds()
"""


def tried(template: Cli, tests: str) -> str:
    """What pytest prints for tests beside a template."""
    (template.directory / "test_projects.py").write_text(tests)
    patient = Cli(template.directory, template.environment, within=1200)
    return patient.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short").stdout


def test_sentences_that_hold_pass(template_repository: Cli) -> None:
    printed = tried(template_repository, HOLD)
    assert "2 passed" in printed, printed


def test_sentences_that_do_not_hold_say_so(template_repository: Cli) -> None:
    printed = tried(template_repository, DO_NOT_HOLD)
    assert "5 failed" in printed, printed
    for said in (": there is no go.mod", ": there is Makefile", ": README.md does not say 'no such words'"):
        assert said in printed
    assert ": is no service" in printed
    assert "BadInput" in printed


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
def test_a_service_is_built_and_answers(template_repository: Cli) -> None:
    printed = tried(template_repository, SERVE)
    assert "1 failed, 1 passed" in printed, printed
    assert "GET /nothing was answered with 404, not 200" in printed


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
def test_a_level_that_is_not_green_shows_its_log(template_repository: Cli) -> None:
    main = next((template_repository.directory / "templates/go-service/cmd").rglob("main.go*"))
    main.write_text(main.read_text().replace("func main() {", "func main()  {"))
    printed = tried(template_repository, BUILD)
    assert "1 failed" in printed, printed
    assert "not build green; again with: bedplate verify --row http-api:" in printed
    assert "main.go" in printed
