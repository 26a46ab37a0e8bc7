"""A call that waits for a model that is known to be down, where nobody stands in for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import attrs
import pytest
import trio
from cast_setup import AT_ONCE, FIRST, SECOND, a_request, open_path

from actors.breaker.breaker import Breaker
from actors.call.call import place_call
from actors.call.path import CallPath
from actors.call.steps import Answered
from actors.call.terms import ORDINARY, CallTerms
from actors.errors import BreakerOpen, TransportFailed
from actors.kernel import open_actor
from actors.policies.breaker.rules import BreakerRules
from actors.testing.provider import Latency, SimulatedProvider, outage

pytestmark = pytest.mark.usefixtures("autojump_clock")

RULES = BreakerRules(consecutive=1, cooldown=30.0, jitter=0.0)
"""Open for 30 s at the first failure."""

PATIENT = CallTerms(is_patient=True)


@asynccontextmanager
async def open_guarded(*models: str, down_for: float, max_wait: float = 600.0) -> AsyncGenerator[CallPath]:
    """Open a path of which each model has a breaker, to a provider that is down for the first seconds."""
    provider = SimulatedProvider(latency=Latency(median=1.0, sigma=0.0, per_output_token=0.0))
    provider.script(outage(lasting=down_for))
    async with AsyncExitStack() as stack:
        path = await stack.enter_async_context(open_path(provider, *models, retry=AT_ONCE, max_wait=max_wait))
        lines = [
            attrs.evolve(
                line,
                breaker=await stack.enter_async_context(
                    open_actor(partial(Breaker, RULES, service=line.model), name=f"breaker/{line.model}")
                ),
            )
            for line in path.lines
        ]
        yield attrs.evolve(path, lines=lines)


async def answer(path: CallPath, terms: CallTerms = PATIENT) -> Answered:
    *_, last = [step async for step in place_call(path, a_request(), terms)]
    assert isinstance(last, Answered)
    return last


async def trip(path: CallPath) -> None:
    """Have the first call fail, so that the breaker opens."""
    with pytest.raises(TransportFailed):
        await answer(path, ORDINARY)


async def test_a_patient_call_waits_until_the_model_is_up_again() -> None:
    async with open_guarded(FIRST, down_for=20.0) as path:
        await trip(path)
        answered = await answer(path)

    assert answered.model_used == FIRST
    assert answered.attempts == 1
    # Never before the 30 s are over, and a fifth of them later at most, so that not all come in one instant.
    assert 31.0 <= trio.current_time() <= 37.0


async def test_a_patient_call_outlasts_a_trial_that_fails() -> None:
    async with open_guarded(FIRST, down_for=50.0) as path:
        await trip(path)
        answered = await answer(path)

    # Its own trial after 30 s failed, and the next one, 60 s later, did not.
    assert answered.attempts == 2
    assert trio.current_time() >= 30.0 + 60.0


async def test_a_patient_call_waits_for_the_trial_of_somebody_else_and_asks_no_more_than_once_a_second() -> (
    None
):
    async with open_guarded(FIRST, down_for=20.0) as path:
        await trip(path)
        await trio.sleep(30.0)
        breaker = path.lines[0].breaker
        assert breaker is not None
        trial = await breaker.ask(Breaker.admit())

        async def settle_late() -> None:
            await trio.sleep(20.0)
            await breaker.ask(Breaker.settle(trial, "success"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(settle_late)
            answered = await answer(path)
        refused = (await breaker.ask(Breaker.snapshot())).refused

    assert answered.attempts == 1
    # Within a second and a fifth of the trial's end, though its lease would have lasted for 40 s more.
    assert 51.0 <= trio.current_time() <= 30.0 + 20.0 + 1.2 + 1.0
    assert 15 <= refused <= 21


async def test_a_call_that_is_not_patient_is_refused_at_once() -> None:
    async with open_guarded(FIRST, down_for=20.0) as path:
        await trip(path)
        with pytest.raises(BreakerOpen) as caught:
            await answer(path, ORDINARY)

    assert trio.current_time() == 0.0
    assert caught.value.retry_at == 30.0


async def test_a_patient_call_asks_another_model_rather_than_wait() -> None:
    async with open_guarded(FIRST, SECOND, down_for=0.0) as path:
        breaker = path.lines[0].breaker
        assert breaker is not None
        await breaker.ask(Breaker.settle(await breaker.ask(Breaker.admit()), "failure"))
        answered = await answer(path)

    assert answered.model_used == SECOND
    assert trio.current_time() == 1.0


async def test_patience_ends_where_it_would_end_for_capacity() -> None:
    async with open_guarded(FIRST, down_for=20.0, max_wait=29.0) as path:
        await trip(path)
        with pytest.raises(BreakerOpen):
            await answer(path)

    assert trio.current_time() == 0.0


async def test_patience_ends_with_the_deadline() -> None:
    async with open_guarded(FIRST, down_for=20.0) as path:
        await trip(path)
        with trio.move_on_after(29.0), pytest.raises(BreakerOpen):
            await answer(path)

    assert trio.current_time() == 0.0


async def test_nobody_waits_for_a_model_that_was_taken_out_by_hand() -> None:
    async with open_guarded(FIRST, down_for=0.0) as path:
        breaker = path.lines[0].breaker
        assert breaker is not None
        await breaker.ask(Breaker.isolate())
        with pytest.raises(BreakerOpen):
            await answer(path)

    assert trio.current_time() == 0.0
