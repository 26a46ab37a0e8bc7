"""The endpoint: calls side by side behind one ref, their steps as they happen, and honest books."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from cast_setup import (
    AT_ONCE,
    DIALECT,
    FIRST,
    SECOND,
    TWO_SECONDS,
    Fragile,
    a_request,
    assert_settled,
    books_of,
    exact,
    held_for,
    open_ended,
    open_path,
    open_restarting,
)

from actors.call.path import CallPath, Line
from actors.call.steps import Answered, Waiting
from actors.endpoint import Endpoint, EndpointStatistics, answer, steps_of
from actors.error_phrase import phrase
from actors.errors import (
    BreakerOpen,
    CallFailed,
    NeverFits,
    NoneAnswered,
    OutOfTime,
    ProviderFailed,
    QueueFull,
    Rejected,
    ReplyInvalid,
    TransportFailed,
)
from actors.kernel import op, open_actor
from actors.limiter.limiter import Limiter
from actors.policies.estimates.estimate import Estimate
from actors.policies.estimates.learning_estimator import LearningEstimator
from actors.policies.ledger.limits import Limits
from actors.policies.usage import NOTHING
from actors.testing.provider import SimulatedProvider, overload, server_error
from actors.transporter import CarriedBy, Transporter
from actors.wire.chat import ChatMessage

pytestmark = pytest.mark.usefixtures("autojump_clock")


async def test_an_answer_comes_through_the_ref() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    async with open_path(provider) as path, open_actor(partial(Endpoint, path)) as endpoint:
        answered = await answer(endpoint, a_request())

    assert answered.reply.text == f"{FIRST} heard: hello"


async def test_the_steps_are_streamed_as_they_happen() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    provider.script(overload(nth=1))
    told: list[tuple[str, float]] = []
    async with (
        open_path(provider, retry=AT_ONCE) as path,
        open_actor(partial(Endpoint, path)) as endpoint,
        endpoint.stream(Endpoint.call(a_request())) as steps,
    ):
        told += [(type(step).__name__, trio.current_time()) async for step in steps]

    assert told == [
        ("Waiting", 0.0),
        ("Calling", 0.0),
        ("Failed", 0.5),
        ("Waiting", 0.5),
        ("Calling", 1.5),  # after the pause of a second that an overload begins for all
        ("Answered", 3.5),
    ]


async def test_calls_run_side_by_side() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    async with open_path(provider) as path, open_actor(partial(Endpoint, path)) as endpoint:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(answer, endpoint, a_request())

        assert trio.current_time() == 2.0


async def test_the_books_count_calls_attempts_and_what_became_of_them() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    provider.script(overload(FIRST, nth=1), overload(FIRST, nth=2), server_error(model=SECOND, nth=2))
    retry = attrs.evolve(AT_ONCE, max_retries=0)
    async with (
        open_path(provider, FIRST, SECOND, retry=retry) as path,
        open_actor(partial(Endpoint, path)) as endpoint,
    ):
        assert await endpoint.ask(Endpoint.statistics()) == EndpointStatistics()
        await answer(endpoint, a_request())
        with pytest.raises(NoneAnswered):
            await answer(endpoint, a_request())
        await answer(endpoint, a_request())

        assert await endpoint.ask(Endpoint.statistics()) == EndpointStatistics(
            calls=3, answered=2, attempts=5, failed_attempts=3, passed_over=2
        )


async def test_a_prompt_that_nobody_can_measure_is_asked_all_the_same_beside_those_of_others() -> None:
    def measure(model: str, texts: Sequence[str]) -> Estimate:
        if "\0" in texts[-1]:
            raise RuntimeError("not a text for me")
        return LearningEstimator().estimate(model, texts)

    provider = SimulatedProvider(latency=TWO_SECONDS)
    async with (
        open_path(provider, measure=measure) as path,
        open_actor(partial(Endpoint, path)) as endpoint,
    ):
        async with trio.open_nursery() as nursery:
            for text in ("hello", "\0", "hello"):
                nursery.start_soon(answer, endpoint, a_request(text))
        books = await books_of(path.lines[0].limiter)

        assert await endpoint.ask(Endpoint.statistics()) == EndpointStatistics(
            calls=3, answered=3, attempts=3, unmeasured=1
        )
        assert trio.current_time() == 2.0
        assert books.estimates[FIRST].calls == 2


async def test_a_consumer_that_leaves_cancels_its_call_and_settles() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    async with open_path(provider) as path, open_actor(partial(Endpoint, path)) as endpoint:
        with trio.move_on_after(1):
            await answer(endpoint, a_request())
        await trio.testing.wait_all_tasks_blocked()

        assert provider.statistics().in_flight == 0
        assert endpoint.statistics().running == ()
        await assert_settled(path.lines[0].limiter, held_for(a_request()))


async def test_a_consumer_that_leaves_before_the_exchange_is_refunded() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    async with open_path(provider) as path, open_actor(partial(Endpoint, path)) as endpoint:
        async with endpoint.stream(Endpoint.call(a_request())) as steps:
            async for step in steps:
                if isinstance(step, Waiting):
                    break
        await trio.testing.wait_all_tasks_blocked()

        assert provider.statistics().requests == 0
        await assert_settled(path.lines[0].limiter, NOTHING)


async def test_the_deadline_of_the_consumer_bounds_the_retries() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    provider.script(overload(retry_after=20, lasting=math.inf))
    async with open_path(provider) as path, open_actor(partial(Endpoint, path)) as endpoint:
        with trio.move_on_after(20) as scope, pytest.raises(ProviderFailed):
            await answer(endpoint, a_request())

        assert not scope.cancelled_caught
        assert trio.current_time() == 0.5


@pytest.mark.parametrize("request_", [None, "hello", 3, {"model": ""}, ChatMessage("user", "hello")])
async def test_what_is_no_request_is_its_callers_alone(request_: Any) -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    async with open_path(provider) as path, open_actor(partial(Endpoint, path)) as endpoint:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, endpoint, a_request())
            await trio.sleep(1)
            with pytest.raises(TypeError, match=r"^request must be a ChatRequest, got "):
                await answer(endpoint, request_)

        assert provider.statistics().completed == 1
        assert endpoint.statistics().incarnation == 1


@pytest.mark.parametrize("terms", [None, "urgent", {"priority": 1}])
async def test_what_are_no_terms_is_their_callers_alone(terms: Any) -> None:
    async with open_path(SimulatedProvider()) as path, open_actor(partial(Endpoint, path)) as endpoint:
        with pytest.raises(TypeError, match=r"^terms must be CallTerms, got "):
            await answer(endpoint, a_request(), terms)

        assert endpoint.statistics().incarnation == 1


async def test_a_crash_of_the_limiter_or_the_transport_does_not_reach_the_endpoint() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)

    class Brittle(Transporter):
        @op
        def crash(self) -> None:
            raise KeyError("crash")

    limits = Limits(requests=1)
    async with (
        open_restarting(exact(Fragile, limits), "limiter") as limiter,
        open_restarting(partial(Brittle, lambda: nullcontext(provider.transport)), "transport") as transport,
    ):
        patient = attrs.evolve(AT_ONCE, max_elapsed=math.inf)
        path = CallPath(
            [Line(FIRST, limiter)], CarriedBy(transport), DIALECT, retry=patient, max_wait=math.inf
        )
        async with open_actor(partial(Endpoint, path)) as endpoint:
            async with trio.open_nursery() as nursery:
                for _ in range(2):  # one is out, the other waits
                    nursery.start_soon(answer, endpoint, a_request())
                await trio.sleep(1)
                await limiter.tell(Fragile.crash())
                await transport.tell(Brittle.crash())

            statistics = await endpoint.ask(Endpoint.statistics())
            assert (statistics.answered, endpoint.statistics().incarnation) == (2, 1)
        assert provider.statistics().over_limit == 0


async def test_a_transport_or_limiter_that_has_ended_is_a_failed_call() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    async with (
        open_ended(exact(Limiter, Limits())) as limiter,
        open_ended(partial(Transporter, lambda: nullcontext(provider.transport))) as transport,
        open_path(provider) as good,
    ):
        no_transport = attrs.evolve(good, transport=CarriedBy(transport), retry=AT_ONCE)
        no_limiter = attrs.evolve(good, lines=[Line(FIRST, limiter)])
        for path, error in ((no_transport, TransportFailed), (no_limiter, Rejected)):
            async with open_actor(partial(Endpoint, path)) as endpoint:
                with pytest.raises(error):
                    await answer(endpoint, a_request())
        await assert_settled(good.lines[0].limiter, NOTHING)


class Brittle(Endpoint):
    """An endpoint that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


