"""What is shown of the log of a program that failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from bedplate.verify.processes import TAIL, Processes

NOISE = "".join(f"#9 1.0 step {number}\n" for number in range(1, 2 * TAIL))


def shown(tmp_path: Path, output: str) -> list[str]:
    (tmp_path / "output").write_text(output, encoding="utf-8")
    ended = Processes().run(("cat", "output"), cwd=tmp_path, log=tmp_path / "log", within=60)
    return ended.tail.splitlines()


def test_a_short_log_is_shown_as_it_is(tmp_path: Path) -> None:
    output = "--- FAIL: TestDrain (0.10s)\nFAIL\n"
    assert shown(tmp_path, output + "\n") == output.splitlines()


def test_of_a_long_log_the_end_is_shown(tmp_path: Path) -> None:
    assert shown(tmp_path, NOISE) == NOISE.splitlines()[-TAIL:]


@pytest.mark.parametrize(
    "line",
    [
        "#9 45.1 --- FAIL: TestDrain (0.10s)",
        "#9 45.1     main_test.go:83: the log ended",
        "#9 45.1 FAIL\texample.com/orders/cmd/orders [build failed]",
        "#9 45.1 panic: test timed out after 10m0s",
        "test wire::tests::the_checksum_is_known ... FAILED",
        "thread 'main' panicked at src/main.rs:1:1:",
        "error[E0425]: cannot find value `x` in this scope",
        "error: unused variable: `x`",
    ],
)
def test_a_line_that_names_a_failure_is_shown_however_early_it_is(tmp_path: Path, line: str) -> None:
    assert shown(tmp_path, f"#9 0.9 first\n{line}\n{NOISE}") == [line, "...", *NOISE.splitlines()[-TAIL:]]


def test_of_many_failures_the_first_are_named(tmp_path: Path) -> None:
    failures = [f"--- FAIL: Test{number} (0.00s)" for number in range(2 * TAIL)]
    lines = shown(tmp_path, "\n".join(failures) + "\n" + NOISE)
    assert lines[: TAIL + 1] == [*failures[:TAIL], "..."]
