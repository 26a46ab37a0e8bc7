"""Which limit is believed after which responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.learning.limit_detection import (
    COLLAPSE,
    COLLAPSE_NEEDS,
    GROWTH_NEEDS,
    WONDER_NEEDS,
    LimitDetector,
    contradicts_itself,
)
from actors.policies.learning.records import Seen
from actors.policies.ledger.limits import Quantity
from actors.policies.usage import NOTHING, Usage

AMOUNTS = st.integers(min_value=1, max_value=10_000)


def after(known: int | None, *told: int, possible: int = 0) -> int | None:
    """What is believed when responses have told these."""
    detector = LimitDetector(known)
    for limit in told:
        detector.observe(limit, possible)
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


@pytest.mark.parametrize("known", [50, 100, 10_000, None])
@pytest.mark.parametrize(
    ("told", "believed"),
    [((30,), False), ((30, 30), False), ((30, 30, 30), True), ((30, 9, 1), True), ((9, 30, 30), True)],
)
def test_less_than_was_possible_just_now_is_believed_when_three_in_a_row_say_so(
    known: int | None, told: tuple[int, ...], *, believed: bool
) -> None:
    assert WONDER_NEEDS == 3
    assert after(known, *told, possible=31) == (30 if believed else known)


@pytest.mark.parametrize("known", [50, None])
def test_what_was_possible_just_now_makes_no_other_limit_strange(known: int | None) -> None:
    assert after(known, 30, possible=30) == 30


def test_a_response_that_says_what_is_known_ends_a_row_of_less_than_was_possible() -> None:
    assert after(50, 30, 30, 50, 30, 30, possible=40) == 50


@pytest.mark.parametrize(
    ("known", "told", "before"),
    [
        (50, (30,), 50),
        (50, (30, 20, 15), 50),
        (50, (30, 40, 40, 40), 50),
        (50, (30, 50, 50, 50), None),
        (50, (80, 80, 80), None),
        (50, (80, 80, 80, 70), 80),
        (50, (30, 60, 60, 60, 40), 60),
        (None, (), None),
    ],
)
def test_what_was_known_before_a_limit_fell_is_remembered_until_it_has_risen_as_high(
    known: int | None, told: tuple[int, ...], before: int | None
) -> None:
    detector = LimitDetector(known)
    for limit in told:
        detector.observe(limit)

    assert detector.has_fallen is (before is not None)
    assert before is None or detector.before == before


@pytest.mark.parametrize("known", [50, None])
def test_a_limit_that_is_taken_back_is_what_it_was_and_has_not_fallen(known: int | None) -> None:
    detector = LimitDetector(known)
    for limit in (30, 30, 2):
        detector.observe(limit)

    detector.take_back()

    assert (detector.amount, detector.agreeing, detector.has_fallen) == (known, 0, False)
    assert detector.observe(2) is (known is None)


def test_what_was_never_limited_stays_learned_however_high_it_rises() -> None:
    detector = LimitDetector(None)
    for limit in (30, 60, 60, 60):
        detector.observe(limit)
    assert (detector.amount, detector.has_fallen) == (60, True)

    detector.take_back()

    assert detector.amount is None


@pytest.mark.parametrize(
    ("quantity", "limit", "remaining", "rounded_to", "used", "is_contradiction"),
    [
        ("requests", 1, 0, 1, Usage(1, 500), False),
        ("input_tokens", 499, 0, 1, Usage(1, 500), True),
        ("input_tokens", 500, 0, 1, Usage(1, 500), False),
        ("input_tokens", 499, 0, 1, NOTHING, False),
        ("input_tokens", 499, 0, 1, None, False),
        ("total_tokens", 1, 0, 1, Usage(1, 500), True),
        ("output_tokens", 1, 0, 1, Usage(1, 500), False),
        ("input_tokens", 10, 11, 1, None, True),
        ("input_tokens", 10, 10, 1, None, False),
        ("input_tokens", 10, None, 1, None, False),
        ("input_tokens", 10, -1, 1, None, False),
        ("input_tokens", 1_500, 2_000, 1_000, None, False),
        ("input_tokens", 1_499, 2_000, 1_000, None, True),
    ],
)
def test_a_limit_that_cannot_have_let_its_own_response_through_is_a_contradiction(
    *,
    quantity: Quantity,
    limit: int,
    remaining: int | None,
    rounded_to: int,
    used: Usage | None,
    is_contradiction: bool,
) -> None:
    seen = Seen(quantity, 60.0, limit=limit, remaining=remaining, rounded_to=rounded_to)

    assert contradicts_itself(seen, limit, used) is is_contradiction


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
