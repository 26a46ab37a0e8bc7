"""The shelf of replies: what is fresh, what is stale, who has to make room, and that nothing outlives its time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unmeasured import unmeasured

from actors.policies.reply_cache import (
    CAPACITY,
    STALE_FOR,
    TIME_TO_LIVE,
    CachedReplies,
    ReplyCacheRules,
    ReplyCacheStatistics,
)

RULES = ReplyCacheRules(capacity=2, time_to_live=10.0, stale_for=5.0)


def shelf(*kept: tuple[str, float], rules: ReplyCacheRules = RULES) -> CachedReplies[str, str]:
    replies = CachedReplies[str, str](rules)
    for key, now in kept:
        replies.keep(key, f"reply to {key}", now)
    return replies


def test_a_reply_is_fresh_for_its_time_and_then_known_to_those_who_would_take_a_stale_one() -> None:
    replies = shelf(("a", 1.0))
    assert replies.look_up("a", 1.0) == "reply to a"
    assert replies.look_up("a", 10.9) == "reply to a"
    assert replies.look_up("a", 11.0) is None
    assert replies.look_up("a", 11.0, stale=True) == "reply to a"
    assert replies.look_up("a", 15.9, stale=True) == "reply to a"
    assert replies.look_up("a", 16.0, stale=True) is None
    assert replies.statistics() == ReplyCacheStatistics(0, 2, 2, 2, 1, 0, 1)


def test_who_would_take_a_stale_one_gets_a_fresh_one_where_there_is_one() -> None:
    replies = shelf(("a", 0.0))
    assert replies.look_up("a", 9.0, stale=True) == "reply to a"
    assert (replies.statistics().hits, replies.statistics().stale_hits) == (1, 0)


def test_what_was_never_kept_is_not_known() -> None:
    replies = shelf()
    assert replies.look_up("a", 0.0) is replies.look_up("a", 0.0, stale=True) is None
    assert replies.statistics() == ReplyCacheStatistics(misses=2)


def test_the_one_used_longest_ago_makes_room() -> None:
    replies = shelf(("a", 0.0), ("b", 1.0))
    assert replies.look_up("a", 2.0) is not None
    replies.keep("c", "reply to c", 3.0)
    assert [replies.look_up(key, 3.0) for key in "abc"] == ["reply to a", None, "reply to c"]
    assert replies.statistics().evicted == 1


def test_to_be_looked_up_stale_is_a_use_and_to_be_missed_is_none() -> None:
    replies = shelf(("a", 0.0), ("b", 1.0))
    assert replies.look_up("a", 11.0, stale=True) is not None
    replies.keep("c", "reply to c", 11.0)
    assert [replies.look_up(key, 11.0, stale=True) for key in "ab"] == ["reply to a", None]
    replies = shelf(("a", 0.0), ("b", 1.0))
    assert replies.look_up("a", 11.0) is None
    replies.keep("c", "reply to c", 11.0)
    assert [replies.look_up(key, 11.0, stale=True) for key in "ab"] == [None, "reply to b"]


def test_a_newer_reply_takes_the_place_of_the_older_one_and_has_its_own_time() -> None:
    replies = shelf(("a", 0.0), ("b", 0.0))
    replies.keep("a", "a newer one", 8.0)
    assert replies.statistics().evicted == 0
    assert [replies.look_up(key, 15.0) for key in "ab"] == ["a newer one", None]
    assert replies.statistics().expired == 1
    replies.keep("c", "reply to c", 15.0)
    assert replies.look_up("a", 15.0) == "a newer one"


def test_to_be_kept_anew_is_a_use() -> None:
    replies = shelf(("a", 0.0), ("b", 1.0), ("a", 2.0), ("c", 3.0))
    assert [replies.look_up(key, 3.0) is None for key in "abc"] == [False, True, False]


def test_what_is_past_its_time_is_forgotten_without_being_asked_for() -> None:
    replies = shelf(("a", 0.0), ("b", 3.0))
    assert replies.next_deadline() == 15.0
    replies.expire(14.0)
    assert replies.statistics().replies == 2
    replies.expire(15.0)
    assert replies.statistics() == ReplyCacheStatistics(replies=1, kept=2, expired=1)
    assert replies.next_deadline() == 18.0
    replies.expire(18.0)
    assert replies.next_deadline() == math.inf


def test_without_a_time_for_stale_ones_a_reply_is_forgotten_when_it_is_no_longer_fresh() -> None:
    replies = shelf(("a", 0.0), rules=ReplyCacheRules(time_to_live=10.0, stale_for=0.0))
    assert replies.look_up("a", 9.9) is not None
    assert replies.look_up("a", 10.0, stale=True) is None


@pytest.mark.parametrize(
    "rules", [ReplyCacheRules(time_to_live=math.inf), ReplyCacheRules(time_to_live=1.0, stale_for=math.inf)]
)
def test_a_reply_can_be_known_for_ever(rules: ReplyCacheRules) -> None:
    replies = shelf(("a", 0.0), rules=rules)
    assert replies.next_deadline() == math.inf
    assert replies.look_up("a", 1e300, stale=True) == "reply to a"
    assert (replies.look_up("a", 1e300) is None) == (rules.time_to_live == 1.0)


def test_a_clock_that_goes_back_is_taken_for_one_that_stands_still() -> None:
    replies = shelf(("a", 0.0), ("b", 9.0))
    assert replies.look_up("a", 10.0) is None
    assert replies.look_up("a", 0.0) is None
    replies.keep("c", "reply to c", 0.0)
    assert replies.look_up("c", 19.9) is not None
    assert replies.look_up("c", 20.0) is None


def test_no_reply_that_is_false_is_taken_for_none() -> None:
    replies = CachedReplies[str, str](RULES)
    replies.keep("a", "", 0.0)
    assert replies.look_up("a", 0.0) == ""


def test_all_can_be_forgotten() -> None:
    replies = shelf(("a", 0.0), ("b", 1.0))
    assert replies.clear() == 2
    assert replies.clear() == 0
    assert (replies.next_deadline(), replies.look_up("a", 1.0)) == (math.inf, None)
    assert replies.statistics() == ReplyCacheStatistics(misses=1, kept=2)


def test_its_repr_shows_no_question_and_no_reply() -> None:
    shown = repr(shelf(("hidden", 0.0)))
    assert "hidden" not in shown
    assert "capacity=2" in shown


def test_a_shelf_that_was_left_half_changed_is_found_out() -> None:
    replies = shelf(("a", 0.0), ("b", 1.0))
    replies.verify()
    del replies._by_age["a"]
    with pytest.raises(ValueError, match=r"^2 replies by use must be the 1 replies by age$"):
        replies.verify()


@attrs.define(eq=False)
class NaiveShelf:
    """The same, by looking through all of it each time."""

    rules: ReplyCacheRules
    kept: list[tuple[str, str, float]] = attrs.field(factory=list)
    """Key, reply and instant; the one used longest ago first."""

    def look_up(self, key: str, now: float, stale: bool) -> str | None:
        self.expire(now)
        for entry in self.kept:
            if entry[0] == key and (stale or now - entry[2] < self.rules.time_to_live):
                self.kept.remove(entry)
                self.kept.append(entry)
                return entry[1]
        return None

    def keep(self, key: str, reply: str, now: float) -> None:
        self.expire(now)
        self.kept = [entry for entry in self.kept if entry[0] != key]
        self.kept = [*self.kept, (key, reply, now)][-self.rules.capacity :]

    def expire(self, now: float) -> None:
        longest = self.rules.time_to_live + self.rules.stale_for
        self.kept = [entry for entry in self.kept if now - entry[2] < longest]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["keep", "fresh", "stale", "expire", "clear"]),
        st.sampled_from("abcd"),
        st.integers(0, 6),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 3), st.integers(1, 8), st.integers(0, 8))
def test_it_does_what_a_plain_list_does(
    steps: list[tuple[str, str, int]], capacity: int, time_to_live: int, stale_for: int
) -> None:
    rules = ReplyCacheRules(capacity, time_to_live, stale_for)
    replies, naive, now = CachedReplies[str, str](rules), NaiveShelf(rules), 0
    for number, (what, key, seconds) in enumerate(steps):
        now += seconds
        match what:
            case "keep":
                replies.keep(key, f"reply {number}", now)
                naive.keep(key, f"reply {number}", now)
            case "expire":
                replies.expire(now)
                naive.expire(now)
            case "clear":
                replies.clear()
                naive.kept.clear()
            case _:
                stale = what == "stale"
                assert replies.look_up(key, now, stale=stale) == naive.look_up(key, now, stale)
        replies.verify()
        told = replies.statistics()
        assert told.replies == len(naive.kept) <= capacity
        assert told.kept - told.evicted - told.expired >= told.replies
        ends = [at + time_to_live + stale_for for _, _, at in naive.kept]
        assert replies.next_deadline() == min(ends, default=math.inf)


def seconds_for(capacity: int, steps: int) -> float:
    """Return processor seconds for so many steps on a full shelf, half of which find and half of which keep."""
    replies = CachedReplies[int, int](ReplyCacheRules(capacity, time_to_live=capacity, stale_for=0.0))
    for key in range(capacity):
        replies.keep(key, key, key / 2)
    begun = time.process_time()
    for step in range(steps):
        now = capacity / 2 + step
        replies.keep(capacity + step, step, now)
        replies.look_up(capacity + step - capacity // 3, now)
    return time.process_time() - begun


@unmeasured
def test_a_step_costs_the_same_on_a_large_shelf_as_on_a_small_one() -> None:
    small = min(seconds_for(100, 20_000) for _ in range(3))
    large = min(seconds_for(50_000, 20_000) for _ in range(3))
    assert large < 5 * small


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        ({"capacity": 0}, ValueError, "capacity must be >= 1, got 0"),
        ({"capacity": 1.0}, TypeError, "capacity must be a whole number, got float"),
        ({"capacity": True}, TypeError, "capacity must be a whole number, got bool"),
        ({"time_to_live": 0}, ValueError, "time_to_live must be > 0, got 0"),
        ({"time_to_live": math.nan}, ValueError, "time_to_live must be a number of seconds, got nan"),
        ({"stale_for": -1.0}, ValueError, "stale_for must be >= 0, got -1.0"),
        ({"stale_for": None}, TypeError, "stale_for must be a number of seconds, got None"),
    ],
)
def test_rules_out_of_their_bounds_are_refused(
    rules: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        ReplyCacheRules(**rules)
    assert str(caught.value) == message


def test_the_usual_rules() -> None:
    assert (CAPACITY, TIME_TO_LIVE, STALE_FOR) == (1024, 300.0, 86_400.0)
    assert ReplyCacheRules() == ReplyCacheRules(CAPACITY, TIME_TO_LIVE, STALE_FOR)


@pytest.mark.parametrize(
    "take",
    [
        lambda replies, now: replies.look_up("a", now),
        lambda replies, now: replies.keep("c", "reply", now),
        lambda replies, now: replies.expire(now),
    ],
)
@pytest.mark.parametrize("now", [math.nan, math.inf, "soon"])
def test_what_is_no_instant_is_refused_and_changes_nothing(
    take: Callable[[CachedReplies[str, str], Any], object], now: object
) -> None:
    replies = shelf(("a", 0.0), ("b", 1.0))
    with pytest.raises((ValueError, TypeError), match=r"^now must be "):
        take(replies, now)
    assert replies.statistics() == ReplyCacheStatistics(replies=2, kept=2)
    assert replies.look_up("a", 1.0) is not None
