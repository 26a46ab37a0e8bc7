"""A call and the breakers in its way: who is passed over, who may try again, and what each attempt tells them."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import trio
from cast_setup import AT_ONCE, FIRST, SECOND
from stack_setup import HELD, ONCE, ONE_CALL, RULES, Longest, open_stack, probing_by, provider_with, takes

from actors.breaker.breaker import Breaker
from actors.call.steps import Answered, Calling, Failed, PassedOver, Waiting
from actors.errors import BreakerOpen, NoneAdmitted, ProviderFailed, TransportFailed
from actors.kernel import Message
from actors.policies.ledger.limits import Limits
from actors.policies.retry.retry import RetryPolicy
from actors.policies.usage import NOTHING, Usage
from actors.testing.provider import (
    Fault,
    ProviderLimits,
    cut_off,
    hang,
    malformed,
    overload,
    rate_limited,
    server_error,
)

pytestmark = pytest.mark.usefixtures("autojump_clock")

AMPLE = Limits(10_000, 10_000_000, 10_000_000)

AT_THE_FIRST = attrs.evolve(RULES, consecutive=1)


# known to be down


async def test_an_open_breaker_passes_the_model_over_at_once_and_nothing_is_sent_nor_queued() -> None:
    provider = provider_with()
    async with open_stack(provider, FIRST, SECOND) as stack:
        await stack.trip()
        with takes(2.0):
            steps = await stack.steps()

        assert [type(step) for step in steps] == [Waiting, PassedOver, Waiting, Calling, Answered]
        passed_over = steps[1]
        assert isinstance(passed_over, PassedOver)
        assert isinstance(passed_over.error, BreakerOpen)
        assert (passed_over.error.state, passed_over.error.retry_at) == ("open", 60.0)
        assert [record.model for record in provider.log] == [SECOND]
        assert (await stack.limiter()).queue.granted == 0
        await stack.assert_settled(NOTHING)


async def test_the_refusal_of_the_only_model_is_the_answer() -> None:
    async with open_stack(provider_with()) as stack:
        await stack.trip()
        with takes(0.0):
            error = await stack.failure()

    assert isinstance(error, BreakerOpen)
    assert error.retry_at == 60.0


async def test_a_chain_of_which_all_are_known_to_be_down_says_when_the_first_of_them_may_be_back() -> None:
    provider = provider_with()
    async with open_stack(provider, FIRST, SECOND) as stack:
        await stack.trip(model=1)
        await trio.sleep(1)
        await stack.trip()
        error = await stack.failure()

    assert isinstance(error, NoneAdmitted)
    assert str(error) == f"no model answered: {FIRST}: known to be down; {SECOND}: known to be down"
    assert error.retry_at == 60.0
    assert provider.statistics().requests == 0


# asked again


async def test_each_retry_asks_the_breaker_again() -> None:
    provider = provider_with(server_error())
    rules = attrs.evolve(RULES, consecutive=2)
    async with open_stack(provider, rules=rules) as stack:
        with takes(0.5 + 1.0 + 0.5):  # the wait after a second failure is not begun
            error = await stack.failure()

        assert isinstance(error, ProviderFailed)
        assert error.retry_at == 2.0 + 60.0
        assert error.__notes__ == ["not tried again: known to be down"]
        assert provider.statistics().requests == 2


async def test_a_breaker_that_is_shut_during_the_wait_refuses_the_attempt_after_it() -> None:
    provider = provider_with(server_error())
    async with open_stack(provider, retry=RetryPolicy(initial=10.0)) as stack:
        breaker = stack.path.lines[0].breaker
        assert breaker is not None
        async with trio.open_nursery() as nursery:
            errors: list[Exception] = []

            async def call() -> None:
                errors.append(await stack.failure())

            nursery.start_soon(call)
            await trio.sleep(5)
            await breaker.ask(Breaker.isolate())

        (error,) = errors
        assert trio.current_time() == 10.5
        assert isinstance(error, ProviderFailed)
        assert isinstance(error.__cause__, BreakerOpen)
        assert error.retry_at is None  # until somebody releases it
        assert error.__notes__ == ["not tried again: taken out by hand"]
        assert provider.statistics().requests == 1
        assert (await stack.budget()).left == 10_000  # what was drawn for the retry is back
        await stack.assert_settled(HELD)


async def test_a_breaker_that_opens_while_the_call_stands_in_line_refuses_after_the_grant_and_refunds() -> (
    None
):
    provider = provider_with()
    async with open_stack(provider, limits=Limits(requests=1), max_wait=100.0) as stack:
        await stack.answer()
        async with trio.open_nursery() as nursery:
            errors: list[Exception] = []

            async def call() -> None:
                errors.append(await stack.failure())

            nursery.start_soon(call)
            await trio.sleep_until(10.0)
            await stack.trip()  # until 70

        (error,) = errors
        assert trio.current_time() == 60.5  # as soon as there was room, and not before
        assert isinstance(error, BreakerOpen)
        assert error.retry_at == 70.0
        assert (await stack.limiter()).queue.granted == 2
        assert provider.statistics().requests == 1
        await trio.sleep_until(63.0)  # the output of the first call has left, too
        await stack.assert_settled(NOTHING)


async def test_after_a_failure_whose_breaker_refuses_the_next_attempt_it_does_not_wait_but_asks_elsewhere() -> (
    None
):
    provider = provider_with(overload(FIRST))
    async with open_stack(provider, FIRST, SECOND, rules=AT_THE_FIRST) as stack:
        with takes(0.5 + 2.0):
            steps = await stack.steps()

    failed, passed_over = steps[2], steps[3]
    assert isinstance(failed, Failed)
    assert isinstance(passed_over, PassedOver)
    assert failed.delay is None
    assert failed.error.retry_at == 60.5
    assert failed.error.__notes__ == ["not tried again: known to be down"]
    assert [record.model for record in provider.log] == [FIRST, SECOND]


async def test_a_wait_at_the_end_of_which_the_breaker_may_be_tried_is_waited_for() -> None:
    provider = provider_with(server_error(nth=1))
    rules = attrs.evolve(AT_THE_FIRST, cooldown=5.0)
    async with open_stack(provider, rules=rules, retry=RetryPolicy(initial=5.0)) as stack:
        with takes(0.5 + 5.0 + 2.0):
            answered = await stack.answer()

        assert answered.attempts == 2
        assert (await stack.breaker()).state == "closed"


async def test_a_wait_that_ends_before_the_breaker_may_be_tried_is_not_begun() -> None:
    rules = attrs.evolve(AT_THE_FIRST, cooldown=5.1)
    retry = RetryPolicy(initial=5.0)
    async with open_stack(provider_with(server_error()), rules=rules, retry=retry) as stack:
        with takes(0.5):
            await stack.failure()


# half-open


@pytest.mark.parametrize("probes", [1, 5])
@pytest.mark.unmeasured
async def test_of_a_thousand_calls_at_the_half_open_instant_exactly_the_probes_are_sent(probes: int) -> None:
    provider = provider_with(limits=ProviderLimits(10_000, 10_000_000, 10_000_000))
    async with open_stack(provider, limits=AMPLE, rules=probing_by(probes)) as stack:
        await stack.trip()
        await trio.sleep_until(60.0)
        refused: list[Exception] = []
        answered: list[Answered] = []

        async def call() -> None:
            try:
                answered.append(await stack.answer())
            except BreakerOpen as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(call)
            await trio.sleep(1)
            assert provider.statistics().requests == probes

        assert (len(answered), len(refused)) == (probes, 1000 - probes)
        assert trio.current_time() == 62.0
        assert (await stack.breaker()).state == "closed"
        await stack.assert_settled(
            Usage(probes, probes * ONE_CALL.input_tokens, probes * ONE_CALL.output_tokens)
        )
        await stack.answer()


async def test_a_probe_whose_caller_leaves_in_mid_exchange_is_given_back() -> None:
    async with open_stack(provider_with()) as stack:
        await stack.trip()
        await trio.sleep_until(60.0)
        with trio.move_on_after(1) as scope:
            await stack.answer()
        assert scope.cancelled_caught
        snapshot = await stack.breaker()
        assert (snapshot.state, snapshot.probes, snapshot.failed_probes) == ("half_open", 0, 0)

        await stack.answer()
        assert (await stack.breaker()).state == "closed"


async def test_a_probe_that_is_refused_for_a_rate_is_given_back() -> None:
    provider = provider_with(rate_limited(nth=1))
    async with open_stack(provider, retry=AT_ONCE) as stack:
        await stack.trip()
        await trio.sleep_until(60.0)
        answered = await stack.answer()

        assert answered.attempts == 2
        assert (await stack.breaker()).opened == 1


async def test_a_probe_that_hangs_is_a_failure_when_its_lease_ends_and_what_comes_later_changes_nothing() -> (
    None
):
    provider = provider_with(hang(nth=1))
    rules = attrs.evolve(RULES, probe_lease=10.0)
    async with open_stack(provider, rules=rules, retry=ONCE) as stack:
        await stack.trip()
        await trio.sleep_until(60.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stack.failure)
            await trio.sleep_until(69.999)
            assert (await stack.breaker()).state == "half_open"
            await trio.sleep_until(70.0)
            snapshot = await stack.breaker()
            assert (snapshot.state, snapshot.retry_at, snapshot.overdue) == ("open", 70.0 + 120.0, 1)

        assert trio.current_time() == 90.0  # the attempt_timeout
        snapshot = await stack.breaker()
        assert (snapshot.state, snapshot.retry_at, snapshot.late) == ("open", 190.0, 1)


# what it is told


@pytest.mark.parametrize(
    ("fault", "row"),
    [
        (overload(nth=1), 1),
        (server_error(nth=1), 1),
        (cut_off(nth=1), 1),
        (hang(nth=1), 1),
        (rate_limited(nth=1), 0),
        (malformed(nth=1), 0),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
async def test_each_attempt_tells_by_its_fault_and_a_success_ends_the_row(fault: Fault, row: int) -> None:
    async with open_stack(provider_with(fault), retry=ONCE) as stack:
        await stack.failure()
        assert (await stack.breaker()).failures_in_row == row

        await trio.sleep(1)  # an overload pauses the pool
        await stack.answer()
        snapshot = await stack.breaker()
        assert (snapshot.failures_in_row, snapshot.calls) == (0, row + 1)


async def test_an_attempt_that_takes_too_long_is_one_failure() -> None:
    async with open_stack(provider_with(hang()), retry=ONCE, rules=AT_THE_FIRST) as stack:
        with takes(30.0):
            error = await stack.failure()

        assert isinstance(error, TransportFailed)
        assert (await stack.breaker()).retry_at == 90.0


@pytest.mark.parametrize("by_hand", [Breaker.isolate, Breaker.disable, Breaker.observe])
async def test_what_is_set_by_hand_holds_for_calls(by_hand: Callable[[], Message[Breaker, None]]) -> None:
    async with open_stack(provider_with(server_error()), rules=AT_THE_FIRST, retry=ONCE) as stack:
        breaker = stack.path.lines[0].breaker
        assert breaker is not None
        await breaker.ask(by_hand())
        errors = [type(await stack.failure()) for _ in range(3)]

    assert errors == [BreakerOpen if by_hand is Breaker.isolate else ProviderFailed] * 3


def test_the_longest_wait_is_the_bound() -> None:
    assert RetryPolicy().backoff(3, Longest()) == 4.0
