"""A sum of parts that leave: in any order, at any length of history, and right at the edge."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.ledger.expiring_sum import ExpiringSum

PARTS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 300)), max_size=200)
CHANGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 12)), max_size=60)


def sum_of(*parts: tuple[int, float]) -> ExpiringSum:
    """A sum of (amount, instant at which it leaves)."""
    present = ExpiringSum()
    for amount, leaves_at in parts:
        present.add(amount, leaves_at)
    return present


def test_a_part_that_leaves_at_an_instant_is_gone_at_it() -> None:
    parts = sum_of((5, 2.0))

    parts.expire(math.nextafter(2.0, 0))
    assert parts.total == 5
    parts.expire(2.0)
    assert parts.total == 0


def test_an_amount_that_is_not_present_never_leaves() -> None:
    parts = sum_of((5, 2.0))

    assert parts.gone_at(5) == 2.0
    assert parts.gone_at(6) == math.inf


def test_nothing_is_not_kept() -> None:
    assert sum_of((0, 2.0))._leaves_at == []


def test_what_leaves_at_the_same_instant_is_one_part() -> None:
    parts = sum_of((5, 2.0), (1, 3.0), (7, 2.0))

    assert (parts._leaves_at, parts._amounts, parts.total) == ([2.0, 3.0], [12, 1], 13)
    assert [parts.gone_at(amount) for amount in (5, 12, 13)] == [2.0, 2.0, 3.0]


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
    parts = sum_of((5, 2.0))
    assert parts.gone_at(5) == 2.0
    parts.add(3, leaves_at=4.0)
    parts.add(2, leaves_at=3.0)

    assert [parts.gone_at(amount) for amount in (5, 6, 7, 8, 10, 11)] == [2.0, 3.0, 3.0, 4.0, 4.0, math.inf]


# a part that is changed


def test_a_part_is_changed_where_it_stands() -> None:
    parts = sum_of((5, 2.0), (3, 4.0), (2, 6.0))
    assert parts.gone_at(8) == 4.0

    parts.amend(4.0, 3, 7)

    assert parts.total == 14
    assert [parts.gone_at(amount) for amount in (5, 8, 12, 13)] == [2.0, 4.0, 4.0, 6.0]


def test_a_part_of_what_leaves_together_is_changed() -> None:
    parts = sum_of((5, 2.0), (3, 2.0))

    parts.amend(2.0, 3, 1)

    assert (parts._amounts, parts.total) == ([6], 6)


def test_a_part_that_becomes_nothing_is_not_kept() -> None:
    parts = sum_of((5, 2.0), (3, 4.0))

    parts.amend(2.0, 5, 0)

    assert (parts._leaves_at, parts._amounts, parts.total, parts.gone_at(1)) == ([4.0], [3], 3, 4.0)


def test_nothing_becomes_a_part() -> None:
    parts = sum_of((5, 2.0))

    parts.amend(1.0, 0, 4)
    parts.amend(3.0, 0, 0)

    assert (parts._leaves_at, parts._amounts, parts.total) == ([1.0, 2.0], [4, 5], 9)


@pytest.mark.parametrize(
    ("leaves_at", "before", "after", "text"),
    [
        (2.0, 6, 1, "before must be >= 0 and <= 5, which leaves at 2.0, got 6"),
        (2.0, -1, 1, "before must be >= 0 and <= 5, which leaves at 2.0, got -1"),
        (3.0, 5, 1, "before must be >= 0 and <= 0, which leaves at 3.0, got 5"),
        (1.0, 4, 1, "before must be >= 0 and <= 0, which leaves at 1.0, got 4"),
        (2.0, 5, -1, "after must be >= 0, got -1"),
    ],
)
def test_a_part_that_is_not_there_is_not_changed(
    leaves_at: float, before: int, after: int, text: str
) -> None:
    parts = sum_of((4, 1.0), (5, 2.0))
    parts.expire(1.0)

    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole text is compared below
        parts.amend(leaves_at, before, after)

    assert str(caught.value) == text
    assert (parts.total, parts.gone_at(5)) == (5, 2.0)


@given(changes=CHANGES)
def test_changed_parts_are_those_of_a_naive_list(changes: list[tuple[int, int, int]]) -> None:
    parts, naive = ExpiringSum(), dict[int, int]()
    for leaves_at, taken, put in changes:
        before = min(taken, naive.get(leaves_at, 0))
        parts.amend(leaves_at, before, put)
        naive[leaves_at] = naive.get(leaves_at, 0) - before + put

        assert parts.total == sum(naive.values())
        assert list(parts.faults(-1, 9)) == []
        gone = 0
        for instant, amount in sorted(naive.items()):
            gone += amount
            if amount:
                assert parts.gone_at(gone) == instant


# what has left, and is remembered for a while


def test_what_has_left_is_remembered_by_when_it_left() -> None:
    parts = sum_of((5, 2.0), (3, 4.0), (2, 6.0))
    parts.expire(5.0)

    assert [parts.left_since(instant) for instant in (0.0, 2.0, 3.9, 4.0)] == [8, 3, 3, 0]


def test_what_had_left_before_it_was_added_is_remembered_too() -> None:
    parts = sum_of((5, 2.0), (3, 4.0), (2, 6.0))
    parts.expire(5.0)
    assert parts.gone_at(2) == 6.0

    parts.add(7, 3.0)
    parts.add(1, 4.5)
    parts.expire(5.0)

    assert parts.total == 2
    assert parts.gone_at(2) == 6.0
    assert [parts.left_since(instant) for instant in (0.0, 2.0, 3.0, 4.0)] == [16, 11, 4, 1]
    assert list(parts.faults(5.0, 6.0)) == []


def test_what_was_cut_off_is_forgotten_and_said_to_be() -> None:
    parts = ExpiringSum()
    for instant in range(200):
        parts.expire(float(instant))
        parts.add(1, leaves_at=instant + 10.0)
    kept = parts.left_since(190.0)

    assert kept == 9
    assert parts.left_since(0.0) is None
    parts.add(1, leaves_at=0.5)
    parts.add(1, leaves_at=195.0)
    assert parts.left_since(0.0) is None
    assert parts.left_since(190.0) == 10


def test_what_comes_late_takes_no_room_for_long() -> None:
    parts = sum_of((1, 1e6))
    parts.expire(1e6)
    for instant in range(10_000):
        parts.add(1, float(instant))

    assert len(parts._late) <= 128
    assert parts.left_since(9_990.0) == 10
    assert parts.left_since(100.0) is None


@given(parts=st.lists(st.tuples(st.integers(0, 9), st.integers(-50, 50)), max_size=300))
def test_what_has_left_is_that_of_a_naive_list_as_long_as_it_is_known(parts: list[tuple[int, int]]) -> None:
    present, naive = ExpiringSum(), list[tuple[int, int]]()
    for now, (amount, lasts) in enumerate(parts):
        present.expire(now)
        present.add(amount, now + lasts)
        present.expire(now)
        naive.append((now + lasts, amount))

        assert present.total == sum(amount for leaves_at, amount in naive if leaves_at > now)
        for since in (now - 1, now - 10, now - 60):
            left = present.left_since(since)
            exact = sum(amount for leaves_at, amount in naive if since < leaves_at <= now)
            assert left == exact or (left is None and now >= 64)
