"""Which limit is believed after which responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.learning.limit_detection import COLLAPSE, COLLAPSE_NEEDS, GROWTH_NEEDS, LimitDetector

AMOUNTS = st.integers(min_value=1, max_value=10_000)


def after(known: int | None, *told: int) -> int | None:
    """What is believed when responses have told these."""
    detector = LimitDetector(known)
    for limit in told:
        detector.observe(limit)
    return detector.amount


def test_a_lower_limit_is_believed_at_once() -> None:
    detector = LimitDetector(50)

    assert detector.observe(30)
    assert (detector.amount, detector.agreeing) == (30, 1)


@pytest.mark.parametrize(
    ("told", "believed"),
    [((25,), 25), ((24,), 50), ((24, 24), 24), ((1, 50, 1), 50), ((1, 20), 20), ((20, 1), 20), ((1, 30), 30)],
)
def test_less_than_half_is_believed_when_two_in_a_row_say_so(told: tuple[int, ...], believed: int) -> None:
    assert (COLLAPSE, COLLAPSE_NEEDS) == (0.5, 2)
    assert after(50, *told) == believed


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ((100,), 50),
        ((100, 100), 50),
        ((100, 100, 100), 100),
        ((100, 100, 50, 100), 50),
        ((100, 100, 10, 100, 100), 50),
        ((100, 90, 120), 90),
        ((51, 4_000, 4_000), 51),
        ((100, 100, 40, 100, 100), 40),
    ],
)
def test_a_higher_limit_is_believed_when_three_in_a_row_say_so(told: tuple[int, ...], believed: int) -> None:
    assert GROWTH_NEEDS == 3
    assert after(50, *told) == believed


def test_a_limit_that_nobody_knew_of_is_believed_at_once() -> None:
    assert after(None, 14_400) == 14_400


def test_only_a_change_is_told_as_one() -> None:
    detector = LimitDetector(50)

    assert [detector.observe(limit) for limit in (50, 60, 60, 60, 60, 40)] == [
        False,
        False,
        False,
        True,
        False,
        True,
    ]


def test_every_response_that_says_what_is_believed_makes_it_surer() -> None:
    detector = LimitDetector(50)
    assert detector.agreeing == 0

    for _ in range(4):
        detector.observe(50)
    assert detector.agreeing == 4

    detector.observe(60)
    assert detector.agreeing == 0

    detector.observe(60)
    detector.observe(60)
    assert detector.agreeing == 3


def test_answers_of_two_pools_in_turns_never_lift_the_smaller_limit() -> None:
    assert after(50, *([50, 4_000, 50, 4_000, 4_000] * 100)) == 50


@given(AMOUNTS, st.lists(AMOUNTS))
def test_what_is_believed_was_known_or_told(known: int, told: list[int]) -> None:
    assert after(known, *told) in {known, *told}


@given(AMOUNTS, st.lists(AMOUNTS), AMOUNTS)
def test_three_in_a_row_convince_whatever_came_before(known: int, told: list[int], limit: int) -> None:
    assert after(known, *told, limit, limit, limit) == limit or min(told, default=limit) < limit


@given(AMOUNTS, st.lists(AMOUNTS), AMOUNTS)
def test_six_in_a_row_convince_whatever_came_before(known: int, told: list[int], limit: int) -> None:
    """A row of growth may begin with smaller numbers, which are taken first."""
    assert after(known, *told, *([limit] * 6)) == limit


@given(AMOUNTS, AMOUNTS)
def test_one_response_never_lifts_a_limit_nor_more_than_halves_it(known: int, told: int) -> None:
    believed = after(known, told)

    assert believed is not None
    assert known * COLLAPSE <= believed <= known
