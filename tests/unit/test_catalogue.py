"""The catalogue: what the data files say is what the records hold."""

from __future__ import annotations

import dataclasses
from typing import cast

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


def test_a_board_that_qemu_lacks_has_a_twin_that_can_take_its_place() -> None:
    boards, twins = data("boards.yml", "boards"), data("boards.yml", "twins")
    cores = {name: str(twin["core"]) for name, twin in twins.items()}
    build_only = {name: board for name, board in boards.items() if "machine" not in board}
    assert build_only
    assert {name for name, board in boards.items() if "twin" in board} == build_only.keys()
    for name, board in build_only.items():
        core = str(board["core"])
        # With or without a unit for floating point, which the name of a core ends with.
        assert core.removesuffix("F") == cores[str(board["twin"])].removesuffix("F"), name
        assert {"bark", "wait"} <= set(cast(list[str], board["drivers"])), name
        # The twin has an interrupt for its UART, and one for its timer where the chip has a time base.
        assert len(cast(dict[str, int], board["interrupts"])) == 1 + ("time_base" in board), name


def test_holds_every_version(catalogue: Catalogue) -> None:
    assert dict(catalogue.versions) == data("versions.yml", "versions")


def test_is_not_changed_by_accident(catalogue: Catalogue) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalogue.domains["http-api"].title = "Other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        catalogue.domains["other"] = catalogue.domains["http-api"]  # type: ignore[index]
