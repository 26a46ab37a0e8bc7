"""A second copy, end to end: when it goes out, and what each copy leaves behind in limiter, breaker and budget."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import attrs
import pytest
import trio
from cast_setup import FIRST, a_request, open_ended, open_restarting
from stack_setup import (
    HELD,
    ONCE,
    ONE_CALL,
    PRICE,
    leave,
    open_stack,
    open_trained_clock,
    probing_by,
    provider_with,
    takes,
)

from actors.breaker.breaker import Breaker
from actors.call.exchange import CLOCK_PATIENCE
from actors.endpoint import Endpoint, EndpointStatistics, answer
from actors.errors import ProviderFailed, TransportFailed
from actors.hedging.clock import HedgeClock
from actors.kernel import op, open_actor
from actors.policies.ledger.limits import Limits
from actors.policies.usage import Usage
from actors.retry.budget import USES
from actors.testing.provider import SimulatedProvider, hang, overload, reset, server_error, slow, spend_cap
from actors.wire.http import HttpRequest, HttpResponse

pytestmark = pytest.mark.usefixtures("autojump_clock")

FULL = 10_000

TEN = slow(10, nth=1)
"""The first copy would be answered after 20 s, and is hedged at 3."""


@attrs.define(eq=False)
class Detour:
    """A network on which some requests take longer to arrive, so that a second copy overtakes the first.

    Args:
        provider: where they arrive.
        seconds: by the number of the request, from 1, how long it is on its way.
    """

    provider: SimulatedProvider
    seconds: Mapping[int, float]
    sent: int = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.sent += 1
        await trio.sleep(self.seconds.get(self.sent, 0.0))
        return await self.provider.transport.send(request)


# when it goes out


async def test_after_twenty_answers_a_slow_call_is_sent_once_more_at_the_learned_quantile() -> None:
    provider = provider_with(slow(10, nth=21))
    async with open_actor(HedgeClock) as clock, open_stack(provider, hedge_clock=clock) as stack:
        for _ in range(20):
            await stack.answer()
        with takes(2.0 + 2.0):
            answered = await stack.answer()

        assert answered.attempts == 2
        assert [record.at for record in provider.log[20:]] == [40.0, 42.0]
        assert provider.statistics().in_flight == 0
        known = (await clock.ask(HedgeClock.statistics()))[FIRST]
        assert (known.answers, known.censored) == (21, 1)
        # The loser stays spent as it was supposed by then: a prompt of 6 tokens and all the output there may be.
        await stack.assert_settled(Usage(22, 21 * 5 + 6, 21 * 7 + 100))


async def test_of_nineteen_answers_nothing_is_learned_and_no_call_is_hedged() -> None:
    provider = provider_with(slow(10, nth=20))
    async with open_actor(HedgeClock) as clock, open_stack(provider, hedge_clock=clock) as stack:
        for _ in range(19):
            await stack.answer()
        with takes(20.0):
            assert (await stack.answer()).attempts == 1


# who wins, and what is left of the other


async def test_the_second_copy_wins_and_the_first_is_settled_by_what_it_may_have_used() -> None:
    provider = provider_with(TEN)
    async with open_trained_clock() as clock, open_stack(provider, hedge_clock=clock) as stack:
        await stack.drain(left=PRICE)
        with takes(3.0 + 2.0):
            answered = await stack.answer()

        assert (answered.attempts, answered.fell_back) == (2, False)
        assert [record.completed for record in provider.log] == [False, True]
        await stack.assert_settled(HELD + ONE_CALL)
        snapshot = await stack.breaker()
        assert (snapshot.admitted, snapshot.calls, snapshot.failure_rate) == (2, 1, 0.0)  # one answer is one
        budget = await stack.budget()
        # Given back, and the attempt as a whole is a first success.
        assert (budget.left, budget.granted["hedge"]) == (PRICE + PRICE / 10, 1)


async def test_the_first_copy_wins_and_the_second_is_spent() -> None:
    provider = provider_with(slow(2, nth=1))
    async with open_trained_clock() as clock, open_stack(provider, hedge_clock=clock) as stack:
        await stack.drain(left=2 * PRICE)
        with takes(4.0):
            answered = await stack.answer()

        assert answered.attempts == 2
        assert [(record.ended_at, record.completed) for record in provider.log] == [(4.0, True), (4.0, False)]
        await stack.assert_settled(HELD + ONE_CALL)
        snapshot = await stack.breaker()
        assert (snapshot.admitted, snapshot.calls) == (2, 1)
        assert (await stack.budget()).left == 2 * PRICE - PRICE + PRICE / 10


async def test_a_first_copy_that_is_refused_meanwhile_is_refunded_and_the_pool_pauses_for_it() -> None:
    provider = provider_with(overload(nth=2))
    late = Detour(provider, {1: 3.5})  # arrives half a second after the second copy, is refused at 4
    async with (
        open_trained_clock() as clock,
        open_stack(provider, hedge_clock=clock, transport=late) as stack,
    ):
        with takes(3.0 + 2.0):
            await stack.answer()

        await stack.assert_settled(ONE_CALL)
        assert (await stack.limiter()).gate.pauses == 1
        snapshot = await stack.breaker()
        assert (snapshot.calls, snapshot.failure_rate) == (2, 0.5)


async def test_a_first_copy_that_breaks_meanwhile_is_charged_and_told_as_a_failure() -> None:
    provider = provider_with(reset(nth=2))
    late = Detour(provider, {1: 3.5})
    async with (
        open_trained_clock() as clock,
        open_stack(provider, hedge_clock=clock, transport=late) as stack,
    ):
        await stack.answer()

        await stack.assert_settled(HELD + ONE_CALL)
        snapshot = await stack.breaker()
        assert (snapshot.calls, snapshot.failure_rate) == (2, 0.5)


async def test_a_second_copy_that_fails_leaves_the_first_running_and_is_told_by_its_own_fault() -> None:
    provider = provider_with(slow(4, nth=1), server_error(nth=2))
    async with open_trained_clock() as clock, open_stack(provider, hedge_clock=clock) as stack:
        with takes(8.0):
            await stack.answer()

        await stack.assert_settled(HELD + ONE_CALL)
        snapshot = await stack.breaker()
        assert (snapshot.calls, snapshot.failure_rate) == (2, 0.5)
        assert (await stack.budget()).left == FULL - PRICE + PRICE / 10


async def test_a_fault_of_the_second_that_will_not_pass_ends_the_first_which_stays_charged() -> None:
    provider = provider_with(TEN, spend_cap(nth=2))
    async with open_trained_clock() as clock, open_stack(provider, hedge_clock=clock) as stack:
        with takes(3.5):
            error = await stack.failure()

        assert isinstance(error, ProviderFailed)
        assert error.limit_kind == "spend_cap"
        await stack.assert_settled(HELD)  # the refusal is refunded, and not the copy that was broken off


async def test_two_copies_that_fail_are_one_failed_attempt_with_the_fault_of_the_first() -> None:
    provider = provider_with(slow(4, nth=1), server_error(nth=2), reset(nth=1))
    late = Detour(provider, {1: 4.0})
    async with (
        open_trained_clock() as clock,
        open_stack(provider, hedge_clock=clock, transport=late, retry=ONCE) as stack,
    ):
        error = await stack.failure()

        assert isinstance(error, ProviderFailed)
        assert error.__notes__ == ["the second copy of the call failed as well: connection broke"]
        assert (await stack.breaker()).failures_in_row == 2
        await stack.assert_settled(HELD + HELD)


# who may not


async def test_there_is_no_second_copy_without_capacity_and_what_was_drawn_for_it_is_back() -> None:
    provider = provider_with(TEN)
    async with (
        open_trained_clock() as clock,
        open_stack(provider, hedge_clock=clock, limits=Limits(requests=1)) as stack,
    ):
        with takes(20.0):
            assert (await stack.answer()).attempts == 1

        budget = await stack.budget()
        assert (budget.left, budget.granted["hedge"]) == (FULL, 1)
        await stack.assert_settled(Usage(1, 5, 7))


async def test_there_is_no_second_copy_where_the_budget_has_too_little() -> None:
    provider = provider_with(TEN)
    async with open_trained_clock() as clock, open_stack(provider, hedge_clock=clock) as stack:
        await stack.drain(left=PRICE - 1)
        with takes(20.0):
            assert (await stack.answer()).attempts == 1

        assert (await stack.budget()).suppressed == {**dict.fromkeys(USES, 0), "hedge": 1}


async def test_there_is_no_second_copy_past_a_breaker_that_lets_nobody_through_and_it_is_refunded() -> None:
    provider = provider_with(TEN)
    async with open_trained_clock() as clock, open_stack(provider, hedge_clock=clock) as stack:
        breaker = stack.path.lines[0].breaker
        assert breaker is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stack.answer)
            await trio.sleep(1)
            await breaker.ask(Breaker.isolate())

        assert trio.current_time() == 20.0
        assert provider.statistics().requests == 1
        assert (await stack.budget()).left == FULL
        await stack.assert_settled(Usage(1, 5, 7))


async def test_a_single_trial_call_has_no_second_copy() -> None:
    provider = provider_with(TEN)
    async with open_trained_clock() as clock, open_stack(provider, hedge_clock=clock) as stack:
        await stack.trip()
        await trio.sleep_until(60.0)
        with takes(20.0):
            assert (await stack.answer()).attempts == 1

        assert (await stack.breaker()).state == "closed"


# its end


async def test_one_attempt_timeout_bounds_both_copies_and_the_attempt_has_failed_once() -> None:
    provider = provider_with(hang())
    async with (
        open_trained_clock() as clock,
        open_stack(provider, hedge_clock=clock, attempt_timeout=7.0, retry=ONCE) as stack,
    ):
        with takes(7.0):
            error = await stack.failure()

        assert isinstance(error, TransportFailed)
        assert str(error) == "no answer within attempt_timeout 7 s"
        assert [(record.at, record.ended_at) for record in provider.log] == [(0.0, 7.0), (3.0, 7.0)]
        assert (await stack.breaker()).failures_in_row == 1
        assert (await stack.budget()).left == FULL - PRICE
        known = (await clock.ask(HedgeClock.statistics()))[FIRST]
        assert known.censored == 2
        await stack.assert_settled(HELD + HELD)


async def test_an_attempt_timeout_before_the_quantile_leaves_no_time_for_a_second_copy() -> None:
    provider = provider_with(hang())
    async with (
        open_trained_clock() as clock,
        open_stack(provider, hedge_clock=clock, attempt_timeout=3.0, retry=ONCE) as stack,
    ):
        with takes(3.0):
            await stack.failure()

        assert provider.statistics().requests == 1
        assert (await stack.budget()).left == FULL


async def test_a_caller_that_leaves_during_the_race_leaves_nothing_behind_but_what_both_may_have_used() -> (
    None
):
    provider = provider_with(hang())
    async with open_trained_clock() as clock, open_stack(provider, hedge_clock=clock) as stack:
        await leave(stack.steps, after=4.0)

        assert provider.statistics().in_flight == 0
        assert (await stack.budget()).left == FULL - PRICE
        snapshot = await stack.breaker()
        assert (snapshot.admitted, snapshot.calls) == (2, 0)
        await stack.assert_settled(HELD + HELD)


async def test_of_two_copies_that_are_trial_calls_the_loser_is_given_back_and_counts_for_nothing() -> None:
    provider = provider_with(TEN)
    async with (
        open_trained_clock() as clock,
        open_stack(provider, hedge_clock=clock, rules=probing_by(2)) as stack,
    ):
        await stack.trip()
        await trio.sleep_until(60.0)
        assert (await stack.answer()).attempts == 2
        assert (await stack.breaker()).state == "half_open"  # one answer is no proof of two

        await stack.answer()
        assert (await stack.breaker()).state == "closed"


# the clock


class FragileClock(HedgeClock):
    """A hedge clock that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


async def test_a_hedge_clock_that_is_being_restarted_holds_up_no_call() -> None:
    provider = provider_with(TEN)
    async with (
        open_restarting(FragileClock, "clock", pause=100.0) as clock,
        open_stack(provider, hedge_clock=clock) as stack,
    ):
        await clock.tell(FragileClock.crash())
        await trio.testing.wait_all_tasks_blocked()
        with takes(CLOCK_PATIENCE + 20.0):
            await stack.answer()


async def test_a_hedge_clock_that_has_ended_costs_nothing() -> None:
    async with open_ended(HedgeClock) as clock, open_stack(provider_with(TEN), hedge_clock=clock) as stack:
        with takes(20.0):
            await stack.answer()


async def test_the_books_of_the_endpoint_count_attempts_and_not_copies() -> None:
    provider = provider_with(TEN)
    async with (
        open_trained_clock() as clock,
        open_stack(provider, hedge_clock=clock) as stack,
        open_actor(partial(Endpoint, stack.path)) as endpoint,
    ):
        answered = await answer(endpoint, a_request())

        assert answered.attempts == 2
        assert await endpoint.ask(Endpoint.statistics()) == EndpointStatistics(
            calls=1, answered=1, attempts=1
        )
