"""A tally of the last seconds: what counts, when it leaves, and that it stays small."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.degradation.rolling_tally import CELLS, RollingTally


def test_an_outcome_counts_for_one_window() -> None:
    tally = RollingTally(6.0)
    tally.add(ok=False, now=10.0)
    tally.expire(15.9)
    assert (tally.events, tally.errors, tally.error_ratio, tally.next_deadline()) == (1, 1, 1.0, 16.0)
    tally.expire(16.0)
    assert (tally.events, tally.errors, tally.error_ratio, tally.next_deadline()) == (0, 0, 0.0, math.inf)


def test_outcomes_within_a_sixtieth_leave_with_the_first_of_them() -> None:
    tally = RollingTally(60.0)
    for now in (0.0, 0.5, 1.0):
        tally.add(ok=now == 0.5, now=now)
    assert (tally.events, tally.errors) == (3, 2)
    tally.expire(60.0)
    assert (tally.events, tally.errors, tally.next_deadline()) == (1, 1, 61.0)


def test_adding_forgets_what_has_left() -> None:
    tally = RollingTally(1.0)
    tally.add(ok=False, now=0.0)
    tally.add(ok=True, now=1.0)
    assert (tally.events, tally.errors) == (1, 0)


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=80))
def test_it_counts_what_a_list_of_all_outcomes_counts(steps: list[tuple[int, bool]]) -> None:
    # Cells of a quarter of a second, and outcomes at whole ones: each instant has its own.
    tally, all_of_them, now = RollingTally(CELLS / 4), list[tuple[int, bool]](), 0
    for passed, ok in steps:
        now += passed
        tally.add(ok=ok, now=float(now))
        all_of_them.append((now, ok))
        present = [each for at, each in all_of_them if at + CELLS / 4 > now]
        assert (tally.events, tally.errors) == (len(present), present.count(False))


def test_a_busy_service_costs_no_more_than_a_quiet_one() -> None:
    tally = RollingTally(6.0)
    for number in range(10_000):
        tally.add(ok=True, now=number / 1000)
    assert len(tally._cells) <= CELLS + 1
    assert 5_900 <= tally.events <= 6_000
