"""The purse that all retries of a pool share: what it lets out, what fills it, and that it cannot be cheated."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from retry_budget_machine import RetryBudgetMachine
from unmeasured import unmeasured

from actors.policies.retry.budget import RetryBudget, RetryBudgetStatistics

TestTheBudgetKeepsItsBooks = RetryBudgetMachine.TestCase
TestTheBudgetKeepsItsBooks.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def empty(capacity: int = 100, earns: float = 0.1) -> RetryBudget:
    budget = RetryBudget(capacity, earns)
    assert budget.withdraw(capacity)
    return budget


def test_it_begins_full_with_a_hundred_thousand_tokens() -> None:
    assert RetryBudget().left == 100_000


def test_a_withdrawal_takes_its_price_and_one_too_many_takes_nothing() -> None:
    budget = RetryBudget(100)

    assert budget.withdraw(60)
    assert not budget.withdraw(41)
    assert budget.left == 40
    assert budget.withdraw(40)
    assert budget.left == 0


def test_a_price_above_the_capacity_asks_for_all_of_it() -> None:
    budget = RetryBudget(100)

    assert budget.withdraw(5_000)
    assert budget.left == 0
    budget.give_back(5_000)
    assert budget.withdraw(1)
    assert not budget.withdraw(5_000)
    assert budget.left == 99


def test_ten_first_successes_pay_for_one_retry_to_the_last_token() -> None:
    budget = empty()

    for _ in range(9):
        budget.deposit(30)
        assert not budget.withdraw(30)
    budget.deposit(30)

    assert budget.withdraw(30)
    assert budget.left == 0


def test_sums_do_not_drift_where_floats_would() -> None:
    assert sum([0.1] * 10) < 1
    budget = empty()
    for _ in range(10):
        budget.deposit(1)

    assert budget.left == 1
    assert budget.withdraw(1)


def test_nothing_that_comes_in_makes_it_hold_more_than_it_can() -> None:
    budget = RetryBudget(100)
    budget.deposit(1_000_000)
    budget.give_back(50)

    assert budget.left == 100


def test_a_failure_brings_nothing_back_so_an_outage_ends_all_retries() -> None:
    budget = RetryBudget(1_000)

    retries = sum(budget.withdraw(100) for _ in range(200))

    assert (retries, budget.left) == (10, 0)


def test_in_steady_state_retries_add_at_most_the_share_to_the_load() -> None:
    budget = empty(1_000)
    retries = 0
    for call in range(10_000):
        if call % 2 == 0:
            budget.deposit(10)
        else:
            retries += budget.withdraw(10)

    assert retries == 500  # a tenth of the 5,000 that succeeded


def test_statistics_tell_all_sums() -> None:
    budget = RetryBudget(100, 0.5)
    budget.withdraw(60)
    budget.withdraw(60)
    budget.deposit(30)
    budget.give_back(60)

    assert budget.statistics() == RetryBudgetStatistics(
        capacity=100, left=100.0, granted=1, suppressed=1, withdrawn=60, given_back=45.0, earned=15.0
    )


def wrong(*arguments: Any) -> RetryBudget:
    return RetryBudget(*arguments)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((0,), ValueError, "capacity must be >= 1, got 0"),
        ((-5,), ValueError, "capacity must be >= 1, got -5"),
        ((1.5,), TypeError, "capacity must be a whole number of tokens, got 1.5"),
        ((True,), TypeError, "capacity must be a whole number of tokens, got True"),
        ((1, -0.1), ValueError, "earns must be from 0 to 1, got -0.1"),
        ((1, 1.1), ValueError, "earns must be from 0 to 1, got 1.1"),
        ((1, math.nan), ValueError, "earns must be from 0 to 1, got nan"),
        ((1, math.inf), ValueError, "earns must be from 0 to 1, got inf"),
        ((1, True), TypeError, "earns must be a number, got True"),
        ((1, "0.1"), TypeError, "earns must be a number, got '0.1'"),
    ],
)
def test_a_budget_out_of_bounds_is_refused(
    arguments: tuple[object, ...], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=f"^{message}$"):
        wrong(*arguments)


@pytest.mark.parametrize("method", ["withdraw", "give_back", "deposit"])
@pytest.mark.parametrize("price", [0, -1, 1.0, True, None, math.nan])
def test_what_is_no_price_is_refused_and_changes_nothing(method: str, price: object) -> None:
    budget = empty()
    before = budget.statistics()

    with pytest.raises((TypeError, ValueError), match=r"^price must be "):
        getattr(budget, method)(price)

    assert budget.statistics() == before


# the machine is worth its name: each planted bug is caught


class AddsUpInFloats(RetryBudget):
    def __init__(self, capacity: int, earns: float) -> None:
        super().__init__(capacity, earns)
        self._share = Fraction(earns)  # the float next to three tenths is less than that
        self._left = capacity * self._share.denominator


class HoldsMoreThanItCan(RetryBudget):
    def _put_in(self, parts: int) -> int:
        self._left += parts
        return parts


class LendsWhatItHasNot(RetryBudget):
    def withdraw(self, price: int) -> bool:
        return super().withdraw(price) or super().withdraw(max(1, min(price, int(self.left) or 1)))


class TakesEvenWhereItRefuses(RetryBudget):
    def withdraw(self, price: int) -> bool:
        is_granted = super().withdraw(price)
        if not is_granted:
            self._left = 0
        return is_granted


class RefusesTheLastToken(RetryBudget):
    def withdraw(self, price: int) -> bool:
        if self.left == min(price, self.capacity):
            self._suppressed += 1
            return False
        return super().withdraw(price)


class RefusesPricesAboveTheCapacity(RetryBudget):
    def withdraw(self, price: int) -> bool:
        if price > self.capacity:
            self._suppressed += 1
            return False
        return super().withdraw(price)


class EarnsTheWholePrice(RetryBudget):
    def deposit(self, price: int) -> None:
        super().give_back(price)


class GivesBackTwice(RetryBudget):
    def give_back(self, price: int) -> None:
        super().give_back(price)
        super().give_back(price)


SEARCH = settings(
    max_examples=300,
    stateful_step_count=30,
    database=None,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(
    "budget_type",
    [
        AddsUpInFloats,
        HoldsMoreThanItCan,
        LendsWhatItHasNot,
        TakesEvenWhereItRefuses,
        RefusesTheLastToken,
        RefusesPricesAboveTheCapacity,
        EarnsTheWholePrice,
        GivesBackTwice,
    ],
)
def test_a_planted_bug_is_caught(budget_type: type[RetryBudget], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryBudgetMachine, "budget_type", budget_type)

    with pytest.raises(AssertionError):
        unmeasured(run_state_machine_as_test)(RetryBudgetMachine, settings=SEARCH)
