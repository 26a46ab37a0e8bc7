"""Who has not been answered when the usual one has is counted at the pace of all, up to the most its answer may be."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.ledger.late_answers import MEMORY, LateAnswers
from actors.policies.ledger.records import ReservationId

FIRST, SECOND, THIRD = ReservationId(1), ReservationId(2), ReservationId(3)


def room(seconds: float = 2.0, tokens: int = 100) -> LateAnswers:
    """Return one whose pace is known: by default 50 tokens a second."""
    late = LateAnswers()
    late.learn(seconds, tokens)
    return late


def test_nobody_is_late_where_nobody_waits_or_no_pace_is_known() -> None:
    assert room().beyond(100.0) == 0

    late = LateAnswers()
    late.put(FIRST, 0.0, expected=100, most=1000)
    assert (late.pace, late.beyond(100.0), late.count) == (0.0, 0, 0)


def test_an_answer_is_late_when_the_usual_one_has_come() -> None:
    late = room()
    late.put(FIRST, 10.0, expected=100, most=1000)

    assert (late.beyond(12.0), late.count) == (0, 0)
    assert (late.beyond(12.5), late.count) == (25, 1)
    assert late.beyond(16.0) == 200


def test_an_answer_counts_for_no_more_than_it_may_be() -> None:
    late = room()
    late.put(FIRST, 10.0, expected=100, most=300)

    assert late.beyond(16.0) == 200
    assert late.beyond(1000.0) == 200


def test_who_may_be_no_longer_than_is_expected_is_never_late() -> None:
    late = room()
    late.put(FIRST, 10.0, expected=100, most=100)

    assert (late.beyond(1000.0), late.count) == (0, 0)


def test_several_that_are_late_count_together() -> None:
    late = room()
    for each, granted_at in ((FIRST, 10.0), (SECOND, 11.0), (THIRD, 14.0)):
        late.put(each, granted_at, expected=100, most=1000)

    assert late.beyond(15.0) == 150 + 100
    assert late.count == 2


def test_who_is_answered_is_late_no_more_whether_it_was_or_not() -> None:
    late = room()
    late.put(FIRST, 10.0, expected=100, most=1000)
    late.put(SECOND, 10.0, expected=100, most=1000)
    late.put(THIRD, 10.0, expected=100, most=1000)
    late.forget(FIRST)
    assert late.beyond(13.0) == 50 + 50

    late.forget(SECOND)
    late.forget(SECOND)
    assert late.beyond(13.0) == 50
    late.forget(THIRD)
    assert (late.beyond(1000.0), late.count) == (0, 0)


def test_the_pace_is_that_of_all_recent_answers_and_follows_them() -> None:
    late = room(2.0, 100)
    late.learn(6.0, 100)
    kept = 1 - 1 / MEMORY
    assert math.isclose(late.pace, (100 * kept + 100) / (2 * kept + 6))

    for _ in range(10 * MEMORY):
        late.learn(1.0, 200)
    assert math.isclose(late.pace, 200, rel_tol=1e-3)


def test_answers_that_took_no_time_make_no_pace() -> None:
    assert room(0.0, 100).pace == 0.0


def test_a_slower_pace_makes_nobody_owe_less_than_nothing() -> None:
    late = room()
    late.put(FIRST, 10.0, expected=100, most=1000)
    assert late.beyond(13.0) == 50

    late.learn(1000.0, 1)
    assert late.beyond(13.0) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=12
    ),
    st.lists(st.integers(0, 11), max_size=6),
    st.integers(0, 200),
)
def test_it_is_what_a_list_of_all_would_say(
    calls: list[tuple[int, int, int]], answered: list[int], waited: int
) -> None:
    late, now = room(), 50.0 + waited
    for number, (granted_at, expected, more) in enumerate(calls):
        late.put(ReservationId(number), granted_at, expected, expected + more)
    late.beyond(50.0)
    for number in answered:
        late.forget(ReservationId(number))

    left = [call for number, call in enumerate(calls) if number not in answered]
    overdue = [call for call in left if call[0] + call[1] / 50.0 < now]
    produced = sum(50.0 * (now - granted_at) for granted_at, _, _ in overdue)
    expected = sum(expected for _, expected, _ in overdue)
    most = sum(expected + more for _, expected, more in overdue)
    assert abs(late.beyond(now) - max(0, min(most, produced) - expected)) <= 1
    assert late.count == len(overdue)
