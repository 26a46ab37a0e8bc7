"""Runs that do not share anything, a few at once, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


def in_order(
    measure: Callable[[JobT], ResultT], jobs: Sequence[JobT], *, processes: int
) -> Iterator[ResultT]:
    """Yield the result of each job in the order of the jobs, each as soon as it and those before it are there.

    Args:
        measure: a function of a module, which a new process can import.
        jobs: what it is called with.
        processes: how many work at once; with 1 all is done here, where a profiler sees it.
    """
    if processes == 1:
        yield from map(measure, jobs)
        return
    # A fresh interpreter for each job: what one run left behind costs the next no time.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        yield from pool.map(measure, jobs)
