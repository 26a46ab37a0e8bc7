"""The actor of the cache: questions by their digest, replies until their time is up, and what a crash costs."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.errors import Interrupted
from actors.kernel import op, open_actor
from actors.policies.reply_cache import CachedReplies, ReplyCacheRules, ReplyCacheStatistics
from actors.reply_cache import ReplyCache, key_of
from actors.wire.chat import ChatMessage, ChatReply, ChatRequest, TokenCounts
from supervisors import Backoff, ChildSpec, open_supervisor

RULES = ReplyCacheRules(capacity=2, time_to_live=10.0, stale_for=5.0)
new_cache = partial(ReplyCache, RULES)

REPLY = ChatReply("an answer", TokenCounts(3, 5), "claude-sonnet-5", "end_turn")


def ask(text: str = "what is it?", **fields: Any) -> ChatRequest:
    return ChatRequest(**{"model": "", "messages": (ChatMessage("user", text),), **fields})


class Fragile(ReplyCache):
    """A cache that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


async def test_the_same_question_is_answered_from_memory_for_its_time(autojump_clock: MockClock) -> None:
    async with open_actor(new_cache) as cache:
        assert await cache.ask(ReplyCache.look_up(ask())) is None
        await cache.ask(ReplyCache.keep(ask(), REPLY))
        assert await cache.ask(ReplyCache.look_up(ask())) is REPLY
        assert await cache.ask(ReplyCache.look_up(ask("and that?"))) is None
        await trio.sleep(10.0)
        assert await cache.ask(ReplyCache.look_up(ask())) is None
        assert await cache.ask(ReplyCache.look_up(ask(), stale=True)) is REPLY
        told = await cache.ask(ReplyCache.statistics())
        assert told == ReplyCacheStatistics(replies=1, hits=1, stale_hits=1, misses=3, kept=1)
    assert autojump_clock.current_time() == 10.0


async def test_a_reply_is_gone_from_memory_when_its_time_is_up(autojump_clock: MockClock) -> None:
    async with open_actor(new_cache) as cache:
        await cache.ask(ReplyCache.keep(ask(), REPLY))
        await trio.sleep(14.9)
        assert (await cache.ask(ReplyCache.statistics())).replies == 1
        await trio.sleep(0.2)
        assert await cache.ask(ReplyCache.statistics()) == ReplyCacheStatistics(kept=1, expired=1)
    assert autojump_clock.current_time() == pytest.approx(15.1)


async def test_it_holds_no_more_than_it_may(autojump_clock: MockClock) -> None:
    async with open_actor(new_cache) as cache:
        for text in "abc":
            await cache.ask(ReplyCache.keep(ask(text), REPLY))
        found = [await cache.ask(ReplyCache.look_up(ask(text))) for text in "abc"]
        assert found == [None, REPLY, REPLY]
        await cache.ask(ReplyCache.clear())
        assert (await cache.ask(ReplyCache.statistics())).replies == 0
    assert autojump_clock.current_time() == 0.0


@pytest.mark.parametrize(("keeps_state", "found"), [(True, REPLY), (False, None)])
async def test_replies_outlive_a_crash_where_state_is_kept(
    autojump_clock: MockClock, keeps_state: bool, found: ChatReply | None
) -> None:
    spec = ChildSpec("cache", partial(Fragile, RULES), keep_state=keeps_state, backoff=Backoff(initial=0.0))
    async with open_supervisor() as tree:
        cache = await tree.start_child(spec)
        await cache.ask(ReplyCache.keep(ask(), REPLY))
        with pytest.raises(Interrupted):
            await cache.ask(Fragile.crash())
        assert await cache.ask(ReplyCache.look_up(ask())) == found
    assert autojump_clock.current_time() == 0.0


