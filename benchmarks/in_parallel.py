"""Runs that do not share anything, a few at once, each in a process of its own."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context
from typing import TypeVar

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

INTERRUPTED = 128 + signal.SIGINT
"""The exit status of a program that was interrupted, as shells have it."""


def in_order(
    measure: Callable[[JobT], ResultT], jobs: Sequence[JobT], *, processes: int
) -> Iterator[ResultT]:
    """Yield the result of each job in the order of the jobs, each as soon as it and those before it are there.

    What ends this early, an interruption or somebody who wants no more, ends the processes at once.

    Args:
        measure: a function of a module, which a new process can import.
        jobs: what it is called with.
        processes: how many work at once; with 1 all is done here, where a profiler sees it.
    """
    if processes == 1:
        yield from map(measure, jobs)
        return
    # A fresh interpreter for each job: what one run left behind costs the next no time.
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=leave_interruptions_to_the_parent, max_tasks_per_child=1
    ) as pool:
        try:
            yield from pool.map(measure, jobs)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in active_children():
                worker.terminate()
            raise


def leave_interruptions_to_the_parent() -> None:
    """Ignore what a terminal sends to all processes at once: the parent hears it too, and ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def exit_with(main: Callable[[], int]) -> None:
    """Exit with the status of `main`; of an interruption say so in a word, and not in a traceback."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
