"""Work on several items at the same time, in threads that a run awaits."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable
from typing import TypeVar

from bedplate.verify.run import Run

Item = TypeVar("Item")
Result = TypeVar("Result")


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
