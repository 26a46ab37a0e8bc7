"""What a call draws on the budgets of its pools: before each extra attempt, and back with its success or unsent."""

from __future__ import annotations

import math
from contextlib import aclosing
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from cast_setup import AT_ONCE, FIRST, SECOND, THIRD, a_request, open_ended
from stack_setup import HELD, ONCE, PRICE, RULES, Stack, leave, open_stack, provider_with, takes

from actors.breaker.breaker import Breaker
from actors.call.call import place_call
from actors.call.steps import Calling, CallStep, Failed, PassedOver
from actors.errors import CallFailed, NoneAnswered, ProviderFailed
from actors.policies.ledger.limits import Limits
from actors.policies.retry.retry import RetryPolicy
from actors.retry.budget import Budget
from actors.testing.provider import overload, reset, server_error

pytestmark = pytest.mark.usefixtures("autojump_clock")

FULL = 10_000

EARNED = PRICE / 10
"""What a first success brings in."""


# what comes in and goes out


async def test_a_first_success_earns_a_tenth_of_its_price() -> None:
    async with open_stack(provider_with()) as stack:
        await stack.drain()
        await stack.answer()

        assert (await stack.budget()).left == EARNED


async def test_a_retry_is_paid_before_it_is_waited_for_and_given_back_when_it_succeeds() -> None:
    async with open_stack(provider_with(server_error(nth=1))) as stack:
        left = [
            (await stack.budget()).left
            async for step in place_call(stack.path, a_request())
            if isinstance(step, Calling | Failed)
        ]
        left.append((await stack.budget()).left)

        assert left == [FULL, FULL - PRICE, FULL - PRICE, FULL]
        assert (await stack.budget()).granted == {"retry": 1, "hedge": 0, "fallback": 0}


async def test_a_retry_that_fails_is_spent_and_the_next_one_is_paid_by_itself() -> None:
    provider = provider_with(server_error(nth=1), reset(nth=2))
    async with open_stack(provider) as stack:
        answered = await stack.answer()

        budget = await stack.budget()
        assert answered.attempts == 3
        assert (budget.left, budget.granted["retry"]) == (FULL - PRICE, 2)


async def test_retries_that_all_fail_are_all_spent() -> None:
    async with open_stack(provider_with(server_error()), rules=None) as stack:
        await stack.failure()

        assert (await stack.budget()).left == FULL - 3 * PRICE


async def test_a_fallback_after_something_was_sent_draws_on_the_budget_of_the_model_it_goes_to() -> None:
    async with open_stack(provider_with(overload(FIRST)), FIRST, SECOND, retry=ONCE) as stack:
        left = [
            (await stack.budget(model=1)).left
            async for step in place_call(stack.path, a_request())
            if isinstance(step, PassedOver | Calling)
        ]
        left.append((await stack.budget(model=1)).left)

        assert left == [FULL, FULL - PRICE, FULL - PRICE, FULL]
        assert (await stack.budget(model=1)).granted["fallback"] == 1
        assert (await stack.budget()).granted["fallback"] == 0


async def test_a_fallback_that_fails_is_spent() -> None:
    async with open_stack(provider_with(overload()), FIRST, SECOND, retry=ONCE) as stack:
        await stack.failure()

        assert (await stack.budget(model=1)).left == FULL - PRICE
        assert (await stack.budget()).left == FULL


async def test_a_fallback_before_anything_was_sent_costs_nothing_and_its_success_earns() -> None:
    async with open_stack(provider_with(), FIRST, SECOND) as stack:
        await stack.trip()
        await stack.drain(model=1)
        answered = await stack.answer()

        budget = await stack.budget(model=1)
        assert answered.model_used == SECOND
        assert (budget.left, budget.granted["fallback"]) == (EARNED, 0)


# an empty budget


@pytest.mark.parametrize(("named", "retry_at"), [(None, None), (7, 7.5)])
async def test_an_empty_budget_raises_the_original_fault_at_once_tagged(
    named: int | None, retry_at: float | None
) -> None:
    provider = provider_with(overload(retry_after=named))
    async with open_stack(provider) as stack:
        await stack.drain(left=PRICE - 1)
        with takes(0.5):
            error = await stack.failure()

        assert isinstance(error, ProviderFailed)
        assert (error.status, error.is_out_of_budget, error.retry_at) == (529, True, retry_at)
        assert error.__notes__ == ["not tried again: the retry budget has too little left"]
        assert error.context is not None
        assert error.context.budget_left == PRICE - 1
        assert provider.statistics().requests == 1
        assert (await stack.budget()).suppressed["retry"] == 1


async def test_an_empty_budget_falls_back_to_another_model_with_a_budget_of_its_own() -> None:
    async with open_stack(provider_with(overload(FIRST)), FIRST, SECOND) as stack:
        await stack.drain()
        with takes(0.5 + 2.0):
            answered = await stack.answer()

        (passed_over,) = answered.passed_over
        assert isinstance(passed_over.error, CallFailed)
        assert passed_over.error.is_out_of_budget
        assert answered.model_used == SECOND


