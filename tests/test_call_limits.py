"""What a call and its limits have to do with each other: margins, terms, headers, caches, retries and refusals."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from itertools import pairwise
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
    a_request,
    answer_of,
    assert_settled,
    books_of,
    exact,
    open_path,
)

from actors.call.call import place_call
from actors.call.path import CallPath, Line
from actors.call.steps import Answered, Calling, CallStep
from actors.call.terms import ORDINARY, CallTerms
from actors.endpoint import Endpoint, answer
from actors.errors import ProviderFailed, Rejected
from actors.kernel import open_actor
from actors.limiter.limiter import Limiter
from actors.policies.claim import Claim
from actors.policies.ledger.limits import NO_LIMITS, Limits
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.scope import POOL, Scope
from actors.policies.usage import Usage
from actors.testing.provider import (
    MODES,
    Fault,
    Mode,
    ProviderLimits,
    SimulatedProvider,
    daily_quota,
    overload,
    rate_limited,
    spend_cap,
)
from actors.testing.run import run
from actors.wire.chat import ChatReply, TokenCounts
from actors.wire.http import HttpResponse
from actors.wire.rate_limits import parse_rate_limits

pytestmark = pytest.mark.usefixtures("autojump_clock")


def limits_in(response: HttpResponse) -> Any:
    return parse_rate_limits(response.headers, dialect="anthropic", now_wall=None)


LISTENING = attrs.evolve(DIALECT, limits=limits_in)


def provider_with(*faults: Fault, **options: Any) -> SimulatedProvider:
    provider = SimulatedProvider(**{"latency": TWO_SECONDS, **options})
    provider.script(*faults)
    return provider


async def final_answer(path: CallPath, terms: CallTerms) -> Answered:
    steps: list[CallStep] = [step async for step in place_call(path, a_request(), terms)]
    last = steps[-1]
    assert isinstance(last, Answered)
    return last


# the margin


def arrivals_with(margin: float, mode: Mode) -> list[float]:
    """Let a crowd come, then one call after the other, and when all has been still for two minutes a crowd again."""
    provider = provider_with(mode=mode, seed=3)

    async def main() -> None:
        rules = {"margin": margin, "output": OutputPolicy()}
        async with open_path(provider, rules=rules, dialect=LISTENING, max_wait=math.inf) as path:
            async with trio.open_nursery() as nursery:
                for number in range(130):
                    nursery.start_soon(answer_of, path)
                    if number > 90:  # some come later
                        await trio.sleep(1.7)
            await trio.sleep(120.0)  # by now a bucket is full, and known to be one
            async with trio.open_nursery() as nursery:
                for _ in range(105):
                    nursery.start_soon(answer_of, path)

    run(main, seed=5)
    assert provider.statistics().over_limit == 0
    arrivals = [record.at for record in provider.log]
    assert len(arrivals) == 235
    return arrivals


def most_in_a_minute(arrivals: Sequence[float]) -> int:
    return max(sum(1 for at in arrivals if start <= at < start + 60.0) for start in arrivals)


def most_beyond_refill(arrivals: Sequence[float]) -> float:
    """Return the most that came in any stretch beyond what a bucket of 35 refills meanwhile; its ends count."""
    return max(
        last - first + 1 - 35 * (arrivals[last] - arrivals[first]) / 60.0
        for first in range(len(arrivals))
        for last in range(first, len(arrivals))
    )


def test_a_margin_of_seven_tenths_sends_at_most_35_of_50_in_any_minute_into_a_window() -> None:
    assert most_in_a_minute(arrivals_with(0.7, "sliding_window")) == 35  # and they are used


def test_a_margin_of_seven_tenths_is_a_bucket_of_35_that_refills_in_a_minute() -> None:
    """35 at once, and over any stretch no more beside them than have refilled: never more than 69 in a minute."""
    arrivals = arrivals_with(0.7, "token_bucket")

    assert max(arrivals.count(at) for at in arrivals) == 35
    assert most_beyond_refill(arrivals) == pytest.approx(35.0)
    assert most_in_a_minute(arrivals) == 69  # a full one was drawn on, which a window never is


@pytest.mark.parametrize("mode", MODES)
def test_without_a_margin_the_same_traffic_uses_all_there_is(mode: Mode) -> None:
    arrivals = arrivals_with(1.0, mode)

    assert max(arrivals.count(at) for at in arrivals) == 50
    assert most_in_a_minute(arrivals) >= 50
    assert most_beyond_refill(arrivals) > 50


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(3))
def test_headers_that_lower_and_raise_the_limits_are_obeyed_while_calls_are_in_flight(
    mode: Mode, seed: int
) -> None:
    """We were told 50 requests, the account has 20: not one call too many goes out after the first answer."""
    provider = provider_with(mode=mode, seed=seed, limits=ProviderLimits(requests=20))

    async def main() -> None:
        patient = attrs.evolve(AT_ONCE, max_retries=99, max_elapsed=math.inf)
        rules = {"margin": 0.97, "output": OutputPolicy()}
        async with open_path(
            provider,
            rules=rules,
            dialect=LISTENING,
            max_wait=math.inf,
            retry=patient,
            rng=random.Random(seed),
        ) as path:
            await answer_of(path)  # tells of 20
            await answer_of(path)
            limiter = path.lines[0].limiter
            assert (await books_of(limiter)).ledger.pool.each[0].limit.amount == 19
            async with trio.open_nursery() as nursery:
                for _ in range(60):
                    nursery.start_soon(answer_of, path)

    run(main, seed=seed)
    assert provider.statistics().completed == 62
    assert provider.statistics().over_limit == 0


# terms


async def test_terms_decide_who_goes_first() -> None:
    order: list[str] = []
    async with open_path(
        provider_with(), limits=attrs.evolve(NO_LIMITS, requests=1), max_wait=math.inf
    ) as path:

        async def call(name: str, terms: CallTerms) -> None:
            await final_answer(path, terms)
            order.append(name)

        async with trio.open_nursery() as nursery:
            for name, priority in (("first", 0.0), ("low", -1.0), ("ordinary", 0.0), ("urgent", 9.0)):
                nursery.start_soon(call, name, CallTerms(priority=priority))
                await trio.sleep(0.1)

    assert order == ["first", "urgent", "ordinary", "low"]


async def test_tenants_share_by_turns() -> None:
    order: list[str] = []
    async with open_path(
        provider_with(), limits=attrs.evolve(NO_LIMITS, requests=1), max_wait=math.inf
    ) as path:

        async def call(tenant: str) -> None:
            await final_answer(path, CallTerms(tenant=tenant))
            order.append(tenant)

        async with trio.open_nursery() as nursery:
            for tenant in ("a", "a", "a", "a", "b", "b"):
                nursery.start_soon(call, tenant)
                await trio.sleep(0.1)

    assert order[0] == "a"  # before anybody else came
    assert sorted(order[1:5]) == ["a", "a", "b", "b"]


async def test_a_call_books_in_the_scopes_of_its_terms() -> None:
    key = Scope("key", "3f9a")
    rules = {"kinds": {"key": attrs.evolve(NO_LIMITS, requests=1)}}
    async with open_path(provider_with(), rules=rules, max_wait=0.0) as path:
        await final_answer(path, CallTerms(scopes=(key,)))
        with pytest.raises(Rejected):
            await final_answer(path, CallTerms(scopes=(key,)))
        await final_answer(path, CallTerms(scopes=(Scope("key", "other"),)))
        await final_answer(path, ORDINARY)

        seen = await path.lines[0].limiter.ask(Limiter.scope_statistics(key))
        assert (seen.traffic.granted, seen.books.used.requests) == (1, 1)


async def test_what_a_kind_came_to_is_what_the_next_of_its_kind_is_expected_to() -> None:
    async with open_path(provider_with(), rules={"output": OutputPolicy("learned")}) as path:
        limiter = path.lines[0].limiter
        for _ in range(20):
            await final_answer(path, CallTerms(kind="echo"))
        await trio.sleep(100)
        grant = await limiter.ask(Limiter.acquire(Claim(Usage(1, 1, 100), kind="echo")))

        assert grant.supposed.output_tokens == 7


async def test_what_a_caller_expects_of_an_answer_is_held_for_it_until_a_few_of_its_kind_are_known() -> None:
    async def held_for(terms: CallTerms) -> int:
        held = -1
        async with aclosing(place_call(path, a_request(), terms)) as steps:
            async for step in steps:
                if isinstance(step, Calling):
                    held = (await books_of(path.lines[0].limiter)).ledger.reserved.output_tokens
        return held

    twice = OutputPolicy("estimate", factor=2.0)
    async with open_path(provider_with(), rules={"output": twice}) as path:
        assert await held_for(CallTerms()) == 100  # all that the answer may be
        assert await held_for(CallTerms(expected_output=15)) == 30
        assert await held_for(CallTerms(expected_output=15_000)) == 100
        for _ in range(2):  # each comes to 7
            assert await held_for(CallTerms(expected_output=0)) == 0
        assert await held_for(CallTerms(expected_output=15)) == 14
        assert await held_for(CallTerms(expected_output=15, kind="summary")) == 30


async def test_terms_go_through_an_endpoint() -> None:
    async with (
        open_path(provider_with(), rules={"kinds": {"key": Limits(1)}}, max_wait=0.0) as path,
        open_actor(partial(Endpoint, path)) as endpoint,
    ):
        terms = CallTerms(scopes=(Scope("key", "a"),))
        await answer(endpoint, a_request(), terms)
        with pytest.raises(Rejected):
            await answer(endpoint, a_request(), terms)
        with pytest.raises(TypeError, match=r"^terms must be CallTerms, got str$"):
            await answer(endpoint, a_request(), "urgent")  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"tenant": 7}, TypeError, "tenant must be text, got int"),
        ({"kind": None}, TypeError, "kind must be text, got NoneType"),
        ({"priority": "high"}, TypeError, "priority must be a number, got str"),
        ({"priority": True}, TypeError, "priority must be a number, got bool"),
        ({"priority": math.inf}, ValueError, "priority must be finite, got inf"),
        ({"scopes": [Scope("key")]}, TypeError, "scopes must be a tuple of Scope, got list"),
        ({"scopes": ("key",)}, TypeError, "scopes must be a tuple of Scope, got str in it"),
        ({"scopes": (POOL,)}, ValueError, "scopes must not hold pool, which every call falls under anyway"),
        ({"scopes": (Scope("a"),) * 2}, ValueError, "scopes must be different from one another"),
    ],
)
def test_terms_that_are_none_are_refused_when_they_are_made(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    for make in (CallTerms, partial(Claim, Usage())):
        with pytest.raises(error) as caught:
            make(**options)
        assert str(caught.value) == text


def test_a_claim_of_what_is_no_usage_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^usage must be a Usage, got int$"):
        Claim(7)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError, match="expected_output"):
        Claim(Usage(), expected_output="7")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match=r"^expected_output must be >= 0, got -1$"):
        Claim(Usage(), expected_output=-1)
    with pytest.raises(TypeError, match=r"^estimate must be an Estimate or None, got int$"):
        Claim(Usage(), estimate=7)  # type: ignore[arg-type]  # wrong on purpose


def test_a_scope_is_named_by_words() -> None:
    assert (str(Scope("key", "3f9a")), str(POOL)) == ("key/3f9a", "pool")
    with pytest.raises(TypeError, match=r"^kind must be text, got int$"):
        Scope(7)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError, match=r"^name must be text, got NoneType$"):
        Scope("key", None)  # type: ignore[arg-type]  # wrong on purpose


# what is counted


@pytest.mark.parametrize(("counts_cache_reads", "counted"), [(False, 10 + 20), (True, 10 + 20 + 4000)])
async def test_input_from_a_cache_is_charged_where_the_provider_counts_it(
    counts_cache_reads: bool, counted: int
) -> None:
    def decode(response: HttpResponse) -> ChatReply:
        counts = TokenCounts(
            input_tokens=10, output_tokens=7, cache_creation_tokens=20, cache_read_tokens=4000
        )
        return attrs.evolve(DIALECT.decode(response), counts=counts)

    dialect = attrs.evolve(DIALECT, decode=decode, counts_cache_reads=counts_cache_reads)
    async with open_path(provider_with(), dialect=dialect) as path:
        await answer_of(path)

        await assert_settled(path.lines[0].limiter, Usage(1, counted, 7))
        estimates = (await books_of(path.lines[0].limiter)).estimates
        assert estimates[FIRST].calls == 1  # and what is learned of prompts is of all their tokens


async def test_input_is_booked_by_what_earlier_calls_came_to() -> None:
    async with open_path(provider_with()) as path:
        limiter = path.lines[0].limiter
        reserved: list[int] = []
        for _ in range(30):
            async for _step in place_call(path, a_request("word " * 400)):
                books = await books_of(limiter)
                if books.ledger.in_flight:
                    reserved.append(books.ledger.reserved.input_tokens)
            await trio.sleep(61)
        counted = max(record.input_tokens for record in path.transport._core.log())  # type: ignore[attr-defined]  # the simulated one's

        assert reserved[0] > reserved[-1]
        assert counted <= reserved[-1] <= 1.1 * counted


# refusals


async def test_a_spend_cap_is_never_tried_again_and_holds_nobody_else_up() -> None:
    provider = provider_with(spend_cap(nth=1))
    async with open_path(provider, FIRST, SECOND) as path:
        with pytest.raises(ProviderFailed):
            await answer_of(path)
        assert provider.statistics().requests == 1
        assert (await answer_of(path)).attempts == 1

        assert trio.current_time() == 0.5 + 2.0


async def test_a_days_quota_passes_the_call_to_the_next_model_and_shuts_the_pool() -> None:
    provider = provider_with(daily_quota(model=FIRST, retry_after=3600))
    async with open_path(provider, FIRST, SECOND, max_wait=30.0) as path:
        first = await answer_of(path)
        second = await answer_of(path)

        assert (first.model_used, first.fell_back, second.model_used) == (SECOND, True, SECOND)
        assert (
            trio.current_time() == 0.5 + 2.0 + 2.0
        )  # the second did not wait for a model that is shut for an hour
        assert len([record for record in provider.log if record.model == FIRST]) == 1
        assert (await books_of(path.lines[0].limiter)).gate.opens_at == 3600.5


async def test_a_call_that_is_refused_is_answered_before_those_that_came_after_it() -> None:
    provider = provider_with(rate_limited(nth=1))
    done: list[int] = []
    async with open_path(
        provider, limits=attrs.evolve(NO_LIMITS, requests=1), max_wait=math.inf, retry=AT_ONCE
    ) as path:

        async def call(number: int) -> None:
            await answer_of(path)
            done.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(call, number)
                await trio.sleep(0.1)

    assert done == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
def test_in_a_storm_a_pool_sends_a_handful_and_not_a_crowd(seed: int) -> None:
    """Sixty calls at once into 30 s of overload: each pause is tried by one, not by all who wait."""
    provider = provider_with(overload(lasting=30.0), seed=seed)

    async def main() -> None:
        patient = attrs.evolve(AT_ONCE, max_retries=99, max_elapsed=math.inf)
        async with (
            open_path(provider, max_wait=math.inf, retry=patient, dialect=LISTENING) as path,
            trio.open_nursery() as nursery,
        ):
            await trio.sleep(0.1)
            for _ in range(40):
                nursery.start_soon(answer_of, path)

    run(main, seed=seed)
    statistics = provider.statistics()
    assert statistics.completed == 40
    after_the_first = [record.at for record in provider.log if record.at > 1.0 and record.status == 529]
    assert len(after_the_first) <= 8
    assert all(later > earlier for earlier, later in pairwise(after_the_first))


async def test_two_limiters_of_one_pool_and_a_call_that_has_no_cooldown_of_its_own() -> None:
    """Where no cooldown is shared, each limiter keeps its own pauses."""
    async with (
        open_actor(exact(Limiter, NO_LIMITS), name="a") as one,
        open_actor(exact(Limiter, NO_LIMITS), name="b") as other,
    ):
        provider = provider_with(rate_limited(nth=1, retry_after=9))
        await answer_of(CallPath([Line(FIRST, one)], provider.transport, DIALECT))
        before = trio.current_time()
        await answer_of(CallPath([Line(FIRST, other)], provider.transport, DIALECT))

        assert trio.current_time() - before == 2.0
