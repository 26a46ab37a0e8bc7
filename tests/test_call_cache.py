"""A call and the answers that are known: before everything else, and behind everything else."""

from __future__ import annotations

import attrs
import pytest
import trio
from cast_setup import AT_ONCE, FIRST, SECOND, a_request, open_ended, open_restarting
from stack_setup import HELD, ONCE, ONE_CALL, Stack, open_stack, provider_with, takes
from test_known_replies import Fragile

from actors.call.known_replies import ANSWER_WITHIN
from actors.call.steps import Answered, Waiting
from actors.errors import BreakerOpen, NoneAnswered, ProviderFailed
from actors.kernel import open_actor
from actors.policies.reply_cache import ReplyCacheRules
from actors.policies.usage import NOTHING
from actors.reply_cache import ReplyCache
from actors.testing.provider import overload, server_error
from actors.wire.chat import ChatMessage, ChatReply, TokenCounts

pytestmark = pytest.mark.usefixtures("autojump_clock")

TEN_SECONDS = ReplyCacheRules(time_to_live=10.0)

REPLY = ChatReply("word", TokenCounts(5, 7), FIRST, "end_turn")


async def test_an_answer_that_is_known_costs_nothing_and_says_where_it_is_from() -> None:
    provider = provider_with()
    async with open_actor(ReplyCache) as cache, open_stack(provider, cache=cache) as stack:
        first = await stack.answer()
        with takes(0.0):
            (again,) = await stack.steps()

        assert isinstance(again, Answered)
        assert (first.source, again.source) == ("model", "cache")
        assert again == Answered(first.reply, FIRST, fell_back=False, attempts=0, source="cache")
        assert provider.statistics().requests == 1
        assert (await stack.breaker()).admitted == 1
        assert (await stack.limiter()).queue.granted == 1
        await stack.assert_settled(ONE_CALL)


async def test_an_answer_past_its_time_is_asked_for_again() -> None:
    provider = provider_with()
    async with (
        open_actor(lambda: ReplyCache(TEN_SECONDS)) as cache,
        open_stack(provider, cache=cache) as stack,
    ):
        await stack.answer()
        await trio.sleep(10.0)
        assert (await stack.answer()).source == "model"
        assert (await stack.answer()).source == "cache"  # kept anew
        assert provider.statistics().requests == 2


async def test_an_answer_of_a_model_that_stood_in_is_not_kept() -> None:
    provider = provider_with(server_error(model=FIRST, nth=1))
    async with (
        open_actor(ReplyCache) as cache,
        open_stack(provider, FIRST, SECOND, cache=cache, retry=ONCE) as stack,
    ):
        assert (await stack.answer()).model_used == SECOND
        again = await stack.answer()

        assert (again.model_used, again.source) == (FIRST, "model")


async def test_a_call_that_fails_keeps_nothing() -> None:
    provider = provider_with(server_error(nth=1))
    async with open_actor(ReplyCache) as cache, open_stack(provider, cache=cache, retry=ONCE) as stack:
        await stack.failure()
        assert (await cache.ask(ReplyCache.statistics())).replies == 0
        assert (await stack.answer()).source == "model"


async def test_when_all_models_have_failed_an_old_answer_is_better_than_none_if_it_is_said_so() -> None:
    provider = provider_with(overload(at=15))
    async with (
        open_actor(lambda: ReplyCache(TEN_SECONDS)) as cache,
        open_stack(provider, FIRST, SECOND, cache=cache, serves_stale=True, retry=ONCE) as stack,
    ):
        first = await stack.answer()
        await trio.sleep_until(20.0)
        answered = await stack.answer()

        assert answered.reply == first.reply
        assert (answered.source, answered.attempts) == ("stale_cache", 2)
        assert answered.fell_back
        assert [(each.model, each.next_model) for each in answered.passed_over] == [
            (FIRST, SECOND),
            (SECOND, ""),
        ]

        strict = Stack(attrs.evolve(stack.path, serves_stale=False))
        assert isinstance(await strict.failure(), NoneAnswered)


async def test_an_old_answer_stands_in_for_a_model_that_is_known_to_be_down() -> None:
    async with (
        open_actor(lambda: ReplyCache(TEN_SECONDS)) as cache,
        open_stack(provider_with(), cache=cache, serves_stale=True) as stack,
    ):
        await stack.answer()
        await trio.sleep_until(20.0)
        await stack.trip()
        with takes(0.0):
            answered = await stack.answer()

        assert (answered.source, answered.attempts) == ("stale_cache", 0)


async def test_an_old_answer_does_not_hide_the_callers_mistake() -> None:
    wrong = attrs.evolve(a_request(), messages=(ChatMessage("assistant", "hello"),))
    async with (
        open_actor(lambda: ReplyCache(TEN_SECONDS)) as cache,
        open_stack(provider_with(), cache=cache, serves_stale=True) as stack,
    ):
        await cache.ask(ReplyCache.keep(wrong, REPLY))
        await trio.sleep_until(20.0)
        error = await stack.failure(request=wrong)

    assert isinstance(error, ProviderFailed)
    assert error.status == 400


@pytest.mark.parametrize("has_cache", [False, True])
async def test_where_no_old_answer_is_known_the_error_is_the_answer(has_cache: bool) -> None:
    async with (
        open_actor(ReplyCache) as cache,
        open_stack(provider_with(), serves_stale=True, cache=cache if has_cache else None) as stack,
    ):
        await stack.trip()
        error = await stack.failure()

    assert isinstance(error, BreakerOpen)


async def test_a_cache_that_has_ended_costs_nothing() -> None:
    async with (
        open_ended(ReplyCache) as cache,
        open_stack(provider_with(), cache=cache, serves_stale=True) as stack,
    ):
        with takes(2.0):
            assert (await stack.answer()).source == "model"
        await stack.trip()
        with takes(0.0):
            assert isinstance(await stack.failure(), BreakerOpen)


async def test_a_cache_that_is_being_restarted_holds_a_call_up_for_a_second() -> None:
    async with (
        open_restarting(Fragile, "cache", pause=100.0) as cache,
        open_stack(provider_with(), cache=cache) as stack,
    ):
        await cache.tell(Fragile.crash())
        await trio.testing.wait_all_tasks_blocked()
        with takes(ANSWER_WITHIN + 2.0):
            await stack.answer()


async def test_an_answer_that_took_a_retry_is_kept_as_well() -> None:
    provider = provider_with(server_error(nth=1))
    async with open_actor(ReplyCache) as cache, open_stack(provider, cache=cache, retry=AT_ONCE) as stack:
        steps = await stack.steps()
        assert steps[0] == Waiting(FIRST)
        assert (await stack.answer()).source == "cache"
        await stack.assert_settled(HELD + ONE_CALL)
        assert (await stack.limiter()).ledger.reserved == NOTHING
