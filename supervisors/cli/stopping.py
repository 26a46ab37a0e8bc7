"""Stopping in good order: a signal cancels the work, the work cleans up, and then the stop is raised.

Python's own KeyboardInterrupt strikes between any two instructions, also within clean-up. Here a signal is a value
that a task waits for. A second one finds the usual handlers in place and ends even a clean-up that hangs.

A signal that is ignored stays ignored: a shell starts what a script puts into the background that way, and a Ctrl-C
at the terminal is not meant for it.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

SIGNALS = (signal.SIGINT, signal.SIGTERM)

T = TypeVar("T")


class Stopped(Exception):
    """The work was cancelled by a signal.

    Attributes:
        signal_number: which one.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted" if signal_number == signal.SIGINT else "terminated")
        self.signal_number = signal_number


async def run_until_stopped(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` to its end, or cancel it at the first SIGINT or SIGTERM that the process does not ignore.

    Returns:
        what `work` returns, also when it came to its end in spite of a signal.

    Raises:
        Stopped: a signal came first.
        ExceptionGroup: `work` failed; its error is inside.
    """
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    if not heeded:
        return await work()
    stops: list[int] = []
    results: list[T] = []

    async def listen(task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(*heeded) as signals:
            task_status.started()
            stops.append(await anext(aiter(signals)))
        nursery.cancel_scope.cancel(reason="a signal asked to stop")

    async with trio.open_nursery() as nursery:
        await nursery.start(listen)
        results.append(await work())
        nursery.cancel_scope.cancel(reason="the work is done")
    if results:
        return results[0]
    raise Stopped(stops[0])
