"""A meter and its naive models side by side: a list of what was counted, and a bucket of exact fractions.

Used by the test of the meter, which must agree with the models, and by the test of planted bugs, which must not.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import ClassVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.policies.ledger.limits import Limit
from actors.policies.ledger.meter import Algorithm, Meter, Unknown

WINDOW = 10.0
AMOUNTS = (3, 7, 10, 24)
LAGS = (0.0, 0.1, 0.5, 1 / 3)

# Tenths and thirds, so that float sums round; whole ones, so that edges meet; more than a window.
PAUSES = st.sampled_from([0.0, 0.1, 0.2, 0.5, 1 / 3, 1.0, 4.9, 9.9, 10.0, 25.0])
TOKENS = st.integers(0, 8)
QUESTIONS = st.integers(0, 25)


def first_float_from(exact: Fraction) -> float:
    """The first float that is not before an exact instant."""
    nearest = float(exact)
    return nearest if Fraction(nearest) >= exact else math.nextafter(nearest, math.inf)


@attrs.define
class Part:
    """What was settled with one call of the meter."""

    amount: int
    at: float
    lag: float

    @property
    def leaves_at(self) -> Fraction:
        """The exact instant at which it is out of the window."""
        return Fraction(self.at) + Fraction(self.lag) + Fraction(WINDOW)


class MeterMachine(RuleBasedStateMachine):
    meter_type: ClassVar[type[Meter]] = Meter

    def __init__(self) -> None:
        super().__init__()
        self.meter = self.meter_type(Limit("requests", 10, WINDOW))
        self.now = 100.0
        self.amount = 10
        self.algorithm: Algorithm = "sliding_window"
        self.holds: list[int] = []
        self.parts: list[Part] = []
        self.full_at = Fraction(0)
        self.counted_by = self.grown_at = Fraction(0)
        self.peak = 0

    # ── the models ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def tokens_per_second(self) -> Fraction:
        return self.amount / Fraction(WINDOW)

    def gone(self, at: float) -> Fraction:
        """What is spent and not back at an instant."""
        if self.algorithm == "token_bucket":
            return max(Fraction(0), self.full_at - Fraction(at)) * self.tokens_per_second
        return Fraction(self.in_window(at))

    def in_window(self, at: float) -> int:
        return sum(part.amount for part in self.parts if part.leaves_at > at)

    def lacks(self, needed: int, at: float) -> int:
        return math.ceil(sum(self.holds) + self.gone(at) + needed - self.amount)

    def back_at(self, gone: int) -> float:
        """The first float from the present on at which no more than `gone` is spent and not back."""
        if gone < 0:
            return math.inf
        if self.algorithm == "token_bucket":
            return max(self.now, first_float_from(self.full_at - gone / self.tokens_per_second))
        edges = sorted(first_float_from(part.leaves_at) for part in self.parts)
        instants = [self.now, *(edge for edge in edges if edge > self.now)]
        return next(instant for instant in instants if self.gone(instant) <= gone)

    def take(self, tokens: int, at: float, lag: float) -> None:
        if tokens <= 0:
            return
        counted_by = max(Fraction(first_float_from(Fraction(at) + Fraction(lag))), self.grown_at)
        self.counted_by = max(self.counted_by, counted_by)
        self.full_at = max(self.full_at, counted_by) + tokens / self.tokens_per_second

    def note_peak(self) -> None:
        self.peak = max(self.peak, sum(self.holds) + self.in_window(self.now))

    # ── what can happen ─────────────────────────────────────────────────────────────────────────────────────

    @rule(seconds=PAUSES)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(needed=st.integers(1, 8), is_before=st.booleans())
    def go_to_the_instant_at_which_something_is_back(self, needed: int, is_before: bool) -> None:
        back = self.back_at(max(0, math.ceil(self.gone(self.now)) - needed))
        self.now = max(self.now, math.nextafter(back, -math.inf)) if is_before else back

    @rule(amount=TOKENS)
    def hold(self, amount: int) -> None:
        self.meter.hold(amount)
        self.holds.append(amount)
        self.note_peak()

    @rule(data=st.data(), actual=TOKENS, ago=PAUSES, lag=st.sampled_from(LAGS), is_held=st.booleans())
    def settle(self, data: st.DataObject, actual: int, ago: float, lag: float, is_held: bool) -> None:
        held = 0
        if is_held and self.holds:
            held = self.holds.pop(data.draw(st.integers(0, len(self.holds) - 1)))
        at = self.now - ago

        self.meter.settle(held, actual, at, lag, self.now)

        self.parts.append(Part(actual, at, lag))
        self.take(actual, at, lag)
        self.note_peak()

    @precondition(lambda self: self.parts)
    @rule(data=st.data(), after=TOKENS)
    def amend(self, data: st.DataObject, after: int) -> None:
        part = data.draw(st.sampled_from(self.parts))

        self.meter.amend(part.amount, after, part.at, part.lag, self.now)

        self.take(after - part.amount, part.at, part.lag)
        part.amount = after
        self.note_peak()

    @rule(algorithm=st.sampled_from(("sliding_window", "token_bucket")))
    def change_the_algorithm(self, algorithm: Algorithm) -> None:
        self.meter.algorithm = self.algorithm = algorithm

    @rule(amount=st.sampled_from(AMOUNTS))
    def change_the_limit(self, amount: int) -> None:
        self.meter.change_limit(Limit("requests", amount, WINDOW), self.now)

        now, start, before = Fraction(self.now), Fraction(self.now), self.amount
        last = max(now, self.counted_by)
        debt = max(Fraction(0), (self.full_at - last) * self.tokens_per_second - before)
        latest = last + (1 + min(Fraction(1), debt / amount)) * Fraction(WINDOW)
        if amount > self.amount:
            self.grown_at = now
            start = max(now, self.counted_by)
        is_missing = self.full_at > start
        self.full_at = start + (self.full_at - start) * before / amount if is_missing else self.full_at
        if amount < before:
            self.full_at = min(self.full_at, latest)
        self.amount = amount
        if self.full_at > 0:
            self.adopt_the_rounding()

    def adopt_the_rounding(self) -> None:
        """A changed bucket starts at a float: at most two late, never early, and exact from there on."""
        bucket = self.meter._bucket
        assert bucket._full_until > -math.inf
        exact = Fraction(bucket._full_until) + bucket._taken / self.tokens_per_second
        assert self.full_at <= exact <= self.full_at + Fraction(2 * math.ulp(self.now + 1))
        self.full_at, self.counted_by = exact, max(self.counted_by, Fraction(bucket._full_until))

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────

    @rule(needed=QUESTIONS)
    def ask_when(self, needed: int) -> None:
        answer = self.meter.earliest(needed, self.now)

        if self.lacks(needed, self.now) <= 0:
            assert answer == self.now
        elif needed > self.amount:
            assert answer == math.inf
        else:
            expected = self.back_at(self.amount - needed - sum(self.holds))
            assert answer == (Unknown.UNTIL_SETTLEMENT if expected == math.inf else expected)

    @rule(needed=QUESTIONS)
    def ask_when_at_the_earliest(self, needed: int) -> None:
        answer = self.meter.earliest_if_refunded(needed, self.now)

        assert answer == (math.inf if needed > self.amount else self.back_at(self.amount - needed))

    @invariant()
    def what_is_lacking_is_what_the_models_lack(self) -> None:
        for needed in (0, 1, 7, 11):
            assert self.meter.lacks(needed, self.now) == self.lacks(needed, self.now)

    @invariant()
    def the_books_are_those_of_the_models(self) -> None:
        self.meter.expire(self.now)

        assert self.meter.held == sum(self.holds)
        assert self.meter.spent.total == self.in_window(self.now)
        assert self.meter.peak == self.peak
        share = (sum(self.holds) + self.gone(self.now)) / self.amount
        assert math.isclose(self.meter.share(self.now), share, rel_tol=1e-12, abs_tol=1e-12)

    @invariant()
    def the_books_are_faultless(self) -> None:
        self.meter.expire(self.now)
        latest = first_float_from(Fraction(self.now) + Fraction(0.5) + Fraction(WINDOW))
        assert list(self.meter.faults(sum(self.holds), self.now, latest)) == []
