"""The clock of the harness: the same instants as Trio's own virtual clock, in the same order."""

from __future__ import annotations

import math
import random

import trio
from jumping_clock import JumpingClock
from trio.abc import Clock
from trio.testing import MockClock

from actors.testing.run import VIRTUAL_LIMIT, run_seeded

Wakings = list[tuple[int, float]]


def wakings_on(clock: Clock, seed: int) -> Wakings:
    """Let some tasks sleep at random, and return who woke when."""
    wakings: Wakings = []

    async def sleeper(number: int, rng: random.Random) -> None:
        for _ in range(20):
            await trio.sleep(rng.choice((0.0, 1.0, rng.random(), rng.expovariate(0.01))))
            wakings.append((number, trio.current_time()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(sleeper, number, random.Random(f"{seed}/{number}"))

    run_seeded(main, seed=seed, clock=clock, limit=VIRTUAL_LIMIT)
    return wakings


def test_it_shows_what_trios_virtual_clock_shows() -> None:
    for seed in range(20):
        assert wakings_on(JumpingClock(), seed) == wakings_on(MockClock(autojump_threshold=0), seed)


def test_it_stands_still_while_a_task_can_run_and_never_goes_back() -> None:
    async def main() -> None:
        with trio.move_on_at(-1.0):
            await trio.sleep(5.0)
        assert trio.current_time() == 0.0
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert trio.current_time() == 0.0

    run_seeded(main, seed=0, clock=JumpingClock(), limit=VIRTUAL_LIMIT)


def test_without_a_deadline_there_is_nothing_to_go_on_to() -> None:
    clock = JumpingClock()
    assert clock.deadline_to_sleep_time(math.inf) == math.inf
    assert clock.current_time() == 0.0
