"""A patient call and its retries: outages that it waits out cost no attempts and no time, and what it sends is paid."""

from __future__ import annotations

from functools import partial

import attrs
import pytest
import trio
from cast_setup import FIRST, SECOND, acquire, report
from stack_setup import HELD, ONE_CALL, PRICE, RULES, leave, open_stack, provider_with, takes

from actors.call.terms import CallTerms
from actors.errors import CallFailed, ProviderFailed
from actors.policies.ledger.limits import Limits
from actors.policies.usage import Usage
from actors.testing.provider import overload, server_error

pytestmark = pytest.mark.usefixtures("autojump_clock")

PATIENT = CallTerms(is_patient=True)

AT_THE_FIRST = attrs.evolve(RULES, consecutive=1)

FULL = 10_000


async def test_outages_longer_than_max_elapsed_are_waited_out_one_after_the_other() -> None:
    provider = provider_with(overload())  # for 120 s
    async with open_stack(provider, rules=AT_THE_FIRST, max_wait=600.0) as stack:
        with takes(0.5 + 60.0 + 0.5 + 120.0 + 2.0):
            answered = await stack.answer(PATIENT)

        assert answered.attempts == 3
        budget = await stack.budget()
        assert (budget.left, budget.granted["retry"]) == (FULL - PRICE, 2)


async def test_after_an_outage_it_waits_for_capacity_as_at_first() -> None:
    provider = provider_with(overload(lasting=1.0))
    async with (
        open_stack(provider, rules=AT_THE_FIRST, limits=Limits(requests=1), max_wait=600.0) as stack,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(partial(stack.answer, PATIENT))
        await trio.sleep(30.0)
        limiter = stack.path.lines[0].limiter
        await report(limiter, await acquire(limiter, Usage(1)), started_at=30.0)  # leaves its window at 90

    assert trio.current_time() == 90.0 + 2.0


async def test_a_retry_that_is_paid_is_not_paid_again_when_it_had_to_wait_for_the_model() -> None:
    provider = provider_with(server_error(nth=1))
    async with open_stack(provider, max_wait=600.0) as stack, trio.open_nursery() as nursery:
        nursery.start_soon(partial(stack.answer, PATIENT))
        await trio.sleep(1.0)  # in the wait before the retry
        await stack.trip(failures=2)  # with the one of the call
        await trio.sleep(30.0)
        assert (await stack.budget()).left == FULL - PRICE
        await trio.sleep_until(62.0)
        assert (await stack.budget()).left == FULL - PRICE  # on its way
        await trio.sleep_until(64.0)
        budget = await stack.budget()
        assert (budget.left, budget.granted["retry"]) == (FULL, 1)
        await stack.assert_settled(ONE_CALL)


async def test_who_leaves_while_it_waits_for_the_model_has_its_retry_back() -> None:
    provider = provider_with(server_error(nth=1))
    async with open_stack(provider, max_wait=600.0) as stack, trio.open_nursery() as nursery:
        nursery.start_soon(partial(leave, partial(stack.answer, PATIENT), after=30.0))
        await trio.sleep(1.0)
        await stack.trip(failures=2)  # with the one of the call
        await trio.sleep(28.0)
        assert (await stack.budget()).left == FULL - PRICE
        await trio.sleep(2.0)
        assert (await stack.budget()).left == FULL
        await stack.assert_settled(HELD)


async def test_a_patient_call_whose_budget_is_empty_waits_for_nothing() -> None:
    provider = provider_with(overload())
    async with open_stack(provider, rules=AT_THE_FIRST, max_wait=600.0) as stack:
        await stack.drain()
        with takes(0.5):
            error = await stack.failure(PATIENT)

    assert isinstance(error, ProviderFailed)
    assert error.is_out_of_budget


async def test_a_patient_call_of_which_a_model_is_left_waits_for_none() -> None:
    provider = provider_with(overload(FIRST))
    async with open_stack(provider, FIRST, SECOND, rules=AT_THE_FIRST) as stack:
        with takes(0.5 + 2.0):
            answered = await stack.answer(PATIENT)

    (passed_over,) = answered.passed_over
    assert isinstance(passed_over.error, CallFailed)
