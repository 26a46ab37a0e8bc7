"""What an error of a call says of where it was met, as attributes and as one event of the log."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest
import trio
from breaker_setup import Page
from cast_setup import AT_ONCE, DIALECT, FIRST, SECOND, a_request
from stack_setup import ONCE, PRICE, open_stack, provider_with

from actors.bound_ids import bind_ids
from actors.call.terms import CallTerms
from actors.endpoint import Endpoint, answer, steps_of
from actors.errors import BreakerOpen, CallFailed, NoneAdmitted, NoneAnswered, Rejected
from actors.faults import ErrorContext
from actors.kernel import open_actor
from actors.policies.ledger.limits import Limits
from actors.policies.retry.retry import RetryPolicy
from actors.testing.provider import overload, server_error

pytestmark = pytest.mark.usefixtures("autojump_clock")

NAMED = attrs.evolve(DIALECT, name="anthropic")

IDS = {"session": "s-1", "user": "u-2", "conversation": "c-3", "request": "r-4"}

FULL = 10_000


def met(**facts: Any) -> ErrorContext:
    """Return the context of an error that was met at the first model at once, but for `facts`."""
    return attrs.evolve(ErrorContext(service="anthropic", model=FIRST, budget_left=float(FULL)), **facts)


async def test_an_error_says_where_it_was_met() -> None:
    terms = CallTerms(ids=IDS)
    retry = RetryPolicy(max_retries=1)
    async with open_stack(provider_with(server_error()), dialect=NAMED, retry=retry) as stack:
        error = await stack.failure(terms)

    assert isinstance(error, CallFailed)
    assert error.context == met(
        attempt=2, elapsed=0.5 + 1.0 + 0.5, breaker="closed", budget_left=FULL - PRICE, ids=IDS
    )


async def test_a_refusal_of_the_breaker_says_its_state_and_that_nothing_was_sent() -> None:
    async with open_stack(provider_with(), dialect=NAMED) as stack:
        await stack.trip()
        error = await stack.failure()

    assert isinstance(error, BreakerOpen)
    assert error.context == met(attempt=0, elapsed=0.0, breaker="open")


async def test_a_failed_trial_call_says_that_it_was_one() -> None:
    async with open_stack(provider_with(server_error()), dialect=NAMED) as stack:
        await stack.trip()
        await trio.sleep_until(60.0)
        error = await stack.failure()

    assert isinstance(error, CallFailed)
    assert error.context == met(attempt=1, elapsed=0.5, breaker="half_open")


async def test_a_call_without_capacity_says_how_long_it_waited() -> None:
    limits = Limits(requests=1)
    async with open_stack(
        provider_with(), dialect=NAMED, limits=limits, max_wait=5.0, rules=None, capacity=None
    ) as stack:
        await stack.answer()
        error = await stack.failure()

    assert isinstance(error, Rejected)
    assert error.context == met(budget_left=None)


async def test_a_group_has_the_circumstances_of_its_end_and_each_member_its_own() -> None:
    async with open_stack(provider_with(overload()), FIRST, SECOND, dialect=NAMED, retry=ONCE) as stack:
        group = await stack.failure(CallTerms(ids=IDS))

    assert isinstance(group, NoneAnswered)
    first, second = (error.context for error in group.exceptions if isinstance(error, CallFailed))
    assert first == met(attempt=1, elapsed=0.5, breaker="closed", ids=IDS)
    assert second == met(
        model=SECOND, attempt=2, elapsed=1.0, breaker="closed", budget_left=FULL - PRICE, ids=IDS
    )
    assert group.context == second


async def test_a_group_of_refusals_has_circumstances_too() -> None:
    async with open_stack(provider_with(), FIRST, SECOND, dialect=NAMED) as stack:
        await stack.trip()
        await stack.trip(model=1)
        group = await stack.failure()

    assert isinstance(group, NoneAdmitted)
    assert group.context == met(model=SECOND, breaker="open")


async def test_a_refused_retry_leaves_the_circumstances_of_the_attempt() -> None:
    limits = Limits(requests=1)
    async with open_stack(
        provider_with(server_error()), dialect=NAMED, limits=limits, retry=AT_ONCE
    ) as stack:
        error = await stack.failure()

    assert isinstance(error, CallFailed)
    assert isinstance(error.__cause__, Rejected)
    assert error.context == met(attempt=1, elapsed=0.5, breaker="closed", budget_left=FULL - PRICE)
    assert error.__cause__.context == met(attempt=1, elapsed=0.5, breaker="closed")


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_the_ids_are_those_that_the_callers_task_has_bound(is_streamed: bool) -> None:
    async with (
        open_stack(provider_with(server_error()), dialect=NAMED, retry=ONCE) as stack,
        open_actor(partial(Endpoint, stack.path)) as endpoint,
    ):

        async def stream(terms: CallTerms) -> None:
            async for _ in steps_of(endpoint, a_request(), terms):
                pass

        call = stream if is_streamed else partial(answer, endpoint, a_request())
        with bind_ids(session="s-1", user="u-2"), pytest.raises(CallFailed) as caught:
            await call(CallTerms(ids={"user": "u-9", "request": "r-4"}))

    assert caught.value.context is not None
    assert caught.value.context.ids == {
        "session": "s-1",
        "user": "u-9",
        "request": "r-4",
    }  # the terms know better


async def test_a_call_that_is_given_up_is_one_event_with_all_of_its_circumstances() -> None:
    page = Page()
    retry = RetryPolicy(max_retries=1)
    async with (
        open_stack(provider_with(server_error()), FIRST, SECOND, dialect=NAMED, retry=retry) as stack,
        open_actor(partial(Endpoint, stack.path, log=page.log)) as endpoint,
    ):
        await stack.drain(model=1)
        with bind_ids(**IDS), pytest.raises(CallFailed):
            await answer(endpoint, a_request())

    (event,) = [event for event in page.events if event["event"] == "call.given_up"]
    request_id = event.pop("request_id")
    assert request_id.startswith("req_")
    assert event == {
        "event": "call.given_up",
        "level": "error",
        "call": 1,
        "waited": 0.0,
        "service": "anthropic",
        "model": FIRST,
        "attempt": 2,
        "elapsed": 2.0,
        "breaker": "closed",
        "budget_left": FULL - PRICE,
        **IDS,
        "error": "ProviderFailed",
        "kind": "api_error",
        "fault": "server_error",
        "priority": "medium",
        "alert": False,
        "retryable": True,
        "provider": "anthropic",
        "status": 500,
        "is_out_of_budget": True,
    }


async def test_a_group_is_one_event_as_well_with_its_members() -> None:
    page = Page()
    async with (
        open_stack(provider_with(overload()), FIRST, SECOND, dialect=NAMED, retry=ONCE) as stack,
        open_actor(partial(Endpoint, stack.path, log=page.log)) as endpoint,
    ):
        with pytest.raises(NoneAnswered):
            await answer(endpoint, a_request())

    (event,) = [event for event in page.events if event["event"] == "call.given_up"]
    assert (event["error"], event["model"], event["attempt"]) == ("NoneAnswered(ProviderFailed)", SECOND, 2)
    assert [(each["model"], each["fault"]) for each in event["members"]] == [
        (FIRST, "overloaded"),
        (SECOND, "overloaded"),
    ]
