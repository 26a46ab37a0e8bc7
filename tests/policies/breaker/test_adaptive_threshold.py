"""A service that does well is allowed more failures in a row, and one that does badly fewer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.breaker.adaptive_threshold import AdaptiveThreshold


def after(first: int, successes: int, failures: int) -> AdaptiveThreshold:
    """Return a threshold that has seen so many of both, successes first."""
    threshold = AdaptiveThreshold(first)
    for is_success in [True] * successes + [False] * failures:
        threshold.learn(is_success=is_success)
    return threshold


@pytest.mark.parametrize(
    ("successes", "failures", "value"),
    [
        (69, 30, 5),  # 99 outcomes are too few
        (69, 31, 4),
        (70, 30, 5),  # exactly 0.7 is not under it
        (95, 5, 5),  # exactly 0.95 is not over it
        (96, 4, 6),
        (0, 99, 5),
        (99, 0, 5),
    ],
)
def test_a_hundred_outcomes_move_it_by_one(successes: int, failures: int, value: int) -> None:
    assert after(5, successes, failures).value == value


def test_it_moves_again_with_every_tenth_outcome() -> None:
    threshold = after(5, 109, 0)
    assert threshold.value == 6
    threshold.learn(is_success=True)
    assert threshold.value == 7


def test_it_looks_at_the_last_hundred_only() -> None:
    threshold = after(5, 100, 0)  # 6
    for _ in range(30):
        threshold.learn(is_success=False)  # 90, 80 and 70 of the last hundred: neither good nor poor
    assert threshold.value == 6
    for _ in range(10):
        threshold.learn(is_success=False)
    assert threshold.value == 5


@pytest.mark.parametrize(("first", "least", "most"), [(3, 2, 10), (2, 2, 10), (1, 1, 10), (15, 2, 15)])
def test_it_stays_between_two_and_ten_unless_the_first_lies_beyond(first: int, least: int, most: int) -> None:
    assert after(first, 0, 500).value == least
    assert after(first, 500, 0).value == most


def test_it_begins_anew_when_it_is_cleared() -> None:
    threshold = after(3, 200, 0)
    threshold.clear()
    assert threshold.value == 3
    for _ in range(99):
        threshold.learn(is_success=True)
    assert threshold.value == 3
    threshold.learn(is_success=True)
    assert threshold.value == 4


@given(st.integers(1, 12), st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=30))
def test_it_is_what_a_list_that_keeps_everything_says(first: int, runs: list[tuple[bool, int]]) -> None:
    outcomes = [is_success for is_success, count in runs for _ in range(count)]
    threshold, value = AdaptiveThreshold(first), first
    for number, is_success in enumerate(outcomes, start=1):
        threshold.learn(is_success=is_success)
        if number >= 100 and number % 10 == 0:
            successes = sum(outcomes[number - 100 : number])
            if successes < 70:
                value = max(value - 1, min(2, first))
            if successes > 95:
                value = min(value + 1, max(10, first))
        assert threshold.value == value
