"""A sum of parts that leave: in any order, at any length of history, and right at the edge."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.meter import ExpiringSum, Meter

PARTS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 300)), max_size=200)


def test_a_part_that_leaves_at_an_instant_is_gone_at_it() -> None:
    parts = ExpiringSum()
    parts.add(5, leaves_at=2.0)

    parts.expire(math.nextafter(2.0, 0))
    assert parts.total == 5
    parts.expire(2.0)
    assert parts.total == 0


def test_an_amount_that_is_not_present_never_leaves() -> None:
    parts = ExpiringSum()
    parts.add(5, leaves_at=2.0)

    assert parts.gone_at(5) == 2.0
    assert parts.gone_at(6) == math.inf


def test_nothing_is_not_kept() -> None:
    parts = ExpiringSum()
    parts.add(0, leaves_at=2.0)

    assert parts._leaves_at == []


def test_what_has_left_takes_no_room_for_long() -> None:
    parts = ExpiringSum()
    for instant in range(100_000):
        parts.expire(float(instant))
        parts.add(1, leaves_at=instant + 60.0)

    assert parts.total == 60
    assert len(parts._leaves_at) == len(parts._amounts) <= 2 * 60 + 64


@given(parts=PARTS, pace=st.integers(0, 3))
def test_the_sum_is_that_of_the_parts_present_in_whatever_order_they_came(
    parts: list[tuple[int, int]], pace: int
) -> None:
    present, naive = ExpiringSum(), list[tuple[int, int]]()
    for now, (amount, lasts) in enumerate(parts):
        instant = now * pace
        present.expire(instant)
        naive = [part for part in naive if part[0] > instant]
        present.add(amount, instant + lasts)
        naive.append((instant + lasts, amount))

        assert present.total == sum(part[1] for part in naive)
        for wanted in {1, present.total // 2, present.total} - {0}:
            gone = 0
            for leaves_at, amount_gone in sorted(naive):
                gone += amount_gone
                if gone >= wanted:
                    assert present.gone_at(wanted) == leaves_at
                    break


def test_a_question_leaves_the_next_one_as_it_was() -> None:
    parts = ExpiringSum()
    parts.add(5, leaves_at=2.0)
    assert parts.gone_at(5) == 2.0
    parts.add(3, leaves_at=4.0)
    parts.add(2, leaves_at=3.0)

    assert [parts.gone_at(amount) for amount in (5, 6, 7, 8, 10, 11)] == [2.0, 3.0, 3.0, 4.0, 4.0, math.inf]


def test_a_meter_without_a_limit_has_room_at_once() -> None:
    meter = Meter("requests", None)
    meter.hold(10**9)

    assert meter.earliest(10**9, now=3.0) == 3.0
    assert meter.earliest_if_refunded(10**9, now=3.0) == 3.0
    assert meter.share is None
