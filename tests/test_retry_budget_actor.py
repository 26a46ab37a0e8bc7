"""The budget's actor: what it counts, what a crash costs, and what becomes of a withdrawal nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from cast_setup import open_restarting
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.errors import Interrupted
from actors.kernel import Ref, op, open_actor
from actors.policies.retry.budget import RetryBudget
from actors.retry.budget import Budget, BudgetState, BudgetStatistics, Use


class Fragile(Budget):
    """A budget that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


async def told(budget: Ref[Budget]) -> BudgetStatistics:
    return await budget.ask(Budget.statistics())


async def test_it_counts_what_was_granted_and_what_was_suppressed_by_use(autojump_clock: MockClock) -> None:
    asked: list[tuple[int, Use]] = [
        (40, "retry"), (30, "hedge"), (40, "retry"), (20, "fallback"), (11, "hedge"), (10, "retry"),
    ]  # fmt: skip
    async with open_actor(lambda: Budget(100)) as budget:
        answers = [await budget.ask(Budget.withdraw(price, what)) for price, what in asked]
        statistics = await told(budget)

    assert answers == [True, True, False, True, False, True]
    assert statistics.granted == {"retry": 2, "hedge": 1, "fallback": 1}
    assert statistics.suppressed == {"retry": 1, "hedge": 1, "fallback": 0}
    assert (statistics.left, statistics.abandoned) == (0, 0)
    assert autojump_clock.current_time() == 0


async def test_what_succeeds_fills_it() -> None:
    async with open_actor(lambda: Budget(100, earns=0.5)) as budget:
        await budget.ask(Budget.withdraw(100, "retry"))
        await budget.ask(Budget.give_back(40))
        await budget.ask(Budget.deposit(40))
        assert (await told(budget)).left == 60


async def test_a_withdrawal_that_nobody_waits_for_any_more_is_put_back(autojump_clock: MockClock) -> None:
    scope = trio.CancelScope()

    class Leaving(Budget):
        """Its asker goes while it is at work."""

        def withdraw(self, price: int, what: Use = "retry") -> bool:
            is_granted = super().withdraw(price, what)
            scope.cancel()
            return is_granted

    async with open_actor(lambda: Leaving(100)) as budget:
        with scope:
            await budget.ask(Budget.withdraw(70, "hedge"))
        assert scope.cancelled_caught
        statistics = await told(budget)

    assert (statistics.left, statistics.abandoned) == (100, 1)
    assert statistics.granted == {"retry": 0, "hedge": 0, "fallback": 0}
    assert (statistics.purse.withdrawn, statistics.purse.given_back) == (70, 70)
    assert autojump_clock.current_time() == 0


async def test_a_refusal_that_nobody_waits_for_puts_nothing_back() -> None:
    budget = Budget(100)
    RetryBudget.withdraw(budget._state.purse, 100)
    budget._put_back(False)
    assert budget._state.purse.left == 0


async def test_a_withdrawal_whose_asker_has_gone_before_its_turn_is_never_made(
    autojump_clock: MockClock,
) -> None:
    class Slow(Budget):
        @op
        async def work(self) -> None:
            await trio.sleep(5)

    async with open_actor(lambda: Slow(100)) as budget, trio.open_nursery() as nursery:
        nursery.start_soon(budget.ask, Slow.work())
        await wait_all_tasks_blocked()
        with trio.move_on_after(1) as scope:
            await budget.ask(Slow.withdraw(70, "retry"))
        assert scope.cancelled_caught
        assert (await told(budget)).left == 100
    assert autojump_clock.current_time() == 5


async def test_a_thousand_callers_at_once_get_exactly_what_there_is(autojump_clock: MockClock) -> None:
    granted: list[bool] = []

    async def ask(budget: Ref[Budget]) -> None:
        granted.append(await budget.ask(Budget.withdraw(7, "retry")))

    async with open_actor(lambda: Budget(700)) as budget:
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(ask, budget)
        statistics = await told(budget)

    assert (sum(granted), len(granted)) == (100, 1000)
    assert statistics.suppressed["retry"] == 900
    assert autojump_clock.current_time() == 0


async def test_over_a_crash_the_purse_and_the_counts_are_kept(autojump_clock: MockClock) -> None:
    async with open_restarting(lambda: Fragile(100), "budget", keeps_state=True) as budget:
        assert await budget.ask(Budget.withdraw(70, "retry"))
        with pytest.raises(Interrupted):
            await budget.ask(Fragile.crash())
        assert not await budget.ask(Budget.withdraw(70, "retry"))
        statistics = await told(budget)

    assert statistics.left == 30
    assert statistics.granted["retry"] == statistics.suppressed["retry"] == 1
    assert autojump_clock.current_time() == 0


@pytest.mark.parametrize(
    ("state", "kind", "message"),
    [
        ("a purse", TypeError, "^state must be a BudgetState, got str$"),
        (
            BudgetState(RetryBudget(50, 0.1)),
            ValueError,
            r"^the state must be of a budget of 100 that earns 0\.1, got one of 50 that earns 0\.1$",
        ),
        (BudgetState(RetryBudget(100, 0.2)), ValueError, r"got one of 100 that earns 0\.2$"),
    ],
)
def test_a_state_of_something_else_is_refused(state: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        Budget(100).take_over(state)


def untyped(operation: Callable[..., Any], *arguments: object) -> Any:
    return operation(*arguments)


@pytest.mark.parametrize(
    ("operation", "arguments", "kind"),
    [
        (Budget.withdraw, (0, "retry"), ValueError),
        (Budget.withdraw, (1.5, "retry"), TypeError),
        (Budget.withdraw, (1, "shadow"), ValueError),
        (Budget.withdraw, (1, []), ValueError),
        (Budget.deposit, (0,), ValueError),
        (Budget.give_back, (True,), TypeError),
    ],
)
async def test_what_makes_no_sense_is_refused_and_costs_neither_a_token_nor_the_actor(
    operation: Callable[..., Any], arguments: tuple[object, ...], kind: type[Exception]
) -> None:
    async with open_actor(lambda: Budget(100)) as budget:
        before = await told(budget)
        with pytest.raises(kind):
            await budget.ask(untyped(operation, *arguments))
        assert await told(budget) == before


def test_a_budget_out_of_bounds_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match=r"^capacity must be >= 1, got 0$"):
        Budget(0)
