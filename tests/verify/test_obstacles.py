"""Which levels of a row are still tried, after what happened to it, to others and to the run."""

from __future__ import annotations

import pytest
from bedplate.verify.findings import Check, Findings, Status
from bedplate.verify.levels import Level, LevelResult
from bedplate.verify.obstacles import LEAST_ROOM, Obstacles

ALWAYS, NEVER = 0.0, 3600.0


def results(*statuses: Status) -> list[LevelResult]:
    levels = Level.RUN.including
    return [
        LevelResult(level, Findings((Check("it", status),)))
        for level, status in zip(levels, statuses, strict=False)
    ]


RENDERED = results(Status.PASSED)
LINTED = results(Status.PASSED, Status.PASSED)


@pytest.mark.parametrize("limit", [None, NEVER])
def test_there_is_none_while_all_goes_well(limit: float | None) -> None:
    assert Obstacles(keep_going=False, time_limit=limit).before(RENDERED) == ""


def test_no_row_is_taken_when_the_time_is_over() -> None:
    assert Obstacles(keep_going=True, time_limit=ALWAYS).before(RENDERED).startswith("no time left")


def test_levels_after_one_that_was_skipped_for_time_are_skipped_too() -> None:
    late = Obstacles(keep_going=True, time_limit=ALWAYS)
    assert late.before(results(Status.PASSED, Status.SKIPPED)).startswith("no time left")


def test_a_row_that_was_taken_in_time_is_worked_off() -> None:
    assert Obstacles(keep_going=True, time_limit=ALWAYS).before(LINTED) == ""


def test_a_failed_level_is_told_before_the_time() -> None:
    late = Obstacles(keep_going=True, time_limit=ALWAYS)
    assert late.before(results(Status.FAILED)) == "level render failed"


@pytest.mark.parametrize(
    ("room", "obstacle"),
    [
        (None, ""),
        (LEAST_ROOM, ""),
        (500 << 20, "only 500 MiB of disk are free: `docker builder prune` makes room"),
    ],
)
def test_nothing_is_built_on_a_disk_that_is_full(room: int | None, obstacle: str) -> None:
    assert Obstacles(keep_going=True, room=lambda: room).before(LINTED) == obstacle


@pytest.mark.parametrize(("keep_going", "obstacle"), [(True, ""), (False, "http-api:0000 failed")])
def test_another_row_that_failed_counts_unless_the_run_goes_on(keep_going: bool, obstacle: str) -> None:
    obstacles = Obstacles(keep_going)
    obstacles.failed("http-api:0000")
    assert obstacles.before(LINTED) == obstacle


def test_a_lost_engine_comes_before_everything() -> None:
    obstacles = Obstacles(keep_going=True, time_limit=ALWAYS)
    obstacles.engine_stopped = True
    assert obstacles.before(results(Status.FAILED)) == "the container engine stopped answering"
