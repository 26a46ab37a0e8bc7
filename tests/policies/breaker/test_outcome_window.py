"""Outcomes leave at their own instant, and a share is told no surer than it is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.breaker.outcome_window import OutcomeWindow, surely


def counts(window: OutcomeWindow) -> tuple[int, int, int]:
    return window.calls, window.failures, window.slow


def test_an_outcome_counts_until_its_instant_and_not_at_it() -> None:
    """Not a hair early either: as floats, 0.7 and 0.1 add up to 0.7999999999999999."""
    window = OutcomeWindow(0.1)
    window.add(0.7, is_failure=True)
    window.add(0.75)

    window.expire(math.nextafter(0.8, 0.0))
    assert counts(window) == (2, 1, 0)

    window.expire(0.8)
    assert counts(window) == (1, 0, 0)


def test_an_empty_window_has_rates_of_nothing() -> None:
    window = OutcomeWindow(10.0)
    assert (window.failure_rate, window.slow_rate) == (0.0, 0.0)


def test_rates_are_shares_of_the_calls() -> None:
    window = OutcomeWindow(10.0)
    window.add(0.0, is_failure=True, is_slow=True)
    window.add(0.0, is_slow=True)
    window.add(0.0)
    window.add(0.0)
    assert (window.failure_rate, window.slow_rate) == (0.25, 0.5)


def test_one_that_is_withdrawn_counts_no_more_and_leaves_nothing_when_its_time_has_come() -> None:
    window = OutcomeWindow(10.0)
    slow = window.add(0.0, is_slow=True)
    window.add(5.0, is_failure=True)
    window.withdraw(slow)
    window.withdraw(slow)
    assert counts(window) == (1, 1, 0)

    window.expire(10.0)
    assert counts(window) == (1, 1, 0)


def test_one_that_has_left_cannot_be_withdrawn() -> None:
    window = OutcomeWindow(10.0)
    slow = window.add(0.0, is_slow=True)
    window.add(10.0)
    window.withdraw(slow)
    assert counts(window) == (1, 0, 0)


def test_what_was_cleared_cannot_be_withdrawn() -> None:
    window = OutcomeWindow(10.0)
    slow = window.add(0.0, is_slow=True)
    window.clear()
    window.withdraw(slow)
    assert counts(window) == (0, 0, 0)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.booleans(), st.booleans()), max_size=60),
)
def test_a_window_counts_what_a_list_that_keeps_everything_counts(
    steps: list[tuple[int, bool, bool, bool]],
) -> None:
    window, history, now = OutcomeWindow(4.0), [], 0.0
    for wait, is_failure, is_slow, is_withdrawn in steps:
        now += wait / 2
        counted = window.add(now, is_failure=is_failure, is_slow=is_slow)
        if is_withdrawn:
            window.withdraw(counted)
        else:
            history.append((now, is_failure, is_slow))
        present = [each for each in history if now - each[0] < 4.0]
        assert counts(window) == (
            len(present),
            sum(each[1] for each in present),
            sum(each[2] for each in present),
        )


def test_a_window_drops_what_has_left_in_time_that_does_not_grow_with_its_history() -> None:
    window = OutcomeWindow(1.0)
    for count in range(10_000):
        window.add(count / 100)
    assert window.calls == 100
    assert len(window._counted) == 100


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [
        (3, 3, 0.4385),
        (4, 4, 0.5101),
        (5, 5, 0.5655),
        (5, 10, 0.2366),
        (100, 100, 0.9630),
        (500, 1000, 0.4691),
        (1, 100, 0.0018),
    ],
)
def test_a_share_is_as_sure_as_the_interval_of_wilson_says(part: int, whole: int, share: float) -> None:
    assert surely(part, whole) == pytest.approx(share, abs=5e-5)


def test_nothing_is_sure_of_nothing() -> None:
    assert surely(0, 0) == surely(0, 1000) == 0.0


@given(st.integers(1, 10_000), st.integers(0, 10_000))
def test_what_is_sure_is_less_than_the_share_and_grows_with_the_part(part: int, rest: int) -> None:
    whole = part + rest
    assert 0.0 < surely(part, whole) < part / whole
    assert surely(part, whole) < surely(part + 1, whole + 1)
