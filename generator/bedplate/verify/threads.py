"""Work on several items at the same time, in threads that a run awaits."""

from __future__ import annotations

import queue
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain, zip_longest
from typing import Final, TypeVar

from bedplate.verify.run import Run

Item = TypeVar("Item")
Result = TypeVar("Result")

MEMORY_OF_ROW: Final = 3 * 2**30
"""Bytes that the largest build of a row may need (docs/performance.md)."""


def jobs_within(memory: int, jobs: int) -> int:
    """As many of the jobs that were asked for as a machine with that many bytes of memory can hold."""
    return max(1, min(jobs, memory // MEMORY_OF_ROW))


def in_turn(items: Iterable[Item], kind: Callable[[Item], str]) -> list[Item]:
    """The first of each kind, then the second of each: when time ends early, no kind is left out."""
    kinds = defaultdict(list)
    for item in items:
        kinds[kind(item)].append(item)
    return [item for item in chain(*zip_longest(*kinds.values())) if item is not None]


def in_threads(run: Run, jobs: int, items: Iterable[Item], work: Callable[[Item], Result]) -> list[Result]:
    """Apply `work` to all items, as many at a time as there are jobs; results in the items' order.

    The calling thread only waits, so that a signal reaches it at once. What `work` raises is raised
    here, for the first item that it happened to.
    """
    waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | Exception]] = queue.SimpleQueue()
    for numbered in enumerate(items):
        waiting.put(numbered)
    count = waiting.qsize()

    def take() -> None:
        while not waiting.empty():
            try:
                number, item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, work(item)))
            except Exception as error:
                done.put((number, error))

    for _ in range(min(jobs, count)):
        run.work(take)
    ended = dict(done.get() for _ in range(count))
    results = [ended[number] for number in range(count)]
    for result in results:
        if isinstance(result, Exception):
            raise result
    return [result for result in results if not isinstance(result, Exception)]
