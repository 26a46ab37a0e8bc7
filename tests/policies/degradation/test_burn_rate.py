"""The burn rate: its formula, both windows, little traffic, and factors that nothing could reach."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.degradation.burn_rate import (
    DEFAULT_RULES,
    BurnRate,
    BurnReading,
    BurnRow,
    BurnRules,
    burn,
    least_objective,
    rows_of,
)

ROW = BurnRow(5.0, long=60.0, short=6.0)
RULES = BurnRules(0.9, (ROW,))
"""Half of all calls failing is too fast."""


def burning(errors: int, successes: int, rules: BurnRules = RULES, *, at: float = 0.0) -> BurnRate:
    rate = BurnRate(rules)
    for _ in range(successes):
        rate.add(ok=True, now=at)
    for _ in range(errors):
        rate.add(ok=False, now=at)
    return rate


def test_the_burn_is_the_error_ratio_over_the_budget() -> None:
    assert burn(0.14, 0.99) == pytest.approx(14.0)
    assert burn(1.0, 0.75) == 4.0
    assert burn(0.0, 0.99) == 0.0


def test_the_rows_are_those_of_four_weeks_scaled_to_the_period() -> None:
    weeks = 28 * 86_400.0
    assert rows_of(weeks) == (BurnRow(14.0, 3600.0, 300.0), BurnRow(7.0, 21_600.0, 1800.0))


def test_the_default_is_an_objective_of_a_hundredth_over_a_day() -> None:
    fast, slow = DEFAULT_RULES.rows
    assert fast.long == pytest.approx(128.57, abs=0.01)
    assert fast.short == pytest.approx(10.71, abs=0.01)
    assert (DEFAULT_RULES.threshold(fast), DEFAULT_RULES.threshold(slow)) == (0.14, 0.07)
    assert (DEFAULT_RULES.fewest(fast), DEFAULT_RULES.fewest(slow)) == (8, 15)


def test_one_error_is_never_enough_however_few_calls_there_are() -> None:
    for successes in range(30):
        assert burning(1, successes).factor is None
        assert burning(1, successes, BurnRules()).factor is None


def test_it_burns_when_both_windows_do_and_the_evidence_is_there() -> None:
    assert burning(3, 0).factor is None  # the Wilson bound of 3 of 3 is 0.44
    assert burning(4, 0).factor == 5.0  # of 4 of 4 it is 0.51
    assert burning(6, 4).factor is None  # a burn of 6, of which 3.1 is proven
    assert burning(16, 4).factor == 5.0


def test_as_many_events_are_wanted_as_make_one_error_a_burn_of_exactly_the_factor() -> None:
    rules = BurnRules(0.99, (BurnRow(2.0, 60.0, 6.0),))
    assert rules.fewest(rules.rows[0]) == 50
    assert burning(10, 39, rules).factor is None
    assert burning(10, 40, rules).factor == 2.0


def test_the_short_window_says_whether_it_still_goes_on() -> None:
    rate = burning(10, 0)
    assert rate.next_deadline() == 6.0
    rate.expire(5.9)
    assert rate.factor == 5.0
    assert rate.statistics(6.0)[0].is_burning is False
    assert rate.next_deadline() == math.inf
    assert rate.statistics(6.0) == (BurnReading(5.0, burn(1.0, 0.9), 0.0, 10, False),)


def test_the_long_window_says_whether_it_matters() -> None:
    rate = burning(0, 30)
    for _ in range(20):
        rate.add(ok=False, now=10.0)
    assert rate.factor is None  # all of the last ten seconds, two fifths of the last minute
    for _ in range(60):
        rate.add(ok=False, now=10.0)
    assert rate.factor == 5.0


def test_successes_end_a_burn_as_soon_as_either_window_is_below_the_factor() -> None:
    rate = burning(4, 0)
    for _ in range(4):
        rate.add(ok=True, now=1.0)
        assert rate.factor == 5.0  # down to a half, which is the factor exactly
    rate.add(ok=True, now=1.0)
    assert rate.factor is None


def test_only_an_error_begins_a_burn() -> None:
    rate = burning(0, 30)
    for _ in range(20):
        rate.add(ok=False, now=59.0)
    rate.expire(61.0)
    assert rate.factor is None  # the successes have left, and nothing has happened
    rate.add(ok=True, now=61.0)
    assert rate.factor is None
    rate.add(ok=False, now=61.0)
    assert rate.factor == 5.0


def test_any_row_is_enough_and_the_fastest_is_told() -> None:
    rules = BurnRules(0.9, (BurnRow(2.0, 600.0, 60.0), BurnRow(5.0, 60.0, 6.0)))
    rate = burning(10, 0, rules)
    assert rate.factor == 5.0
    assert rate.next_deadline() == 6.0
    rate.expire(6.0)
    assert rate.factor == 2.0
    rate.expire(60.0)
    assert rate.factor is None


@pytest.mark.parametrize(
    ("objective", "factor", "most"),
    [(0.9, 14.0, "10"), (0.9, 10.0, "10"), (0.5, 2.0, "2"), (0.99, 100.0, "100")],
)
def test_a_factor_that_no_burn_reaches_is_refused(objective: float, factor: float, most: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^factor must be < {most}, .* of {objective:g} .*, got {factor:g}$"
    ):
        BurnRules(objective, (BurnRow(factor, 60.0, 6.0),))


def test_a_factor_just_below_can_fire() -> None:
    rules = BurnRules(0.9, (BurnRow(9.9, 60.0, 6.0),))
    assert burning(400, 0, rules).factor == 9.9


def test_the_least_objective_is_told() -> None:
    assert least_objective(rows_of(60.0)) == pytest.approx(0.92857, abs=0.00001)
    with pytest.raises(ValueError, match=r"^factor must be < 14, "):
        BurnRules(least_objective(rows_of(60.0)))
    BurnRules(0.9286)


@pytest.mark.parametrize("objective", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_an_objective_is_a_share_that_leaves_something(objective: float) -> None:
    with pytest.raises(ValueError, match=r"^objective must be "):
        BurnRules(objective, (ROW,))


def test_rules_without_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^rows must hold at least 1 pair of windows, got none$"):
        BurnRules(0.9, ())


@pytest.mark.parametrize(
    ("factor", "long", "short", "told"),
    [
        (0.0, 60.0, 6.0, "factor must be > 0, got 0.0"),
        (2.0, 60.0, 0.0, "short must be > 0, got 0.0"),
        (2.0, 6.0, 6.0, "long must be > short (6.0) and finite, got 6.0"),
        (2.0, math.inf, 6.0, "long must be > short (6.0) and finite, got inf"),
        (2.0, 6.0, math.nan, "short must be a number of seconds, got nan"),
    ],
)
def test_windows_out_of_their_bounds_are_refused(factor: float, long: float, short: float, told: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole text is compared below
        BurnRow(factor, long, short)
    assert str(caught.value) == told


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans())))
def test_a_burn_begins_and_ends_as_the_whole_history_says(steps: list[tuple[int, bool]]) -> None:
    # Windows whose cells are shorter than the step of time, so that every instant has its own.
    rules = BurnRules(0.5, (BurnRow(1.2, long=16.0, short=4.0),))
    rate, history, now, is_burning = BurnRate(rules), list[tuple[float, bool]](), 0.0, False

    def ratio(window: float) -> float:
        present = [ok for at, ok in history if at + window > now]
        return present.count(False) / len(present) if present else 0.0

    for passed, ok in steps:
        for _ in range(passed):
            now += 1.0
            is_burning = is_burning and min(ratio(16.0), ratio(4.0)) >= 0.6
            rate.expire(now)
            assert (rate.factor is not None) == is_burning
        history.append((now, ok))
        present = [each for at, each in history if at + 16.0 > now]
        is_above = min(ratio(16.0), ratio(4.0)) >= 0.6
        n, k = len(present), present.count(False)
        # The proof by solving Wilson's inequality, not by its formula: the true ratio is not 0.6 or less.
        is_proven = k / n > 0.6 and (k / n - 0.6) ** 2 > 1.96**2 * 0.6 * 0.4 / n
        is_burning = is_above and (is_burning or (not ok and n >= 2 and is_proven))
        rate.add(ok=ok, now=now)
        assert (rate.factor is not None) == is_burning