def test_it_takes_over_only_what_is_whole_and_was_kept_by_its_own_rules() -> None:
    cache, replies = ReplyCache(RULES), CachedReplies[bytes, ChatReply](RULES)
    cache.take_over(replies)
    assert cache.hand_over() is replies
    with pytest.raises(TypeError, match=r"^state must be CachedReplies, got dict$"):
        cache.take_over({})
    with pytest.raises(ValueError, match=r"^rules must be ReplyCacheRules\(capacity=2.*got .*capacity=1024"):
        cache.take_over(CachedReplies())
    broken = CachedReplies[bytes, ChatReply](RULES)
    broken.keep(b"", REPLY, 0.0)
    broken._by_age.clear()
    with pytest.raises(ValueError, match=r"^1 replies by use must be the 0 replies by age$"):
        cache.take_over(broken)
    assert cache.hand_over() is replies


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (lambda: ReplyCache.look_up("hidden"), "request must be a ChatRequest, got str"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: ReplyCache.keep(None, REPLY), "request must be a ChatRequest, got NoneType"),  # type: ignore[arg-type]  # the same
        (lambda: ReplyCache.keep(ask(), "hidden"), "reply must be a ChatReply, got str"),  # type: ignore[arg-type]  # the same
        (lambda: ReplyCache.look_up(ask(), stale=1), "stale must be True or False, got int"),  # type: ignore[arg-type]  # the same
    ],
)
async def test_what_makes_no_sense_is_told_to_whoever_asked_and_the_cache_goes_on(
    message: Any, text: str
) -> None:
    async with open_actor(new_cache) as cache:
        with pytest.raises(TypeError) as caught:
            await cache.ask(message())
        assert str(caught.value) == text
        assert await cache.ask(ReplyCache.statistics()) == ReplyCacheStatistics()


def test_rules_that_are_none_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^rules must be ReplyCacheRules or None, got int$"):
        ReplyCache(3)  # type: ignore[arg-type]  # wrong on purpose
    assert ReplyCache().hand_over().rules == ReplyCacheRules()


# ── the key ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "other",
    [
        ask("what is that?"),
        ask(model="claude-opus-4-8"),
        ask(system="be brief"),
        ask(max_tokens=1023),
        ask(temperature=0.0),
        ask(messages=(ChatMessage("assistant", "what is it?"),)),
        ask(messages=(ChatMessage("user", "what is "), ChatMessage("user", "it?"))),
        ask(messages=(ChatMessage("user", "what is it?"), ChatMessage("user", ""))),
    ],
)
def test_all_that_decides_an_answer_decides_the_key(other: ChatRequest) -> None:
    assert key_of(other) != key_of(ask())
    assert key_of(attrs.evolve(other)) == key_of(other)


def test_no_field_can_pass_for_another() -> None:
    assert key_of(ask("b", system="a")) != key_of(ask("a", system="b"))
    assert key_of(ask("", system="ab", model="")) != key_of(ask("", system="b", model="a"))


def test_numbers_that_are_equal_are_one_question() -> None:
    assert key_of(ask(temperature=1)) == key_of(ask(temperature=1.0))
    assert key_of(ask(temperature=-0.0)) == key_of(ask(temperature=0))


def test_a_key_is_a_digest_and_any_text_has_one() -> None:
    assert len(key_of(ask("\ud800 hidden"))) == 32
    assert len({key_of(ask(text)) for text in ("\ud800", "\ud801", "?")}) == 3
    assert b"hidden" not in key_of(ask("hidden"))


TEXTS = st.text(max_size=4)
REQUESTS = st.builds(
    ChatRequest,
    model=TEXTS,
    messages=st.lists(
        st.builds(ChatMessage, st.sampled_from(["user", "assistant"]), TEXTS), min_size=1, max_size=3
    ).map(tuple),
    system=TEXTS,
    max_tokens=st.integers(1, 3),
    temperature=st.sampled_from([None, 0, 0.0, -0.0, 0.5, 1, 1.0]),
)


@given(REQUESTS, REQUESTS)
def test_questions_have_one_key_if_they_are_equal_and_else_two(one: ChatRequest, other: ChatRequest) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)
