"""One budget of time for a whole job: it ends when it said, whatever begins, is tried again or falls back within it."""
# ruff: noqa: PT012  # a budget is the block around the work that ends it

from __future__ import annotations

import math

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.errors import OutOfTime
from actors.kernel import Actor, op, open_actor
from actors.time_budget import TimeBudget, check_time, time_budget, time_left


async def test_a_stage_under_way_is_cancelled_at_the_instant_the_budget_ends(
    autojump_clock: MockClock,
) -> None:
    with pytest.raises(trio.TooSlowError, match=r"^the budget of 10 s is used up$"), time_budget(10):
        await trio.sleep(4)
        await trio.sleep_forever()
    assert autojump_clock.current_time() == 10.0


async def test_what_is_left_is_told_between_stages(autojump_clock: MockClock) -> None:
    with time_budget(10) as budget:
        assert budget.left == 10.0
        await trio.sleep(4)
        assert budget.left == 10.0 - autojump_clock.current_time() == 6.0
        budget.check("merge")
        budget.check("merge", needs=6.0)


async def test_a_stage_is_not_begun_when_no_time_is_left() -> None:
    begun = []
    with pytest.raises(OutOfTime, match=r"^no time is left for merge$") as caught, time_budget(0) as budget:
        budget.check("merge")
        begun.append("merge")
    assert begun == []
    assert caught.value.retry_at is None


async def test_a_stage_is_not_begun_when_less_is_left_than_it_needs(autojump_clock: MockClock) -> None:
    with pytest.raises(OutOfTime, match=r"^merge needs 6\.5 s, 6 s are left$"), time_budget(10) as budget:
        await trio.sleep(4)
        budget.check("merge", needs=6.5)
    assert autojump_clock.current_time() == 4.0


async def test_a_budget_within_a_budget_cannot_be_longer(autojump_clock: MockClock) -> None:
    used_up = r"^the budget of 3 s is used up$"
    with pytest.raises(trio.TooSlowError, match=used_up), time_budget(3), time_budget(100) as inner:
        assert inner.left == 3.0
        assert inner.deadline == 3.0
        await trio.sleep_forever()
    assert autojump_clock.current_time() == 3.0


async def test_a_budget_within_a_budget_can_be_shorter_and_leaves_the_rest(autojump_clock: MockClock) -> None:
    with time_budget(10) as outer:
        with pytest.raises(trio.TooSlowError, match=r"^the budget of 2 s is used up$"), time_budget(2):
            await trio.sleep_forever()
        assert outer.left == 10.0 - autojump_clock.current_time() == 8.0


async def test_the_outer_budget_sees_the_shorter_one_around_its_caller(autojump_clock: MockClock) -> None:
    with time_budget(10) as outer, time_budget(2):
        await trio.sleep(0.5)
        assert outer.left == 2.0 - autojump_clock.current_time() == 1.5


async def test_a_retry_takes_from_the_same_budget(autojump_clock: MockClock) -> None:
    attempts = 0
    with pytest.raises(trio.TooSlowError), time_budget(10):
        while True:
            attempts += 1
            with trio.move_on_after(4):
                await trio.sleep_forever()
    assert attempts == 3
    assert autojump_clock.current_time() == 10.0


class Clerk(Actor):
    """Says how much time it has."""

    @op
    async def left(self) -> float:
        return time_left()

    @op(raises=(OutOfTime,))
    async def file(self) -> None:
        await trio.sleep(4)
        check_time("filing", needs=7.0)


async def test_a_budget_reaches_through_an_ask(autojump_clock: MockClock) -> None:
    async with open_actor(Clerk) as clerk:
        assert await clerk.ask(Clerk.left()) == math.inf
        with time_budget(10):
            assert await clerk.ask(Clerk.left()) == 10.0
            with pytest.raises(OutOfTime, match=r"^filing needs 7 s, 6 s are left$"):
                await clerk.ask(Clerk.file())
        assert autojump_clock.current_time() == 4.0


async def test_without_a_deadline_there_is_always_time() -> None:
    assert time_left() == math.inf
    check_time("anything", needs=1e9)


async def test_a_deadline_that_has_passed_leaves_nothing_and_not_less() -> None:
    assert TimeBudget(trio.current_time() - 5.0).left == 0.0
    with trio.CancelScope(deadline=trio.current_time() - 5.0) as scope:
        assert time_left() == 0.0
        with pytest.raises(OutOfTime, match=r"^no time is left for merge$"):
            check_time("merge")
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError), time_budget(1):
        raise KeyError("x")


@pytest.mark.parametrize(
    ("seconds", "error", "text"),
    [
        (-1, ValueError, ">= 0, got -1"),
        (-math.inf, ValueError, ">= 0, got -inf"),
        (math.nan, ValueError, "a number of seconds, got nan"),
        (10**400, ValueError, "a number of seconds, got a whole number of 1329 bits"),
        ("x", TypeError, "a number of seconds, got 'x'"),
        (True, TypeError, "a number of seconds, got True"),
    ],
)
async def test_a_budget_that_is_no_time_is_refused(seconds: float, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=rf"^seconds must be {text}$"), time_budget(seconds):
        pass


@pytest.mark.parametrize(
    ("needs", "error", "text"),
    [
        (-0.5, ValueError, ">= 0 and finite, got -0.5"),
        (math.inf, ValueError, ">= 0 and finite, got inf"),
        (math.nan, ValueError, "a number of seconds, got nan"),
        ("1", TypeError, "a number of seconds, got '1'"),
    ],
)
async def test_a_need_that_is_no_time_is_refused(needs: float, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=rf"^needs must be {text}$"):
        check_time("merge", needs=needs)


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=50), min_size=1, max_size=6))
def test_of_budgets_within_budgets_the_shortest_ends_the_work(lengths: list[int]) -> None:
    async def main() -> float:
        begun = trio.current_time()
        with pytest.raises(trio.TooSlowError):
            await nested(lengths)
        return trio.current_time() - begun

    async def nested(rest: list[int]) -> None:
        if not rest:
            await trio.sleep_forever()
        with time_budget(rest[0]):
            await nested(rest[1:])

    assert trio.run(main, clock=MockClock(autojump_threshold=0)) == float(min(lengths))
