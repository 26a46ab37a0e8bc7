"""How many tokens all calls of a pool together may spend on trying again: a purse that first successes fill.

Each call decides on its own whether another attempt is worth it. When a provider is down, all of them decide alike, and
four times the load arrives where none is wanted. The purse is what they share: it begins full, a retry takes its price
out, and while nothing succeeds at the first try nothing comes in.

    withdraw(price)     a retry, a hedge or a fallback goes out       - price, or refused when there is less
    give_back(price)    it succeeded: it was worth its price          + price
    deposit(price)      a call succeeded at its first try             + earns * price
    a failure           nothing comes back

So with `earns` of a tenth, retries add at most a tenth to the load of a long outage, and none are missing while faults
are few. (botocore's retry quota, in tokens instead of calls, as a retry of a long prompt is not one unit; the filling
by first successes is Brooker's.)

It is not a rate limiter: nobody waits for it, and it knows no time. Sums are exact: ten times a tenth is one token.
"""

from __future__ import annotations

from fractions import Fraction

import attrs

from actors.policies.instants import shown

DEFAULT_CAPACITY = 100_000
"""Tokens: some fifty retries of an ordinary call of 2,000, enough for a blip and gone early in an outage."""

DEFAULT_PRICE = 2_000
"""Tokens that an attempt stands for where nobody says how many: an ordinary call, fifty of which fill the purse."""

DEFAULT_EARNS = 0.1
"""Share of its price that a first success brings in: in a long outage retries are then at most a tenth of the load."""


@attrs.frozen
class RetryBudgetStatistics:
    """A snapshot. `left` is `capacity - withdrawn + given_back + earned`, all in tokens.

    Args:
        capacity: tokens it holds at most.
        left: tokens in it.
        granted: how often tokens were withdrawn.
        suppressed: how often there were too few.
        withdrawn: tokens taken out.
        given_back: tokens that came back with a success, as far as they fitted in.
        earned: tokens that first successes brought, as far as they fitted in.
    """

    capacity: int
    left: float
    granted: int
    suppressed: int
    withdrawn: int
    given_back: float
    earned: float


def check_price(name: str, value: object) -> int:
    """Return `value` if it is a price: a whole number of tokens, at least 1.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is less than 1.
    """
    if type(value) is not int:
        raise TypeError(f"{name} must be a whole number of tokens, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {shown(value)}")
    return value


class RetryBudget:
    """The purse: begins full.

    A price above the capacity asks for all of it, so that a long prompt can be tried again at all, once, out of a full
    purse.

    Args:
        capacity: tokens it holds at most, at least 1.
        earns: share of its price that a call which succeeds at its first try brings in, from 0 to 1.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its bounds.
    """

    __slots__ = (
        "_earned",
        "_given_back",
        "_granted",
        "_left",
        "_share",
        "_suppressed",
        "_withdrawn",
        "capacity",
        "earns",
    )

    def __init__(self, capacity: int = DEFAULT_CAPACITY, earns: float = DEFAULT_EARNS) -> None:
        self.capacity = check_price("capacity", capacity)
        self.earns = _check_share("earns", earns)
        # As it is written: the float next to a tenth is not a tenth. All sums are counted in parts of its denominator.
        self._share = Fraction(repr(self.earns))
        self._left = capacity * self._share.denominator
        self._granted = self._suppressed = 0
        self._withdrawn = self._given_back = self._earned = 0

    @property
    def left(self) -> float:
        """Tokens in it."""
        return self._left / self._share.denominator

    def withdraw(self, price: int) -> bool:
        """Take out `price` tokens; return False, and take nothing, when there are fewer.

        Raises:
            TypeError, ValueError: `price` is no whole number, or less than 1.
        """
        parts = self._parts(price)
        if parts > self._left:
            self._suppressed += 1
            return False
        self._left -= parts
        self._withdrawn += parts
        self._granted += 1
        return True

    def give_back(self, price: int) -> None:
        """Put back what was withdrawn for `price`: what it paid for succeeded, or was never sent.

        Raises:
            TypeError, ValueError: `price` is no whole number, or less than 1.
        """
        self._given_back += self._put_in(self._parts(price))

    def deposit(self, price: int) -> None:
        """Put in what a call of `price` earns that succeeded at its first try.

        Raises:
            TypeError, ValueError: `price` is no whole number, or less than 1.
        """
        self._earned += self._put_in(check_price("price", price) * self._share.numerator)

    def statistics(self) -> RetryBudgetStatistics:
        """Return a snapshot."""
        unit = self._share.denominator
        return RetryBudgetStatistics(
            capacity=self.capacity,
            left=self.left,
            granted=self._granted,
            suppressed=self._suppressed,
            withdrawn=self._withdrawn // unit,
            given_back=self._given_back / unit,
            earned=self._earned / unit,
        )

    def _parts(self, price: int) -> int:
        return min(check_price("price", price), self.capacity) * self._share.denominator

    def _put_in(self, parts: int) -> int:
        """Put in `parts`, as far as they fit; return how many did."""
        fitting = min(parts, self.capacity * self._share.denominator - self._left)
        self._left += fitting
        return fitting


def _check_share(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {shown(value)}")
    return float(value)
