"""Tests for the seeded order in which Trio wakes tasks."""

from __future__ import annotations

import random

import trio

from actors.testing.scheduler import _run, seed_scheduler


def wake_order(seed: int) -> tuple[int, ...]:
    """Run ten tasks that wake at the same instant and return the order in which they did."""
    order: list[int] = []

    async def note(number: int) -> None:
        await trio.sleep(1)
        order.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(note, number)

    seed_scheduler(seed)
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return tuple(order)


def test_one_seed_gives_one_order() -> None:
    assert {wake_order(7) for _ in range(20)} == {wake_order(7)}


def test_twenty_seeds_give_twenty_orders() -> None:
    assert len({wake_order(seed) for seed in range(20)}) == 20


def test_trio_still_keeps_its_dice_where_we_seed_them() -> None:
    assert isinstance(_run._r, random.Random)
    assert isinstance(_run._ALLOW_DETERMINISTIC_SCHEDULING, bool)


def test_deterministic_scheduling_is_switched_on_with_the_seed() -> None:
    before = _run._ALLOW_DETERMINISTIC_SCHEDULING
    _run._ALLOW_DETERMINISTIC_SCHEDULING = False
    try:
        seed_scheduler(1)
        assert _run._ALLOW_DETERMINISTIC_SCHEDULING is True
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = before