@pytest.mark.parametrize(("crashes", "attempts"), [(1, 2), (2, None)])
async def test_a_call_goes_on_over_one_crash_of_the_endpoint_and_no_more(
    crashes: int, attempts: int | None
) -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    async with open_path(provider) as path, open_restarting(partial(Brittle, path), "endpoint") as endpoint:
        outcomes: list[Answered | CallFailed] = []

        async def call() -> None:
            try:
                outcomes.append(await answer(endpoint, a_request()))
            except CallFailed as error:
                outcomes.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            for _ in range(crashes):
                await trio.sleep(1)
                await endpoint.tell(Brittle.crash())

        if attempts is None:
            assert str(outcomes[0]) == "endpoint 'endpoint' crashed twice in mid-call"
        else:
            assert isinstance(outcomes[0], Answered)
        assert len(provider.log) == 2


async def test_whoever_wants_to_know_is_told_how_each_call_ended_unless_it_was_left() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    provider.script(server_error(nth=2))
    ends: list[tuple[str, float]] = []

    def on_end(error: Exception | None) -> None:
        ends.append((type(error).__name__, trio.current_time()))

    once = attrs.evolve(AT_ONCE, max_retries=0)
    async with (
        open_path(provider, retry=once) as path,
        open_actor(partial(Endpoint, path, on_end=on_end)) as endpoint,
    ):
        await answer(endpoint, a_request())
        with pytest.raises(ProviderFailed):
            await answer(endpoint, a_request())
        with trio.move_on_after(1):
            await answer(endpoint, a_request())

    assert ends == [("NoneType", 2.0), ("ProviderFailed", 2.5)]