async def test_a_model_whose_budget_is_empty_is_not_fallen_back_to() -> None:
    provider = provider_with(overload())
    async with open_stack(provider, FIRST, SECOND, THIRD, retry=ONCE) as stack:
        await stack.drain(model=1)
        error = await stack.failure()

        assert isinstance(error, ProviderFailed)
        assert error.is_out_of_budget
        assert error.__notes__ == [f"{SECOND} was not asked: the retry budget has too little left"]
        assert provider.statistics().requests == 1


async def test_a_group_of_which_one_was_out_of_budget_is_tagged() -> None:
    async with open_stack(provider_with(overload()), FIRST, SECOND, retry=AT_ONCE, rules=None) as stack:
        await stack.drain(left=PRICE, model=1)  # for the fallback, and for no retry of it
        error = await stack.failure()

        assert isinstance(error, NoneAnswered)
        assert error.is_out_of_budget
        assert [each.is_out_of_budget for each in error.exceptions if isinstance(each, CallFailed)] == [
            False,
            True,
        ]


async def test_without_one_who_counts_there_are_no_extra_attempts_and_nobody_is_said_to_be_out_of_budget() -> (
    None
):
    provider = provider_with(overload())
    async with open_stack(provider) as stack, open_ended(Budget) as gone:
        path = attrs.evolve(stack.path, lines=[attrs.evolve(stack.path.lines[0], budget=gone)])
        error = await Stack(path).failure()

    assert isinstance(error, ProviderFailed)
    assert not error.is_out_of_budget
    assert error.__notes__ == ["not tried again: the retry budget did not answer"]
    assert error.context is not None
    assert error.context.budget_left is None
    assert provider.statistics().requests == 1


# what is never sent


async def test_a_retry_for_which_there_is_no_capacity_is_given_back() -> None:
    provider = provider_with(server_error())
    async with open_stack(provider, limits=Limits(requests=1)) as stack:
        await stack.failure()

        budget = await stack.budget()
        assert (budget.left, budget.granted["retry"]) == (FULL, 1)
        assert provider.statistics().requests == 1


async def test_a_fallback_whose_breaker_is_open_is_given_back() -> None:
    async with open_stack(provider_with(overload()), FIRST, SECOND, retry=ONCE) as stack:
        await stack.trip(model=1)
        await stack.failure()

        budget = await stack.budget(model=1)
        assert (budget.left, budget.granted["fallback"]) == (FULL, 1)


async def test_a_caller_that_leaves_while_it_waits_for_the_next_attempt_pays_nothing_for_it() -> None:
    async with open_stack(provider_with(server_error()), retry=RetryPolicy(initial=10.0)) as stack:
        await leave(stack.steps, after=5.0)

        budget = await stack.budget()
        assert (budget.left, budget.granted["retry"]) == (FULL, 1)


async def test_a_caller_that_leaves_while_its_retry_stands_in_line_pays_nothing_for_it() -> None:
    provider = provider_with(server_error())
    patient = RetryPolicy(initial=0.0, max_elapsed=math.inf)
    async with open_stack(provider, limits=Limits(requests=1), retry=patient, max_wait=100.0) as stack:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(leave, stack.steps, after=5.0))
            await trio.sleep(4)
            assert (await stack.limiter()).queue.waiting == 1
            assert (await stack.budget()).left == FULL - PRICE

        assert (await stack.budget()).left == FULL


@pytest.mark.parametrize("last", [Failed, PassedOver])
async def test_a_consumer_that_takes_no_more_steps_pays_for_nothing_that_did_not_go_out(
    last: type[CallStep],
) -> None:
    retry = ONCE if last is PassedOver else RetryPolicy()
    async with open_stack(provider_with(overload()), FIRST, SECOND, retry=retry) as stack:
        async with aclosing(place_call(stack.path, a_request())) as steps:
            async for step in steps:
                if isinstance(step, last):
                    break

        for model, use in ((0, "retry"), (1, "fallback")):
            budget: Any = await stack.budget(model)
            assert budget.left == FULL
            assert budget.granted[use] == (last is (PassedOver if model else Failed))


async def test_a_retry_that_is_broken_off_in_mid_exchange_is_spent() -> None:
    provider = provider_with(server_error(nth=1))
    async with open_stack(provider) as stack:
        await leave(stack.steps, after=0.5 + 1.0 + 1.0)

        assert provider.statistics().requests == 2
        assert (await stack.budget()).left == FULL - PRICE
        await stack.assert_settled(HELD + HELD)


async def test_a_retry_that_the_breaker_refuses_after_the_wait_is_given_back_once() -> None:
    provider = provider_with(server_error())
    async with open_stack(provider, rules=RULES, retry=RetryPolicy(initial=10.0)) as stack:
        await stack.drain(left=5 * PRICE)
        breaker = stack.path.lines[0].breaker
        assert breaker is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stack.failure)
            await trio.sleep(5)
            await breaker.ask(Breaker.isolate())

        assert (await stack.budget()).left == 5 * PRICE
