"""The catalogue: what the data files say is what the records hold."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from bedplate.catalogue import Catalogue
from domains import DOMAINS
from shell import ROOT


def data(file: str, name: str) -> dict[str, dict[str, object]]:
    return yaml.safe_load((ROOT / "questions" / file).read_text())[name]["default"]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(ROOT)


def test_holds_every_domain_in_order(catalogue: Catalogue) -> None:
    written = data("domains.yml", "domains")
    assert list(catalogue.domains) == list(written) == list(DOMAINS)
    for name, entry in written.items():
        assert catalogue.domains[name].template == entry["template"]
        assert list(catalogue.domains[name].next) == entry["next"]


def test_holds_every_board_with_its_memory(catalogue: Catalogue) -> None:
    written = data("boards.yml", "boards")
    assert set(catalogue.boards) == set(written)
    board = catalogue.boards["mps2-an385"]
    # AN385's code memory is at 0 and its data memory at 0x20000000, 4 MiB each as QEMU maps them.
    assert (board.flash.origin, board.flash.length) == (0, 4 * 1024 * 1024)
    assert (board.ram.origin, board.ram.length) == (0x20000000, 4 * 1024 * 1024)


def test_holds_every_version(catalogue: Catalogue) -> None:
    assert dict(catalogue.versions) == data("versions.yml", "versions")


def test_is_not_changed_by_accident(catalogue: Catalogue) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalogue.domains["http-api"].title = "Other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        catalogue.domains["other"] = catalogue.domains["http-api"]  # type: ignore[index]
