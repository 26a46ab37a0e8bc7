"""A retry budget against a list of everything that ever happened to it, added up anew each time."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.policies.retry.budget import RetryBudget

PRICES = st.sampled_from([1, 1, 3, 7, 10, 49, 50, 51, 1000]) | st.integers(1, 200)
SHARES = st.sampled_from(["0.0", "0.1", "0.3", "0.7", "1.0", "1e-05"])


class RetryBudgetMachine(RuleBasedStateMachine):
    """What is left is what a bookkeeper with endless paper and exact fractions finds."""

    budget_type: ClassVar[type[RetryBudget]] = RetryBudget

    @initialize(capacity=st.sampled_from([1, 10, 50, 100]), earns=SHARES)
    def begin(self, capacity: int, earns: str) -> None:
        self.budget = self.budget_type(capacity, float(earns))
        self.capacity, self.share = capacity, Fraction(earns)
        self.changes: list[Fraction] = []
        self.granted = self.suppressed = 0

    @property
    def left(self) -> Fraction:
        left = Fraction(self.capacity)
        for change in self.changes:
            left = min(Fraction(self.capacity), left + change)
        return left

    @rule(price=PRICES)
    def withdraw(self, price: int) -> None:
        needed = min(price, self.capacity)
        is_enough = needed <= self.left
        assert self.budget.withdraw(price) is is_enough
        if is_enough:
            self.changes.append(Fraction(-needed))
            self.granted += 1
        else:
            self.suppressed += 1

    @rule(price=PRICES)
    def give_back(self, price: int) -> None:
        self.budget.give_back(price)
        self.changes.append(Fraction(min(price, self.capacity)))

    @rule(price=PRICES, times=st.integers(1, 10))
    def deposit(self, price: int, times: int) -> None:
        for _ in range(times):
            self.budget.deposit(price)
            self.changes.append(price * self.share)

    @invariant()
    def what_is_left_is_what_the_bookkeeper_finds(self) -> None:
        assert self.budget.left == float(self.left)

    @invariant()
    def it_never_holds_less_than_nothing_nor_more_than_it_can(self) -> None:
        assert 0 <= self.budget.left <= self.capacity

    @invariant()
    def no_token_comes_from_nowhere(self) -> None:
        told = self.budget.statistics()
        assert (told.granted, told.suppressed) == (self.granted, self.suppressed)
        drift = told.capacity - told.withdrawn + told.given_back + told.earned - told.left
        assert abs(drift) < 1e-6
        assert min(told.withdrawn, told.given_back, told.earned) >= 0
