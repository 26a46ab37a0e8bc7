"""A call and time: deadlines that nothing outlives, waits that make room, and retries that do not multiply."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from cast_setup import AT_ONCE, FIRST, SECOND, THIRD, a_request
from stack_setup import HELD, ONCE, leave, open_stack, provider_with, takes

from actors.call.steps import Answered
from actors.call.terms import CallTerms
from actors.endpoint import Endpoint, answer, steps_of
from actors.errors import CallFailed, NoneAnswered, ProviderFailed, WaitTooLong
from actors.kernel import Ref, open_actor
from actors.policies.ledger.limits import Limits
from actors.policies.retry.retry import RetryPolicy
from actors.retry.function import retry, suppress_retries
from actors.testing.provider import hang, overload, server_error
from actors.time_budget import time_budget

pytestmark = pytest.mark.usefixtures("autojump_clock")

# deadlines


async def test_a_retry_does_not_outlive_the_callers_deadline() -> None:
    provider = provider_with(hang())
    async with open_stack(provider, attempt_timeout=4.0) as stack:
        with takes(6.0), trio.move_on_after(6.0) as scope:
            await stack.answer()

        assert scope.cancelled_caught
        assert [(record.at, record.ended_at) for record in provider.log] == [(0.0, 4.0), (5.0, 6.0)]
        await stack.assert_settled(HELD + HELD)


async def test_a_fallback_does_not_outlive_the_callers_deadline() -> None:
    provider = provider_with(hang())
    async with open_stack(provider, FIRST, SECOND, THIRD, attempt_timeout=4.0, retry=ONCE) as stack:
        with takes(6.0), trio.move_on_after(6.0) as scope:
            await stack.answer()

        assert scope.cancelled_caught
        assert [(record.model, record.ended_at) for record in provider.log] == [(FIRST, 4.0), (SECOND, 6.0)]
        await stack.assert_settled(HELD)
        await stack.assert_settled(HELD, model=1)


async def test_no_wait_is_begun_that_ends_at_the_deadline_and_the_next_model_has_what_time_is_left() -> None:
    provider = provider_with(server_error(), server_error(model=SECOND))
    async with open_stack(provider, FIRST, SECOND) as stack:
        with takes(1.0), trio.fail_after(1.5):  # a wait of a second would end at the deadline
            error = await stack.failure()

    assert isinstance(error, NoneAnswered)
    first, second = error.exceptions
    assert isinstance(first, CallFailed)
    assert isinstance(second, CallFailed)
    assert (first.retry_at, second.retry_at, error.retry_at) == (1.5, 2.0, 1.5)


async def test_capacity_that_comes_after_the_deadline_is_not_waited_for() -> None:
    async with open_stack(provider_with(), limits=Limits(requests=1), max_wait=math.inf) as stack:
        await stack.answer()
        with takes(0.0), trio.fail_after(58.0):
            error = await stack.failure()

    assert isinstance(error, WaitTooLong)
    assert error.retry_at == 60.5


async def test_the_deadline_is_handed_down_to_the_endpoint_and_one_budget_of_time_is_for_all_of_it() -> None:
    provider = provider_with(overload(FIRST, retry_after=20))
    async with (
        open_stack(provider, FIRST, SECOND) as stack,
        open_actor(partial(Endpoint, stack.path)) as endpoint,
    ):
        with time_budget(20.0) as budget:
            answered = await answer(endpoint, a_request())
            assert answered.model_used == SECOND
            assert budget.left == 20.0 - 0.5 - 2.0


# load


async def waits_of(endpoint: Ref[Endpoint]) -> list[float | None]:
    """Call and return the waits before the retries."""
    delays: list[float | None] = []
    async for step in steps_of(endpoint, a_request()):
        delays += [getattr(step, "delay", None)] if type(step).__name__ == "Failed" else []
    return delays


@pytest.mark.parametrize(
    ("others", "max_calls", "waits"),
    [(3, 5, [1.0, 2.0]), (4, 5, [2.0, 4.0]), (4, None, [1.0, 2.0])],
    ids=["of a load of 0.8", "above it", "where nobody says what is much"],
)
async def test_above_a_load_of_four_fifths_waits_are_doubled(
    others: int, max_calls: int | None, waits: list[float]
) -> None:
    provider = provider_with(
        *(hang(nth=number) for number in range(1, others + 1)),
        server_error(nth=others + 1),
        server_error(nth=others + 2),
    )
    async with (
        open_stack(provider, max_calls=max_calls, attempt_timeout=600.0) as stack,
        open_actor(partial(Endpoint, stack.path)) as endpoint,
        trio.open_nursery() as nursery,
    ):
        for _ in range(others):
            nursery.start_soon(answer, endpoint, a_request())
        await trio.sleep(0.1)
        assert await waits_of(endpoint) == waits
        nursery.cancel_scope.cancel()


async def test_a_call_that_has_ended_however_is_no_load() -> None:
    provider = provider_with(hang(nth=2), server_error(nth=3))
    loads: list[float] = []

    class Looking(Endpoint):
        async def teardown(self) -> None:
            loads.append(self.load())

    async with (
        open_stack(provider, max_calls=4, retry=ONCE) as stack,
        open_actor(partial(Looking, stack.path)) as endpoint,
    ):
        await answer(endpoint, a_request())
        await leave(partial(answer, endpoint, a_request()), after=1.0)
        with pytest.raises(CallFailed):
            await answer(endpoint, a_request())

    assert loads == [0.0]


# retries within retries

THRICE = RetryPolicy(max_retries=2, initial=0.0)


async def streamed(endpoint: Ref[Endpoint]) -> Answered:
    *_, last = [step async for step in steps_of(endpoint, a_request())]
    assert isinstance(last, Answered)
    return last


async def asked(endpoint: Ref[Endpoint]) -> Answered:
    return await answer(endpoint, a_request())


@pytest.mark.parametrize("call", [asked, streamed])
async def test_a_call_inside_a_retried_call_makes_one_attempt(
    call: Callable[[Ref[Endpoint]], Awaitable[Answered]],
) -> None:
    provider = provider_with(server_error())
    async with (
        open_stack(provider, retry=AT_ONCE, rules=None) as stack,
        open_actor(partial(Endpoint, stack.path)) as endpoint,
    ):
        with pytest.raises(ProviderFailed):
            await retry(partial(call, endpoint), THRICE)
        assert provider.statistics().requests == 3
        with pytest.raises(ProviderFailed):
            await call(endpoint)
        assert provider.statistics().requests == 3 + 4


async def test_a_call_inside_a_retried_call_makes_one_attempt_for_each_model() -> None:
    provider = provider_with(overload())
    async with (
        open_stack(provider, FIRST, SECOND, retry=AT_ONCE, rules=None) as stack,
        open_actor(partial(Endpoint, stack.path)) as endpoint,
    ):
        with suppress_retries(), pytest.raises(NoneAnswered):
            await answer(endpoint, a_request())

    assert [record.model for record in provider.log] == [FIRST, SECOND]


@pytest.mark.parametrize(("named", "retry_at"), [(None, None), (7, 7.5)])
async def test_a_call_that_is_not_to_be_retried_says_when_the_provider_would_have_it_again(
    named: int | None, retry_at: float | None
) -> None:
    async with open_stack(provider_with(overload(retry_after=named))) as stack:
        with takes(0.5):
            error = await stack.failure(CallTerms(retries=False))

        assert isinstance(error, ProviderFailed)
        assert (error.retry_at, error.is_out_of_budget) == (retry_at, False)
        assert (await stack.budget()).granted["retry"] == 0
