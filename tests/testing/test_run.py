"""Tests for running one async test under virtual time."""

from __future__ import annotations

import time

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.kernel import Actor, Deferred, Ref, current_books, op, open_actor
from actors.kernel.slot import Slot
from actors.testing.run import REAL_LIMIT, VIRTUAL_LIMIT, default_limit, run, run_seeded


async def wake_order() -> tuple[int, ...]:
    """Return the order in which ten tasks wake that wake at the same instant."""
    order: list[int] = []

    async def note(number: int) -> None:
        await trio.sleep(1)
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(note, number)
    return tuple(order)


def test_arguments_go_in_and_the_value_comes_out() -> None:
    async def add(left: int, right: int) -> int:
        await trio.lowlevel.checkpoint()
        return left + right

    assert run(add, 2, 3) == 5


def test_an_hour_passes_at_once() -> None:
    async def main() -> float:
        start = trio.current_time()
        await trio.sleep(3600)
        return trio.current_time() - start

    began = time.perf_counter()
    assert run(main) == 3600.0
    assert time.perf_counter() - began < 600


def test_the_given_clock_is_used() -> None:
    clock = MockClock(autojump_threshold=0)
    clock.jump(500)

    async def now() -> float:
        await trio.lowlevel.checkpoint()
        return trio.current_time()

    assert run(now, clock=clock) == 500.0


def test_a_seed_repeats_the_order() -> None:
    assert run(wake_order, seed=3) == run(wake_order, seed=3)


def test_without_a_seed_the_order_varies() -> None:
    assert len({run(wake_order) for _ in range(20)}) > 10


@given(seed=st.integers(0, 2**32 - 1))
def test_a_drawn_seed_decides_the_order_under_hypothesis(seed: int) -> None:
    assert run(wake_order, seed=seed) == run(wake_order, seed=seed)


def test_under_hypothesis_a_run_without_a_seed_is_the_same_for_every_example() -> None:
    orders: set[tuple[int, ...]] = set()

    @given(st.integers())
    def each(_: int) -> None:
        orders.add(run(wake_order))

    each()
    assert len(orders) == 1


def test_a_failure_names_its_seed_and_keeps_its_type() -> None:
    async def main() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("lost")

    with pytest.raises(KeyError) as caught:
        run(main, seed=42)
    assert caught.value.__notes__ == ["trio scheduler seed: 42"]


def test_a_deadlock_fails_at_once_and_says_where_each_task_waits() -> None:
    never = trio.Event()

    async def waits_for_ever() -> None:
        await never.wait()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits_for_ever, name="the stuck one")

    began = time.perf_counter()
    with pytest.raises(trio.TooSlowError, match="did not end within 172800 s") as caught:
        run(main)
    assert time.perf_counter() - began < 600
    head, outer, inner = str(caught.value).splitlines()
    assert head.endswith("its tasks were waiting at")
    assert outer.endswith("in main")
    assert inner.startswith("  the stuck one: ")
    assert inner.endswith("in waits_for_ever")


def test_a_task_that_waits_inside_trio_alone_is_listed_too() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)

    with pytest.raises(trio.TooSlowError, match=r"\n  trio.sleep_forever: inside trio\n"):
        run(main)


def test_a_run_that_ends_just_within_its_limit_passes() -> None:
    async def main() -> str:
        await trio.sleep(9.5)
        return "done"

    clock = MockClock(autojump_threshold=0)
    assert run_seeded(main, seed=1, clock=clock, limit=10) == "done"


def test_a_cancellation_of_the_tests_own_is_not_taken_for_the_limit() -> None:
    async def main() -> bool:
        with trio.move_on_after(1) as scope:
            await trio.sleep_forever()
        return scope.cancelled_caught

    assert run(main) is True


def test_the_limit_is_two_days_of_virtual_or_a_minute_of_real_time() -> None:
    assert default_limit(MockClock()) == VIRTUAL_LIMIT == 172800.0
    assert default_limit(None) == REAL_LIMIT == 60.0


def test_the_real_clock_is_limited_too() -> None:
    with pytest.raises(trio.TooSlowError, match=r"within 0\.01 s"):
        run_seeded(trio.sleep_forever, seed=1, clock=None, limit=0.01)


class Deaf(Actor):
    """Parks every message and never answers."""

    @op
    def park(self) -> Deferred[None]:
        return Deferred()


def test_a_message_without_a_fate_at_the_end_fails_the_run() -> None:
    async def main() -> None:
        slot = Slot.open("nobody plays here", current_books())
        Ref[Deaf](slot).tell_nowait(Deaf.park())

    with pytest.raises(AssertionError, match=r"^the books do not balance: 1 sent, 1 without a fate"):
        run(main)


def test_a_run_whose_messages_all_have_a_fate_passes() -> None:
    async def main() -> None:
        async with open_actor(Deaf) as deaf:
            with trio.move_on_after(1):
                await deaf.ask(Deaf.park())

    run(main)
