"""One logical call against the simulated provider: what is tried again, what is asked next, and what it costs."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Any

import attrs
import pytest
import trio
from cast_setup import (
    AT_ONCE,
    DIALECT,
    FIRST,
    SECOND,
    THIRD,
    TWO_SECONDS,
    Fragile,
    a_request,
    answer_of,
    assert_settled,
    books_of,
    exact,
    held_for,
    open_ended,
    open_path,
    open_restarting,
    steps_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.call.call import place_call
from actors.call.path import CallPath, Dialect, Line
from actors.call.steps import Answered, Calling, Failed, PassedOver, Waiting
from actors.error_phrase import phrase
from actors.errors import (
    NeverFits,
    NoneAdmitted,
    NoneAnswered,
    ProviderFailed,
    Rejected,
    ReplyInvalid,
    TransportFailed,
    WaitTooLong,
)
from actors.faults import ErrorContext
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import reserve
from actors.policies.estimates.estimate import Estimate
from actors.policies.estimates.learning_estimator import LearningEstimator
from actors.policies.ledger.limits import Limits
from actors.policies.retry.retry import RetryPolicy
from actors.policies.usage import NOTHING, Usage
from actors.testing.provider import (
    MODES,
    Fault,
    Latency,
    Mode,
    SimulatedProvider,
    count_input_tokens,
    cut_off,
    hang,
    malformed,
    outage,
    overload,
    rate_limited,
    reset,
    server_error,
    spend_cap,
)
from actors.testing.run import run
from actors.wire.chat import ChatMessage, ChatRequest
from actors.wire.http import HttpRequest, HttpResponse

pytestmark = pytest.mark.usefixtures("autojump_clock")

HELD = held_for(a_request())
ONE_CALL = Usage(1, 5, 7)
"""What the provider counts for `a_request()` and its echoed answer."""


def provider_with(*faults: Fault, **options: Any) -> SimulatedProvider:
    options = {"latency": TWO_SECONDS, **options}
    provider = SimulatedProvider(**options)
    provider.script(*faults)
    return provider


# an answer


async def test_an_answer_comes_after_its_steps_and_settles_by_what_it_used() -> None:
    provider = provider_with()
    async with open_path(provider) as path:
        waiting, calling, answered = await steps_of(path)

        assert waiting == Waiting(FIRST)
        assert calling == Calling(FIRST, attempt=1, waited=0.0)
        assert isinstance(answered, Answered)
        assert answered.reply.text == f"{FIRST} heard: hello"
        assert (answered.model_used, answered.fell_back, answered.attempts) == (FIRST, False, 1)
        assert trio.current_time() == 2.0
        await assert_settled(path.lines[0].limiter, ONE_CALL)


async def test_the_wait_for_capacity_is_told() -> None:
    async with open_path(provider_with(), limits=Limits(requests=1), max_wait=math.inf) as path:
        await steps_of(path)
        steps = await steps_of(path)

        assert steps[1] == Calling(FIRST, attempt=1, waited=58.5)  # sent at 0, counted by 0.5, asked for at 2


async def test_the_model_of_the_request_gives_way_to_the_model_of_the_line() -> None:
    provider = provider_with()
    async with open_path(provider, SECOND) as path:
        answered = await answer_of(path, attrs.evolve(a_request(), model="any"))

    assert answered.reply.model == SECOND


# tried again


@pytest.mark.parametrize(
    ("fault", "phrase_of_status", "pause", "used"),
    [
        (rate_limited(nth=1), 429, 5.0, ONE_CALL),
        (overload(nth=1), 529, 1.0, ONE_CALL),
        (server_error(nth=1), 500, 0.0, HELD + ONE_CALL),
    ],
    ids=["429", "529", "500"],
)
async def test_a_fault_that_passes_is_tried_again_and_costs_what_the_provider_counts(
    fault: Fault, phrase_of_status: int, pause: float, used: Usage
) -> None:
    async with open_path(provider_with(fault), retry=AT_ONCE) as path:
        steps = await steps_of(path)

        assert [type(step) for step in steps] == [Waiting, Calling, Failed, Waiting, Calling, Answered]
        failed = steps[2]
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, ProviderFailed)
        assert (failed.attempt, failed.delay, failed.error.status) == (1, 0.0, phrase_of_status)
        assert steps[4] == Calling(
            FIRST, attempt=2, waited=pause
        )  # of the whole pool, not of this call alone
        assert trio.current_time() == 0.5 + pause + 2.0
        await assert_settled(path.lines[0].limiter, used)


async def test_retry_after_is_honoured_to_the_instant() -> None:
    provider = provider_with(rate_limited(retry_after=17, nth=1))
    async with open_path(provider, rng=random.Random(3)) as path:
        answered = await answer_of(path)

    spread = 1 + 0.2 * random.Random(3).random()
    refused, answer = provider.log
    assert answered.attempts == 2
    assert answer.at == pytest.approx(refused.ended_at + 17 * spread)
    assert answer.at >= refused.ended_at + 17


@pytest.mark.parametrize(
    ("fault", "kind", "used"),
    [
        (cut_off(nth=1), "protocol", HELD),
        (reset(nth=1), "reset", HELD),
        (outage(lasting=1.0), "connect", NOTHING),
        (hang(nth=1), "timeout", HELD),
    ],
    ids=["cut off", "reset", "no connection", "hang"],
)
async def test_a_broken_exchange_is_tried_again_and_charged_unless_it_never_began(
    fault: Fault, kind: str, used: Usage
) -> None:
    retry = RetryPolicy(initial=4.0)
    async with open_path(provider_with(fault), retry=retry, attempt_timeout=10, rng=random.Random(1)) as path:
        steps = await steps_of(path)

        failed = steps[2]
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, TransportFailed)
        assert failed.error.kind == kind
        assert isinstance(steps[-1], Answered)
        await assert_settled(path.lines[0].limiter, used + ONE_CALL)


async def test_an_exchange_that_hangs_is_cut_at_the_attempt_timeout() -> None:
    provider = provider_with(hang())
    async with open_path(provider, retry=RetryPolicy(max_retries=0), attempt_timeout=7) as path:
        with pytest.raises(TransportFailed, match=r"^no answer within attempt_timeout 7 s$") as caught:
            await answer_of(path)

        assert trio.current_time() == 7.0
        assert (caught.value.kind, caught.value.charged) == ("timeout", True)
        assert provider.statistics().in_flight == 0


async def test_an_answer_of_no_use_is_tried_again() -> None:
    async with open_path(provider_with(malformed(nth=1)), retry=AT_ONCE) as path:
        steps = await steps_of(path)

    failed = steps[2]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ReplyInvalid)
    assert isinstance(steps[-1], Answered)


async def test_retries_come_to_an_end() -> None:
    provider = provider_with(overload(lasting=math.inf))
    async with open_path(provider, retry=RetryPolicy(max_retries=2, initial=0.0)) as path:
        steps: list[object] = []
        with pytest.raises(ProviderFailed, match="529 overloaded_error"):
            steps += [step async for step in place_call(path, a_request())]

        assert provider.statistics().requests == 3
        await assert_settled(path.lines[0].limiter, NOTHING)


async def test_no_retry_goes_out_past_the_deadline_and_none_is_waited_for() -> None:
    provider = provider_with(rate_limited(retry_after=20))
    async with open_path(provider) as path:
        with trio.move_on_after(20) as scope, pytest.raises(ProviderFailed):
            await answer_of(path)

        assert not scope.cancelled_caught
        assert trio.current_time() == 0.5
        assert provider.statistics().requests == 1


async def test_max_elapsed_counts_from_the_first_request_and_not_from_the_wait_for_capacity() -> None:
    provider = provider_with(overload(nth=2))
    retry = RetryPolicy(initial=0.0, max_elapsed=10.0)
    async with open_path(provider, limits=Limits(requests=1), retry=retry, max_wait=math.inf) as path:
        await answer_of(path)
        answered = await answer_of(path)

        assert answered.attempts == 2
        assert trio.current_time() == 60.5 + 0.5 + 1.0 + 2.0  # refused, paused for, answered


async def test_no_attempt_starts_once_max_elapsed_has_passed_since_the_first() -> None:
    provider = provider_with(server_error(lasting=math.inf))
    async with open_path(provider, retry=RetryPolicy(max_retries=99, initial=0.0, max_elapsed=2.0)) as path:
        with pytest.raises(ProviderFailed):
            await answer_of(path)

        assert [record.at for record in provider.log] == [0.0, 0.5, 1.0, 1.5]


async def test_no_attempt_starts_beyond_max_elapsed_even_if_capacity_comes_later() -> None:
    provider = provider_with(server_error(nth=2))
    retry = RetryPolicy(initial=0.0, max_elapsed=30.0)
    async with open_path(provider, limits=Limits(requests=2), retry=retry, max_wait=math.inf) as path:
        await answer_of(path)
        with pytest.raises(ProviderFailed) as caught:
            await answer_of(path)

        assert provider.statistics().requests == 2
        assert trio.current_time() == 2.5  # room at 60 at the earliest, so the wait is not begun
        assert caught.value.__notes__ == ["not tried again: no capacity in time"]
        assert isinstance(caught.value.__cause__, WaitTooLong)


async def test_a_call_that_failed_and_finds_no_capacity_for_a_retry_tells_of_the_call() -> None:
    provider = provider_with(server_error(nth=1))
    async with open_path(provider, FIRST, SECOND, limits=Limits(requests=1), retry=AT_ONCE) as path:
        steps = await steps_of(path)

    assert [type(step) for step in steps] == [
        Waiting, Calling, Failed, Waiting, PassedOver, Waiting, Calling, Answered,
    ]  # fmt: skip
    passed_over = steps[4]
    assert isinstance(passed_over, PassedOver)
    assert isinstance(passed_over.error, ProviderFailed)


# asked elsewhere


async def test_a_model_that_fails_gives_way_to_the_next_with_its_steps_in_order() -> None:
    provider = provider_with(overload(FIRST, lasting=math.inf))
    async with open_path(provider, FIRST, SECOND, retry=RetryPolicy(max_retries=1, initial=0.0)) as path:
        steps = await steps_of(path)

        assert [type(step) for step in steps] == [
            Waiting, Calling, Failed, Waiting, Calling, Failed, PassedOver, Waiting, Calling, Answered,
        ]  # fmt: skip
        first, last, passed_over, calling, answered = steps[2], steps[5], steps[6], steps[8], steps[9]
        assert isinstance(first, Failed)
        assert isinstance(last, Failed)
        assert (first.delay, last.delay) == (0.0, None)
        assert passed_over == PassedOver(FIRST, SECOND, last.error)
        assert calling == Calling(SECOND, attempt=3, waited=0.0)
        assert isinstance(answered, Answered)
        assert (answered.model_used, answered.fell_back, answered.attempts) == (SECOND, True, 3)
        await assert_settled(path.lines[0].limiter, NOTHING)


async def test_a_chain_of_which_none_answers_raises_a_group_that_names_each() -> None:
    provider = provider_with(
        overload(FIRST, lasting=math.inf), server_error(model=SECOND), reset(model=THIRD)
    )
    async with open_path(provider, FIRST, SECOND, THIRD, retry=RetryPolicy(max_retries=0)) as path:
        with pytest.raises(NoneAnswered) as caught:
            await answer_of(path)

    first, second, third = caught.value.exceptions
    assert isinstance(first, ProviderFailed)
    assert isinstance(second, ProviderFailed)
    assert isinstance(third, TransportFailed)
    assert str(caught.value) == (
        f"no model answered: {FIRST}: overloaded (529); {SECOND}: api (500); {THIRD}: connection broke"
    )
    assert caught.value.retryable
    assert caught.value.context == ErrorContext(service="", model=THIRD, attempt=3, elapsed=1.5)


async def test_an_answer_says_why_each_earlier_model_was_passed_over() -> None:
    provider = provider_with(overload(FIRST, lasting=math.inf), server_error(model=SECOND))
    async with open_path(provider, FIRST, SECOND, THIRD, retry=RetryPolicy(max_retries=0)) as path:
        answered = await answer_of(path)

    assert (answered.model_used, answered.fell_back) == (THIRD, True)
    assert [(each.model, phrase(each.error)) for each in answered.passed_over] == [
        (FIRST, "overloaded (529)"),
        (SECOND, "api (500)"),
    ]


async def test_a_model_without_capacity_gives_way_to_the_next() -> None:
    async with open_path(provider_with(), FIRST, SECOND, limits=Limits(requests=1), max_wait=5) as path:
        await steps_of(path)
        steps = await steps_of(path)

    assert [type(step) for step in steps] == [Waiting, PassedOver, Waiting, Calling, Answered]
    passed_over = steps[1]
    assert isinstance(passed_over, PassedOver)
    assert isinstance(passed_over.error, WaitTooLong)


async def test_the_last_model_without_capacity_rejects_the_call() -> None:
    limits = Limits(output_tokens=50)
    async with open_path(provider_with(), FIRST, SECOND, limits=limits) as path:
        with pytest.raises(NoneAdmitted) as caught:
            await answer_of(path)

    assert [type(error) for error in caught.value.exceptions] == [NeverFits, NeverFits]
    assert caught.value.public_message == NeverFits.public_message
    assert caught.value.retry_at is None


@pytest.mark.parametrize("fault", [spend_cap()], ids=["spend limit"])
async def test_a_fault_no_model_can_mend_is_neither_tried_again_nor_elsewhere(fault: Fault) -> None:
    provider = provider_with(fault)
    async with open_path(provider, FIRST, SECOND) as path:
        with pytest.raises(ProviderFailed):
            await answer_of(path)

        assert provider.statistics().requests == 1
        assert not (await books_of(path.lines[1].limiter)).queue.granted


async def test_a_bad_request_is_neither_tried_again_nor_asked_elsewhere() -> None:
    provider = provider_with()
    answer_first = attrs.evolve(a_request(), messages=(ChatMessage("assistant", "hello"),))
    async with open_path(provider, FIRST, SECOND) as path:
        with pytest.raises(ProviderFailed, match="400 invalid_request_error"):
            await answer_of(path, answer_first)

        assert provider.statistics().requests == 1


# left in the middle


async def test_a_consumer_that_leaves_during_the_exchange_cancels_it_and_settles() -> None:
    provider = provider_with()
    async with open_path(provider) as path:
        with trio.move_on_after(1) as scope:
            await answer_of(path)

        assert scope.cancelled_caught
        assert provider.statistics().in_flight == 0
        assert not provider.log[0].completed
        await assert_settled(path.lines[0].limiter, HELD)


async def test_a_consumer_that_leaves_before_the_exchange_is_refunded() -> None:
    provider = provider_with()
    async with open_path(provider) as path:
        async with aclosing(place_call(path, a_request())) as steps:
            assert await anext(steps) == Waiting(FIRST)
            assert isinstance(await anext(steps), Calling)
            assert (await books_of(path.lines[0].limiter)).ledger.in_flight == 1

        assert provider.statistics().requests == 0
        await assert_settled(path.lines[0].limiter, NOTHING)


async def test_a_consumer_that_leaves_between_two_attempts_leaves_nothing_behind() -> None:
    provider = provider_with(overload())
    async with open_path(provider, retry=AT_ONCE) as path:
        async with aclosing(place_call(path, a_request())) as steps:
            async for step in steps:
                if isinstance(step, Failed):
                    break

        assert provider.statistics().requests == 1
        await assert_settled(path.lines[0].limiter, NOTHING)


# a limiter that crashes or ends


async def test_a_call_outlives_a_crash_of_its_limiter_and_is_charged_to_the_next_incarnation() -> None:
    provider = provider_with()
    limits = Limits(requests=1)
    async with open_restarting(exact(Fragile, limits), "limiter") as limiter:
        path = CallPath([Line(FIRST, limiter)], provider.transport, DIALECT, max_wait=math.inf)

        async def crash() -> None:
            await trio.sleep(1)
            await limiter.tell(Fragile.crash())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash)
            for _ in range(3):
                nursery.start_soon(answer_of, path)

        assert provider.statistics().over_limit == 0
        assert provider.statistics().completed == 3
        assert (await books_of(limiter)).ledger.in_flight == 0


async def test_a_limiter_that_has_ended_is_passed_over() -> None:
    provider = provider_with()
    async with open_ended(exact(Limiter, Limits())) as ended, open_path(provider, SECOND) as good:
        path = attrs.evolve(good, lines=[Line(FIRST, ended), *good.lines])
        steps = await steps_of(path)

    assert [type(step) for step in steps] == [Waiting, PassedOver, Waiting, Calling, Answered]
    assert isinstance(steps[1], PassedOver)
    assert type(steps[1].error) is Rejected


# misuse


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lines": []}, "Length of 'lines' must be >= 1"),
        ({"max_wait": -1}, "'max_wait' must be >= 0"),
        ({"attempt_timeout": 0}, "'attempt_timeout' must be > 0"),
        ({"attempt_timeout": math.nan}, "'attempt_timeout' must be > 0"),
    ],
)
async def test_a_path_out_of_bounds_is_refused(options: dict[str, Any], text: str) -> None:
    async with open_path(provider_with()) as path:
        with pytest.raises(ValueError, match=text):
            attrs.evolve(path, **options)


@pytest.mark.parametrize("request_", [None, "hello"])
async def test_a_request_that_is_none_is_refused_before_anything_is_reserved(request_: Any) -> None:
    provider = provider_with()
    async with open_path(provider) as path:
        with pytest.raises(TypeError, match=r"^request must be a ChatRequest, got "):
            [step async for step in place_call(path, request_)]

        assert provider.statistics().requests == 0
        await assert_settled(path.lines[0].limiter, NOTHING)


async def test_a_bug_in_the_dialect_goes_up_and_leaves_the_call_charged() -> None:
    def decode(_response: HttpResponse) -> Any:
        raise KeyError("bug")

    async with open_path(provider_with()) as path:
        with pytest.raises(KeyError):
            await answer_of(attrs.evolve(path, dialect=Dialect(DIALECT.encode, decode)))

        await assert_settled(path.lines[0].limiter, HELD)


# what it may cost


async def test_the_system_prompt_and_every_turn_are_measured_and_as_much_is_reserved() -> None:
    measured: list[tuple[str, list[str]]] = []

    def measure(model: str, texts: Sequence[str]) -> Estimate:
        measured.append((model, list(texts)))
        return LearningEstimator().estimate(model, texts)

    turns = (ChatMessage("user", "one"), ChatMessage("assistant", "two"), ChatMessage("user", "three"))
    request = ChatRequest("", turns, system="rules", max_tokens=9)
    async with (
        open_path(provider_with(), measure=measure) as path,
        aclosing(place_call(path, request)) as steps,
    ):
        async for step in steps:
            if isinstance(step, Calling):
                break
        books = await books_of(path.lines[0].limiter)

    assert measured == [(FIRST, ["rules", "one", "two", "three"])]
    assert books.ledger.reserved == held_for(attrs.evolve(request, model=FIRST))


@settings(max_examples=50)
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=3), system=st.text(max_size=30))
def test_no_call_is_estimated_below_what_the_provider_counts(texts: list[str], system: str) -> None:
    request = ChatRequest("", tuple(ChatMessage("user", text) for text in texts), system=system)
    body = {"system": system, "messages": [{"role": "user", "content": text} for text in texts]}

    assert held_for(request).input_tokens >= count_input_tokens(body)


# the promise


def talkative(tokens: int) -> Any:
    return lambda _body: "word" * tokens


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("faults", [(), (overload(at=20, lasting=30), cut_off(nth=5), reset(nth=9))])
def test_sixty_calls_at_once_never_go_over_the_providers_limits(
    mode: Mode, faults: tuple[Fault, ...]
) -> None:
    provider = SimulatedProvider(mode=mode, model=talkative(300), latency=Latency(per_output_token=0.01))
    provider.script(*faults)

    async def main() -> None:
        patient = RetryPolicy(max_retries=99, max_elapsed=math.inf)
        async with open_path(provider, max_wait=math.inf, retry=patient) as path:
            async with trio.open_nursery() as nursery:
                for _ in range(60):
                    nursery.start_soon(answer_of, path, a_request("word" * 1500, max_tokens=1024))
            books = await books_of(path.lines[0].limiter)
            assert (books.ledger.in_flight, books.ledger.reserved) == (0, NOTHING)

    run(main, seed=7)
    statistics = provider.statistics()
    assert statistics.completed == 60
    assert (statistics.over_limit, statistics.output_overshoot) == (0, 0)


@attrs.define(eq=False)
class Jittery:
    """A network that takes up to the slack to deliver a request."""

    provider: SimulatedProvider
    rng: random.Random

    async def send(self, request: HttpRequest) -> HttpResponse:
        await trio.sleep(self.rng.choice((0.0, 0.25, 0.5)))
        return await self.provider.transport.send(request)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), mode=st.sampled_from(MODES))
def test_jitter_within_the_slack_and_callers_that_leave_do_not_change_that(seed: int, mode: Mode) -> None:
    rng = random.Random(seed)
    provider = SimulatedProvider(mode=mode, model=talkative(rng.randint(1, 400)), seed=seed)
    provider.script(
        overload(at=30, lasting=10), cut_off(nth=4), hang(nth=7), rate_limited(nth=2, retry_after=9)
    )

    async def caller(path: CallPath) -> None:
        await trio.sleep(rng.choice((0.0, 0.0, 10.0, 59.9)))
        with trio.move_on_after(rng.choice((3.0, 60.0, math.inf, math.inf))):
            with suppress(ProviderFailed, TransportFailed, Rejected):
                await answer_of(path, a_request("word" * rng.randint(1, 4000), max_tokens=512))

    async def main() -> None:
        async with open_path(
            provider,
            transport=Jittery(provider, rng),
            max_wait=rng.choice((5.0, math.inf)),
            attempt_timeout=20.0,
            rng=rng,
        ) as path:
            async with trio.open_nursery() as nursery:
                for _ in range(40):
                    nursery.start_soon(caller, path)
            books = await books_of(path.lines[0].limiter)
            assert (books.ledger.in_flight, books.queue.waiting) == (0, 0)
            async with reserve(path.lines[0].limiter, Usage(50, 30_000, 8_000), max_wait=math.inf):
                pass

    run(main, seed=seed)
    assert provider.statistics().over_limit == 0
