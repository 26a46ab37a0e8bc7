"""The account of one call at the budget of a pool: what is drawn, spent, given back, and when nobody can say."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import trio
from cast_setup import open_ended, open_restarting
from stack_setup import leave, takes

from actors.kernel import Ref, op, open_actor
from actors.retry.budget import Budget, BudgetStatistics
from actors.retry.spending import PATIENCE, Spending

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Fragile(Budget):
    """A budget that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


async def books_of(budget: Ref[Budget]) -> BudgetStatistics:
    return await budget.ask(Budget.statistics())


def nothing(_spending: Spending) -> None:
    """Say nothing."""


def sent(spending: Spending) -> None:
    spending.sent()


def sent_and(ending: Callable[[Spending], None]) -> Callable[[Spending], None]:
    def both(spending: Spending) -> None:
        spending.sent()
        ending(spending)

    return both


@pytest.mark.parametrize(
    ("what", "left"),
    [
        (nothing, 60),
        (Spending.not_sent, 100),
        (sent, 60),
        (sent_and(Spending.not_sent), 60),
        (sent_and(Spending.failed), 60),
        (sent_and(Spending.succeeded), 100),
    ],
    ids=["nothing", "not sent", "sent", "sent, and left", "sent, and failed", "sent, and succeeded"],
)
async def test_what_was_drawn_comes_back_with_a_success_or_unsent_and_once(
    what: Callable[[Spending], None], left: float
) -> None:
    async with open_actor(lambda: Budget(100)) as budget:
        spending = Spending(budget, 40)
        assert await spending.withdraw("retry") is True
        assert await spending.left() == 60
        what(spending)
        assert await spending.left() == left

        spending.not_sent()  # by whoever cleans up
        assert await spending.left() == (100 if what is nothing else left)
        assert (await books_of(budget)).purse.given_back == (0 if left == 60 and what is not nothing else 40)


async def test_an_attempt_that_drew_nothing_earns_by_its_success_and_gives_nothing_back_otherwise() -> None:
    async with open_actor(lambda: Budget(100)) as budget:
        await budget.ask(Budget.withdraw(100))
        failed, unsent, answered = (Spending(budget, 40) for _ in range(3))
        failed.sent()
        failed.failed()
        unsent.not_sent()
        assert await unsent.left() == 0
        answered.sent()
        answered.succeeded()
        assert await answered.left() == 4


async def test_an_attempt_after_a_failed_one_is_paid_by_itself() -> None:
    async with open_actor(lambda: Budget(100)) as budget:
        spending = Spending(budget, 40)
        assert await spending.withdraw("fallback")
        spending.sent()
        spending.failed()
        assert await spending.withdraw("retry")
        spending.not_sent()

        assert await spending.left() == 60


async def test_a_budget_that_has_too_little_says_no_and_nothing_was_drawn() -> None:
    async with open_actor(lambda: Budget(30)) as budget:
        await budget.ask(Budget.withdraw(1))
        spending = Spending(budget, 40)
        assert await spending.withdraw("hedge") is False
        spending.not_sent()

        assert await spending.left() == 29


async def test_where_there_is_no_budget_everything_is_allowed_and_nothing_told() -> None:
    spending = Spending(None, 40)

    assert await spending.withdraw("retry") is True
    spending.sent()
    spending.failed()
    spending.not_sent()
    spending.succeeded()
    assert await spending.left() is None


async def test_where_the_budget_has_ended_nobody_can_say_and_nothing_is_allowed() -> None:
    async with open_ended(Budget) as budget:
        spending = Spending(budget, 40)
        with takes(0.0):
            assert await spending.withdraw("retry") is None
            assert await spending.left() is None
        spending.succeeded()
        spending.not_sent()


@pytest.mark.parametrize(("deadline", "seconds"), [(math.inf, PATIENCE), (60.0, PATIENCE), (1.0, 0.5)])
async def test_one_that_is_being_restarted_is_waited_for_a_second_and_half_of_what_the_caller_has(
    deadline: float, seconds: float
) -> None:
    async with open_restarting(Fragile, "budget", pause=1000.0) as budget:
        await budget.tell(Fragile.crash())
        await trio.testing.wait_all_tasks_blocked()
        spending = Spending(budget, 40)
        with trio.CancelScope(deadline=deadline), takes(seconds):
            assert await spending.withdraw("retry") is None
        with trio.CancelScope(deadline=trio.current_time() + deadline), takes(seconds):
            assert await spending.left() is None


async def test_what_was_asked_for_too_long_is_not_drawn_later() -> None:
    async with open_restarting(Fragile, "budget", pause=10.0, keeps_state=True) as budget:
        await budget.tell(Fragile.crash())
        await trio.testing.wait_all_tasks_blocked()
        assert await Spending(budget, 40).withdraw("retry") is None
        await trio.sleep(20.0)

        statistics = await books_of(budget)
        assert statistics.left == statistics.purse.capacity


async def test_a_caller_whose_time_is_up_does_not_wait_at_all() -> None:
    async with open_actor(Budget) as budget:
        spending = Spending(budget, 40)
        with trio.CancelScope() as scope:
            scope.cancel()
            await spending.left()
        assert scope.cancelled_caught
        with trio.CancelScope(deadline=-1.0) as scope:
            await spending.withdraw("retry")
        assert scope.cancelled_caught
        assert (await books_of(budget)).granted["retry"] == 0


async def test_a_caller_that_leaves_while_it_asks_has_drawn_nothing() -> None:
    async with open_restarting(Fragile, "budget", pause=10.0, keeps_state=True) as budget:
        await budget.tell(Fragile.crash())
        await trio.testing.wait_all_tasks_blocked()
        await leave(lambda: Spending(budget, 40).withdraw("retry"), after=0.5)
        await trio.sleep(20.0)

        statistics = await books_of(budget)
        assert statistics.left == statistics.purse.capacity
