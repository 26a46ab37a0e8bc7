"""A meter and the provider it is for: what the meter granted, the provider must not refuse.

The provider counts each call at an instant of its own, anywhere from the grant to the `at + lag` that the meter is told
when the call is settled, which may be before that. Its books are naive and exact; they share nothing with the meter's.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import ClassVar, Protocol

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from actors.policies.ledger.limits import Limit
from actors.policies.ledger.meter import ALGORITHMS, Algorithm, Meter

WINDOW = 10.0
AMOUNTS = (5, 10, 11, 20)
LAGS = (0.0, 0.1, 0.5, 1 / 3, 2.0)
PAUSES = st.sampled_from([0.0, 0.1, 0.2, 0.5, 1 / 3, 1.0, 2.3, 5.1, 9.9, 10.0, 25.0])
TOKENS = st.integers(1, 6)


class Provider(Protocol):
    """Who counts, and refuses what is above its limit."""

    amount: int

    def count(self, tokens: int, now: float) -> bool:
        """Count the tokens if they fit, and say whether they did."""
        ...

    def change(self, amount: int, now: float) -> None:
        """Go on under another limit."""
        ...


@attrs.define
class StrictWindow:
    """Refuses what would be more than the limit in the window that ends with it."""

    amount: int
    counted: list[tuple[float, int]] = attrs.field(factory=list[tuple[float, int]])

    def count(self, tokens: int, now: float) -> bool:
        start = Fraction(now) - Fraction(WINDOW)
        if sum(each for instant, each in self.counted if instant > start) + tokens > self.amount:
            return False
        self.counted.append((now, tokens))
        return True

    def change(self, amount: int, now: float) -> None:
        del now
        self.amount = amount


@attrs.define
class StrictBucket:
    """Refuses what is not there: a full bucket at first, refilled all the time."""

    amount: int
    level: Fraction = attrs.field(default=Fraction(10))
    filled_at: Fraction = attrs.field(default=Fraction(0))

    def refill(self, now: float) -> None:
        passed = Fraction(now) - self.filled_at
        self.level = min(Fraction(self.amount), self.level + passed * self.amount / Fraction(WINDOW))
        self.filled_at = Fraction(now)

    def count(self, tokens: int, now: float) -> bool:
        self.refill(now)
        if self.level < tokens:
            return False
        self.level -= tokens
        return True

    def change(self, amount: int, now: float) -> None:
        """As much is missing as before, but nobody owes anything for a limit that was cut."""
        self.refill(now)
        self.level = max(Fraction(0), self.level + amount - self.amount)
        self.amount = amount


@attrs.define(eq=False)
class Call:
    """A call on its way; `is_promised` as long as nothing has been changed that its grant did not know of."""

    held: int
    actual: int
    granted_at: float
    is_promised: bool = True
    is_settled: bool = False
    counted_at: float | None = None
    is_refused: bool = False
    counted_by: Fraction | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether the provider has not met it."""
        return self.counted_at is None and not self.is_refused


