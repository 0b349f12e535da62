"""What docs/how-to/add-a-board.md says, done word by word, adds a board."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from guides import blocks, checkout, follow
from shell import Cli

GUIDE = "how-to/add-a-board.md"
BELOW_THE_LAST_BOARD = "\n# Machines of QEMU that boot"
(ENTRY,) = blocks(GUIDE, "yaml")
COPYING, PROVING = blocks(GUIDE, "sh")
MAKING, VERIFYING = PROVING.splitlines()


@pytest.fixture(scope="module")
def reader(
    tmp_path_factory: pytest.TempPathFactory, template_tree: Path, user_environment: dict[str, str]
) -> Cli:
    """Someone who has done what the guide says, up to a project in `../meter`."""
    reader = checkout(tmp_path_factory.mktemp("guide"), template_tree, user_environment)
    boards = reader.directory / "questions/boards.yml"
    above, below = boards.read_text(encoding="utf-8").split(BELOW_THE_LAST_BOARD)
    boards.write_text(above + ENTRY + BELOW_THE_LAST_BOARD + below, encoding="utf-8", newline="\n")
    follow(reader, COPYING)
    follow(reader, MAKING)
    return reader


def meter(reader: Cli) -> Path:
    return reader.directory.parent / "meter"


def test_the_board_is_all_that_the_project_knows(reader: Cli) -> None:
    project = meter(reader)
    assert {path.name for path in (project / "firmware/src/board").iterdir()} == {
        *("chip.rs", "interrupt.rs", "mod.rs", "mps2_an386.rs"),
        *("cmsdk_uart.rs", "made_up_sensor.rs", "sp805.rs"),
    }
    files = [path for path in project.rglob("*") if path.is_file()]
    assert [path for path in files if "an385" in path.read_text(encoding="utf-8").lower()] == []
    assert '"thumbv7em-none-eabihf"' in (project / "rust-toolchain.toml").read_text(encoding="utf-8")
    assert '"mps2-an386"' in (project / "xtask/src/project.rs").read_text(encoding="utf-8")


def test_the_file_has_each_function_that_a_board_has_to_have(reader: Cli) -> None:
    board = meter(reader) / "firmware/src/board"
    table = (board / "mod.rs").read_text(encoding="utf-8").splitlines()
    items = [line.split("|")[1] for line in table if line.startswith("//! | `")]
    functions = {name for item in items for name in re.findall(r"`(\w+)`", item)}
    assert len(functions) == 10
    written = (board / "mps2_an386.rs").read_text(encoding="utf-8")
    assert functions <= set(re.findall(r"^pub\(crate\) (?:extern \"C\" )?fn (\w+)", written, re.MULTILINE))


def test_the_project_passes_level_render(reader: Cli) -> None:
    finished = reader.bedplate("verify", "--project", meter(reader), "--level", "render", "--engine", "host")
    assert finished.returncode == 0, f"{finished.stdout}\n{finished.stderr}"


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.xdist_group("engine")
def test_the_project_passes_level_run(reader: Cli) -> None:
    assert "--level run" in VERIFYING
    follow(reader, VERIFYING)
