"""What is out for longer than usual is long, up to what is foreseen; what is out for far longer is lost."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.ledger.records import ReservationId
from actors.policies.ledger.unseen_answers import MEMORY, PATIENCE, UnseenAnswers

FIRST, SECOND, THIRD = ReservationId(1), ReservationId(2), ReservationId(3)


def room(seconds: float = 2.0, tokens: int = 100) -> UnseenAnswers:
    """Return one whose pace is known: by default 50 tokens a second."""
    unseen = UnseenAnswers()
    unseen.learn(seconds, tokens)
    return unseen


def test_where_nobody_waits_nothing_is_unseen() -> None:
    assert (room().count, room().beyond(100.0), room().next_lost) == (0, 0, math.inf)


def test_where_no_pace_is_known_nobody_is_late_or_lost() -> None:
    unseen = UnseenAnswers()
    unseen.put(FIRST, 0.0, expected=100, foreseen=1000)
    assert (unseen.count, unseen.beyond(1e6), unseen.next_lost) == (1, 0, math.inf)
    assert not unseen.give_up(1e6)


def test_an_answer_is_late_when_what_is_expected_has_been_produced() -> None:
    unseen = room()
    unseen.put(FIRST, 10.0, expected=100, foreseen=1000)
    assert [unseen.beyond(now) for now in (12.0, 12.01, 16.0)] == [0, 1, 200]


def test_an_answer_counts_for_no_more_than_is_foreseen() -> None:
    unseen = room()
    unseen.put(FIRST, 10.0, expected=100, foreseen=300)
    assert [unseen.beyond(now) for now in (16.0, 1000.0)] == [200, 200]


def test_of_several_the_one_that_is_out_for_longest_counts() -> None:
    unseen = room()
    for each, granted_at in ((FIRST, 10.0), (SECOND, 11.0), (THIRD, 14.0)):
        unseen.put(each, granted_at, expected=100, foreseen=1000)
    assert (unseen.count, unseen.beyond(15.0)) == (3, 150)

    unseen.forget(FIRST)
    assert (unseen.count, unseen.beyond(15.0)) == (2, 100)


def test_what_could_have_been_produced_twice_over_is_lost() -> None:
    unseen = room()
    unseen.put(FIRST, 10.0, expected=100, foreseen=500)
    unseen.put(SECOND, 15.0, expected=100, foreseen=500)
    lost_at = 10.0 + PATIENCE * 10.0
    assert unseen.next_lost == lost_at
    assert not unseen.give_up(math.nextafter(lost_at, 0.0))

    assert unseen.give_up(lost_at)
    assert (unseen.count, unseen.next_lost) == (1, lost_at + 5.0)
    assert unseen.give_up(1e6)
    assert (unseen.count, unseen.beyond(1e6)) == (0, 0)


def test_who_has_been_forgotten_is_not_lost_too() -> None:
    unseen = room()
    unseen.put(FIRST, 10.0, expected=100, foreseen=500)
    unseen.forget(FIRST)
    unseen.forget(FIRST)
    assert not unseen.give_up(1e6)


def test_what_is_held_for_an_answer_is_foreseen_at_least() -> None:
    unseen = room()
    unseen.put(FIRST, 10.0, expected=100, foreseen=0)
    assert (unseen.next_lost, unseen.beyond(1e6)) == (10.0 + PATIENCE * 2.0, 0)


def test_the_pace_is_that_of_the_quickest_and_follows_slowly() -> None:
    unseen = room(2.0, 100)
    unseen.learn(10.0, 100)
    assert unseen.pace == 50 * (1 - 1 / MEMORY)
    unseen.learn(1.0, 100)
    assert unseen.pace == 100.0

    for _ in range(10 * MEMORY):
        unseen.learn(1.0, 30)
        unseen.learn(1.0, 0)
    assert unseen.pace == 30.0


def test_an_answer_takes_as_long_as_its_tokens_at_that_pace() -> None:
    assert room().seconds_for(150) == 3.0
    assert UnseenAnswers().seconds_for(150) == math.inf


def test_an_answer_that_took_no_time_or_brought_nothing_makes_no_pace() -> None:
    assert (room(0.0, 100).pace, room(1.0, 0).pace) == (0.0, 0.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 400), st.integers(1, 900)), min_size=1, max_size=12
    ),
    st.sets(st.integers(0, 11), max_size=6),
    st.integers(0, 60),
)
def test_it_is_what_a_list_of_all_would_say(
    calls: list[tuple[int, int, int]], answered: set[int], waited: int
) -> None:
    unseen, now = room(), 20.0 + waited
    calls.sort(key=lambda call: call[0])
    for number, (granted_at, expected, foreseen) in enumerate(calls):
        unseen.put(ReservationId(number), granted_at, expected, foreseen)
    for number in answered:
        unseen.forget(ReservationId(number))
    unseen.give_up(now)

    left = [
        (granted_at, expected, max(expected, foreseen))
        for number, (granted_at, expected, foreseen) in enumerate(calls)
        if number not in answered
    ]
    while left and 50.0 * (now - left[0][0]) >= 2 * left[0][2]:
        left.pop(0)
    assert unseen.count == len(left)
    latest = 0
    if left:
        granted_at, expected, foreseen = left[0]
        latest = max(0, min(foreseen, round(50.0 * (now - granted_at))) - expected)
    assert unseen.beyond(now) == latest
