"""Run one async test: under virtual time, in a repeatable order, and with an end.

`run` is for plain tests and for Hypothesis; the pytest plugin takes the same road for async tests:

    @given(seed=st.integers(0, 2**32 - 1))
    def test_no_order_of_tasks_loses_a_grant(seed: int) -> None:
        run(main, seed=seed)

Books are kept of every message the test sends; one that has no fate at the end fails the test.

Under the autojump clock nothing really sleeps: when every task waits, the clock jumps to the next deadline.
A test that is stuck therefore jumps straight to its time limit and fails within milliseconds, with the line
at which each of its tasks waits. The limit is counted on the clock of the run: two days of virtual time, a
minute of real time.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple

import trio
from trio.abc import Clock, Instrument
from trio.testing import MockClock

from actors.kernel.fates import open_books
from actors.testing.scheduler import seed_scheduler
from actors.testing.waiting import waiting_tasks

VIRTUAL_LIMIT = 2 * 86400.0
"""Seconds of virtual time: longer than a day of traffic, and all the same to a clock that jumps."""

REAL_LIMIT = 60.0
"""Seconds of real time: no honest unit test takes a minute."""

ReplyT = TypeVar("ReplyT")
ArgsT = TypeVarTuple("ArgsT")


def run(
    async_fn: Callable[[*ArgsT], Awaitable[ReplyT]],
    *args: *ArgsT,
    seed: int | None = None,
    clock: Clock | None = None,
) -> ReplyT:
    """Run `async_fn(*args)` on Trio under virtual time and return what it returns.

    Args:
        async_fn: the test's main function.
        args: its arguments.
        seed: decides the order in which tasks wake. None draws one from the `random` module, which Hypothesis
            holds fixed within its tests. A failure names its seed in a note.
        clock: None means a new `MockClock(autojump_threshold=0)`.

    Returns:
        The value of `async_fn(*args)`.

    Raises:
        trio.TooSlowError: the time limit of the run passed.
    """
    seed = random.getrandbits(32) if seed is None else seed
    clock = MockClock(autojump_threshold=0) if clock is None else clock
    return run_seeded(async_fn, *args, seed=seed, clock=clock, limit=default_limit(clock))


def default_limit(clock: Clock | None) -> float:
    """Return the seconds a run on `clock` may last; None stands for Trio's real clock."""
    return VIRTUAL_LIMIT if isinstance(clock, MockClock) else REAL_LIMIT


def run_seeded(
    async_fn: Callable[[*ArgsT], Awaitable[ReplyT]],
    *args: *ArgsT,
    seed: int,
    clock: Clock | None,
    limit: float,
    instruments: Sequence[Instrument] = (),
) -> ReplyT:
    """Run `async_fn(*args)` with everything decided: the road that `run` and the pytest plugin share.

    Args:
        async_fn: the test's main function.
        args: its arguments.
        seed: decides the order in which tasks wake.
        clock: None means Trio's real clock.
        limit: seconds on that clock after which the run is given up.
        instruments: handed to `trio.run`.

    Returns:
        The value of `async_fn(*args)`.

    Raises:
        trio.TooSlowError: the limit passed.
    """
    seed_scheduler(seed)
    try:
        return trio.run(checked(async_fn, limit=limit), *args, clock=clock, instruments=instruments)
    except BaseException as error:
        error.add_note(f"trio scheduler seed: {seed}")
        raise


def checked(
    async_fn: Callable[[*ArgsT], Awaitable[ReplyT]], *, limit: float
) -> Callable[[*ArgsT], Awaitable[ReplyT]]:
    """Put what every test runs inside of around `async_fn`: the time limit and `around_test`."""

    async def main(*args: *ArgsT) -> ReplyT:
        waits: list[str] = []
        with trio.CancelScope() as scope:
            trio.lowlevel.spawn_system_task(_give_up, trio.lowlevel.current_task(), limit, scope, waits)
            async with around_test():
                return await async_fn(*args)
        text = f"the test did not end within {limit:g} s on its clock; its tasks were waiting at"
        raise trio.TooSlowError("\n  ".join([text, *waits]))

    return main


@asynccontextmanager
async def around_test() -> AsyncGenerator[None, None]:
    """Keep books over every actor of the test, and check at its end that each message has its fate."""
    with open_books() as books:
        yield
    books.check_balanced()


async def _give_up(task: trio.lowlevel.Task, limit: float, scope: trio.CancelScope, waits: list[str]) -> None:
    """Note where each task waits, then cancel them: afterwards they would all be gone."""
    await trio.sleep(limit)
    waits += waiting_tasks(task)
    scope.cancel()
