"""Answers that are known: a cache answers, or costs the call nothing but a second at the most."""

from __future__ import annotations

import pytest
import trio
from cast_setup import a_request, open_ended, open_restarting
from stack_setup import takes

from actors.call.known_replies import ANSWER_WITHIN, keep, look_up
from actors.kernel import op, open_actor
from actors.policies.reply_cache import ReplyCacheRules
from actors.reply_cache import ReplyCache
from actors.wire.chat import ChatReply, TokenCounts

pytestmark = pytest.mark.usefixtures("autojump_clock")

REPLY = ChatReply("word", TokenCounts(5, 7), "model", "end_turn")


class Fragile(ReplyCache):
    """A cache that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


async def test_what_was_kept_is_known_and_nothing_else() -> None:
    async with open_actor(ReplyCache) as cache:
        assert await look_up(cache, a_request()) is None
        keep(cache, a_request(), REPLY)

        assert await look_up(cache, a_request()) == REPLY
        assert await look_up(cache, a_request("another")) is None


async def test_what_is_past_its_time_is_known_on_request() -> None:
    async with open_actor(lambda: ReplyCache(ReplyCacheRules(time_to_live=10.0))) as cache:
        keep(cache, a_request(), REPLY)
        await trio.sleep(10.0)

        assert await look_up(cache, a_request()) is None
        assert await look_up(cache, a_request(), stale=True) == REPLY


async def test_where_there_is_no_cache_nothing_is_known() -> None:
    keep(None, a_request(), REPLY)

    assert await look_up(None, a_request()) is None


async def test_a_cache_that_has_ended_knows_nothing_and_takes_no_time() -> None:
    async with open_ended(ReplyCache) as cache:
        with takes(0.0):
            keep(cache, a_request(), REPLY)
            assert await look_up(cache, a_request()) is None


async def test_a_cache_that_is_being_restarted_is_waited_for_a_second() -> None:
    async with open_restarting(Fragile, "cache", pause=100.0) as cache:
        await cache.tell(Fragile.crash())
        await trio.testing.wait_all_tasks_blocked()
        with takes(ANSWER_WITHIN):
            keep(cache, a_request(), REPLY)
            assert await look_up(cache, a_request(), stale=True) is None