class PromiseMachine(RuleBasedStateMachine):
    meter_type: ClassVar[type[Meter]] = Meter
    provider_type: ClassVar[type[StrictWindow | StrictBucket]] = StrictWindow
    algorithm: ClassVar[Algorithm] = "sliding_window"
    may_change: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.meter = self.meter_type(Limit("requests", 10, WINDOW), self.algorithm)
        self.provider: Provider = self.provider_type(10)
        self.now = 0.0
        self.cut_at = -100.0
        self.calls: list[Call] = []

    @initialize(seconds=st.sampled_from([0.1, 1 / 3, 7.0, 1000.1]))
    def start(self, seconds: float) -> None:
        self.now = seconds

    # ── the provider ────────────────────────────────────────────────────────────────────────────────────────

    def ahead(self) -> list[Call]:
        return [call for call in self.calls if call.is_ahead]

    def count(self, call: Call) -> None:
        if self.provider.count(call.actual, self.now):
            call.counted_at = self.now
            return
        assert not call.is_promised, f"{call} was refused at {self.now} by {self.provider}"
        assert not call.is_settled, "a call that is refused cannot have been settled as counted"
        call.is_refused = True

    @precondition(lambda self: self.ahead())
    @rule(data=st.data())
    def count_one(self, data: st.DataObject) -> None:
        self.count(data.draw(st.sampled_from(self.ahead())))

    # ── the meter ───────────────────────────────────────────────────────────────────────────────────────────

    def pass_until(self, instant: float) -> None:
        """Let time go on; whatever has to be counted by an instant is counted at the last float up to it."""
        due = [call for call in self.ahead() if call.counted_by is not None and call.counted_by <= instant]
        for call in sorted(due, key=lambda call: call.counted_by or Fraction(0)):
            assert call.counted_by is not None
            last = float(call.counted_by)
            last = last if Fraction(last) <= call.counted_by else math.nextafter(last, -math.inf)
            self.now = max(self.now, last)
            self.count(call)
        self.now = max(self.now, instant)

    @rule(seconds=PAUSES)
    def pass_time(self, seconds: float) -> None:
        self.pass_until(self.now + seconds)

    @rule(held=TOKENS, less=st.integers(0, 3), is_patient=st.booleans())
    def grant(self, held: int, less: int, is_patient: bool) -> None:
        if is_patient:
            instant = self.meter.earliest(held, self.now)
            if isinstance(instant, float) and instant < math.inf:
                self.pass_until(instant)
        if self.meter.lacks(held, self.now) > 0:
            return
        self.meter.hold(held)
        self.calls.append(Call(held, max(1, held - less), self.now, self.is_promised()))

    def is_promised(self) -> bool:
        """Whether what is granted now is: a window is right about a bucket that was cut only a window after that."""
        match self.meter.algorithm:
            case "token_bucket":
                return self.provider_type is StrictBucket
            case "sliding_window" if self.provider_type is StrictBucket:
                return Fraction(self.now) >= Fraction(self.cut_at) + Fraction(WINDOW)
            case _:
                return True

    @precondition(lambda self: any(not call.is_settled for call in self.calls))
    @rule(data=st.data(), lag=st.sampled_from(LAGS), back=st.sampled_from([0.0, 0.2, 1.0, 30.0]))
    def settle(self, data: st.DataObject, lag: float, back: float) -> None:
        call = data.draw(st.sampled_from([call for call in self.calls if not call.is_settled]))
        if call.is_ahead and (lag == 0.0 or not call.is_promised):
            self.count(call)  # nothing is settled as counted that may yet be refused
        call.is_settled = True
        if call.is_refused:
            self.meter.settle(call.held, 0, self.now, lag, self.now)
            return
        at = max(call.granted_at, self.now - back)
        latest = self.now if call.counted_at is None else call.counted_at
        if Fraction(at) + Fraction(lag) < latest:
            at = latest
        if call.is_ahead:
            call.counted_by = Fraction(at) + Fraction(lag)
        self.meter.settle(call.held, call.actual, at, lag, self.now)

    # ── what changes ────────────────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: self.may_change)
    @rule(algorithm=st.sampled_from(ALGORITHMS))
    def change_the_algorithm(self, algorithm: Algorithm) -> None:
        self.meter.algorithm = algorithm
        if self.provider_type is StrictWindow and algorithm == "token_bucket":
            self.break_promises()

    @precondition(lambda self: self.may_change)
    @rule(amount=st.sampled_from(AMOUNTS))
    def change_the_limit(self, amount: int) -> None:
        if amount < self.provider.amount:
            self.break_promises()
            self.cut_at = self.now
        self.provider.change(amount, self.now)
        self.meter.change_limit(Limit("requests", amount, WINDOW), self.now)

    def break_promises(self) -> None:
        """What is on its way was promised by other rules; what was settled as counted is counted before them."""
        for call in self.ahead():
            if call.is_settled:
                self.count(call)
            call.is_promised = False


class WindowAtAWindow(PromiseMachine):
    """A sliding-window meter before a strict sliding window."""


class WindowAtABucket(PromiseMachine):
    """A sliding-window meter before a bucket."""

    provider_type = StrictBucket


class BucketAtABucket(PromiseMachine):
    """A bucket meter before a bucket."""

    provider_type = StrictBucket
    algorithm = "token_bucket"


class ChangesAtAWindow(PromiseMachine):
    """Any changes before a strict sliding window."""

    may_change = True


class ChangesAtABucket(PromiseMachine):
    """Any changes before a bucket."""

    provider_type = StrictBucket
    may_change = True


MACHINES = (WindowAtAWindow, WindowAtABucket, BucketAtABucket, ChangesAtAWindow, ChangesAtABucket)
