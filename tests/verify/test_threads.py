"""How many rows are worked on at the same time, and in which order they are taken."""

from __future__ import annotations

import pytest
from bedplate.verify.threads import MEMORY_OF_ROW, in_turn, jobs_within


@pytest.mark.parametrize(
    ("rows_held", "asked", "given"),
    [(0.5, 1, 1), (0.5, 4, 1), (2.9, 4, 2), (4, 4, 4), (64, 4, 4)],
)
def test_no_more_rows_are_verified_at_a_time_than_memory_holds(
    rows_held: float, asked: int, given: int
) -> None:
    assert jobs_within(int(rows_held * MEMORY_OF_ROW), asked) == given


def test_kinds_take_turns_and_keep_their_order() -> None:
    rows = ["api-1", "api-2", "api-3", "node-1", "gateway-1", "gateway-2"]
    turns = in_turn(rows, lambda row: row.partition("-")[0])
    assert turns == ["api-1", "node-1", "gateway-1", "api-2", "gateway-2", "api-3"]