async def test_an_endpoint_that_has_ended_rejects_the_call() -> None:
    async with open_ended(Endpoint) as endpoint:  # type: ignore[arg-type]  # it is never made
        with pytest.raises(Rejected, match=r"^endpoint 'ended' has ended$"):
            await answer(endpoint, a_request())


async def test_a_call_that_is_watched_goes_on_over_a_crash_of_the_endpoint_from_its_first_step() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    async with open_path(provider) as path, open_restarting(partial(Brittle, path), "endpoint") as endpoint:
        told: list[str] = []
        async for step in steps_of(endpoint, a_request()):
            told.append(type(step).__name__)
            if len(told) == 2:
                await endpoint.tell(Brittle.crash())

    assert told == ["Waiting", "Calling", "Waiting", "Calling", "Answered"]


# what a step says in a few words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ProviderFailed("x", status=529, kind="overloaded_error"), "overloaded (529)"),
        (ProviderFailed("x", status=429, kind="rate_limit_error"), "rate limit (429)"),
        (TransportFailed("x", kind="connect"), "no connection"),
        (TransportFailed("x", kind="timeout"), "no answer in time"),
        (TransportFailed("x", kind="reset"), "connection broke"),
        (TransportFailed("x", kind="protocol"), "answer cut off or garbled"),
        (TransportFailed("x", kind="carrier pigeon"), "carrier pigeon"),
        (ReplyInvalid("x"), "answer of no use"),
        (NeverFits("x"), "too large for its limits"),
        (QueueFull("x"), "no capacity in time"),
        (CallFailed("x"), "call failed"),
        (OutOfTime("x"), "no time left"),
        (BreakerOpen("x", service="s", state="open", retry_at=1.0), "known to be down"),
        (BreakerOpen("x", service="s", state="isolated", retry_at=None), "taken out by hand"),
        (
            NoneAnswered("x", [ReplyInvalid("x"), QueueFull("x"), ReplyInvalid("x")]),
            "answer of no use; no capacity in time",
        ),
    ],
    ids=repr,
)
def test_a_fault_is_put_in_a_few_words(error: CallFailed | Rejected, words: str) -> None:
    assert phrase(error) == words
