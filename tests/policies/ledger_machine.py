"""A ledger and its naive model side by side: the model keeps every event and counts each window by hand.

Used by the test of the ledger, which must agree with the model, and by the test of planted bugs, which must not.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import ClassVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.policies.ledger import ReservationId, SlidingWindowLedger
from actors.policies.ledger_records import AlreadySettled, Settled, Shortfall, UnknownReservation
from actors.policies.limits import Limits
from actors.policies.meter import Unknown
from actors.policies.usage import NOTHING, Usage

LIMITS = Limits(requests=4, input_tokens=12, output_tokens=8, window=10.0)
LIMIT = (4, 12, 8)
SLACK = 0.5

Amounts = tuple[int, int, int]

# Tenths and thirds, so that float sums round; whole ones, so that edges meet; more than a window.
PAUSES = st.sampled_from([0.0, 0.1, 0.2, 0.5, 1 / 3, 1.0, 4.9, 9.9, 10.0, 25.0])
USAGES = st.builds(Usage, st.integers(0, 2), st.integers(0, 6), st.integers(0, 4))
QUESTIONS = st.builds(Usage, st.integers(0, 5), st.integers(0, 13), st.integers(0, 9))


def amounts(usage: Usage) -> Amounts:
    """The three dimensions in order."""
    return (usage.requests, usage.input_tokens, usage.output_tokens)


def first_float_from(exact: Fraction) -> float:
    """The first float that is not before an exact instant."""
    nearest = float(exact)
    return nearest if Fraction(nearest) >= exact else math.nextafter(nearest, math.inf)


@attrs.define
class Call:
    """Everything that is known of one call; `counted_by` has an exact instant per dimension once it is settled."""

    usage: Usage
    granted_at: float
    actual: Usage | None = None
    counted_by: tuple[Fraction, Fraction, Fraction] = (Fraction(0), Fraction(0), Fraction(0))

    def leaves_at(self, dimension: int) -> Fraction:
        """The exact instant at which a settled amount is out of the window."""
        return self.counted_by[dimension] + Fraction(LIMITS.window)


class LedgerMachine(RuleBasedStateMachine):
    ledger_type: ClassVar[type[SlidingWindowLedger]] = SlidingWindowLedger

    def __init__(self) -> None:
        super().__init__()
        self.ledger = self.ledger_type(LIMITS, SLACK)
        self.now = 0.0
        self.calls: dict[ReservationId, Call] = {}
        self.granted = self.refunded = self.charged = NOTHING
        self.peak: Amounts = (0, 0, 0)

    # ── the model ───────────────────────────────────────────────────────────────────────────────────────────

    def held(self, dimension: int) -> int:
        return sum(amounts(call.usage)[dimension] for call in self.calls.values() if call.actual is None)

    def spent(self, dimension: int, at: float) -> int:
        return sum(
            amounts(call.actual)[dimension]
            for call in self.calls.values()
            if call.actual is not None and call.leaves_at(dimension) > at
        )

    def total(self, dimension: int, at: float) -> int:
        return self.held(dimension) + self.spent(dimension, at)

    def fits(self, usage: Usage, at: float, *, refunded: bool = False) -> bool:
        return all(
            self.total(dimension, at) - (self.held(dimension) if refunded else 0) + asked <= LIMIT[dimension]
            for dimension, asked in enumerate(amounts(usage))
        )

    def edges(self) -> list[float]:
        """The instants ahead at which something leaves, in order."""
        exact = {
            call.leaves_at(dimension)
            for call in self.calls.values()
            if call.actual is not None
            for dimension in range(3)
        }
        return sorted(first_float_from(edge) for edge in exact if edge > self.now)

    def in_flight(self) -> list[ReservationId]:
        return [reservation for reservation, call in self.calls.items() if call.actual is None]

    def settled(self) -> list[ReservationId]:
        return [reservation for reservation, call in self.calls.items() if call.actual is not None]

    def note_peak(self) -> None:
        totals = [self.total(dimension, self.now) for dimension in range(3)]
        self.peak = (max(self.peak[0], totals[0]), max(self.peak[1], totals[1]), max(self.peak[2], totals[2]))

    def note_settlement(self, call: Call, actual: Usage, outcome: Settled | AlreadySettled) -> None:
        assert isinstance(outcome, Settled)
        call.actual = actual
        assert outcome.spent == actual
        assert outcome.spent + outcome.refunded == call.usage + outcome.charged
        self.refunded += outcome.refunded
        self.charged += outcome.charged
        self.note_peak()

    # ── what can happen ─────────────────────────────────────────────────────────────────────────────────────

    @rule(seconds=PAUSES)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.edges())
    @rule(data=st.data(), is_before=st.booleans())
    def go_to_an_edge(self, data: st.DataObject, is_before: bool) -> None:
        edge = data.draw(st.sampled_from(self.edges()))
        self.now = max(self.now, math.nextafter(edge, -math.inf)) if is_before else edge

    @rule(usage=USAGES)
    def reserve(self, usage: Usage) -> None:
        outcome = self.ledger.reserve(usage, self.now)

        assert isinstance(outcome, Shortfall) is not self.fits(usage, self.now)
        if isinstance(outcome, Shortfall):
            return
        assert outcome not in self.calls
        self.calls[outcome] = Call(usage, self.now)
        self.granted += usage
        self.note_peak()
        assert all(self.total(dimension, self.now) <= LIMIT[dimension] for dimension in range(3))

    @precondition(lambda self: self.in_flight())
    @rule(
        data=st.data(),
        inputs=st.none() | st.integers(0, 9),
        outputs=st.none() | st.integers(0, 6),
        sent_after=st.none() | st.sampled_from([0.0, 0.1, 0.3, 1.0]),
    )
    def report(
        self, data: st.DataObject, inputs: int | None, outputs: int | None, sent_after: float | None
    ) -> None:
        reservation = data.draw(st.sampled_from(self.in_flight()))
        call = self.calls[reservation]
        started_at = None if sent_after is None else min(call.granted_at + sent_after, self.now)

        outcome = self.ledger.report(
            reservation, self.now, input_tokens=inputs, output_tokens=outputs, started_at=started_at
        )

        end = Fraction(self.now)
        sent_by = end if started_at is None else min(Fraction(started_at) + Fraction(SLACK), end)
        call.counted_by = (sent_by, sent_by, end)
        actual = Usage(
            call.usage.requests,
            call.usage.input_tokens if inputs is None else inputs,
            call.usage.output_tokens if outputs is None else outputs,
        )
        self.note_settlement(call, actual, outcome)

    @precondition(lambda self: self.in_flight())
    @rule(data=st.data(), charged=st.booleans())
    def cancel(self, data: st.DataObject, charged: bool) -> None:
        reservation = data.draw(st.sampled_from(self.in_flight()))
        call = self.calls[reservation]

        outcome = self.ledger.cancel(reservation, self.now, charged=charged)

        latest = Fraction(self.now) + Fraction(SLACK)
        call.counted_by = (latest, latest, latest)
        self.note_settlement(call, call.usage if charged else NOTHING, outcome)

    @precondition(lambda self: self.settled())
    @rule(data=st.data(), how=st.sampled_from(["report", "charged", "refunded"]))
    def settle_again(self, data: st.DataObject, how: str) -> None:
        reservation = data.draw(st.sampled_from(self.settled()))
        if how == "report":
            outcome = self.ledger.report(reservation, self.now, input_tokens=0, output_tokens=0)
        else:
            outcome = self.ledger.cancel(reservation, self.now, charged=how == "charged")

        assert outcome == AlreadySettled()

    @rule(ahead=st.integers(1, 3))
    def settle_what_was_never_given(self, ahead: int) -> None:
        try:
            self.ledger.cancel(ReservationId(len(self.calls) + ahead), self.now, charged=False)
        except UnknownReservation:
            return
        raise AssertionError("a foreign reservation was settled")

    @rule(usage=QUESTIONS)
    def ask_when(self, usage: Usage) -> None:
        answer = self.ledger.earliest(usage, self.now)

        instants = [self.now, *self.edges()]
        expected = next((instant for instant in instants if self.fits(usage, instant)), None)
        if any(asked > limit for asked, limit in zip(amounts(usage), LIMIT, strict=True)):
            assert answer == math.inf
        else:
            assert answer == (Unknown.UNTIL_SETTLEMENT if expected is None else expected)

    @rule(usage=QUESTIONS)
    def ask_when_at_the_earliest(self, usage: Usage) -> None:
        answer = self.ledger.earliest_if_refunded(usage, self.now)

        instants = [self.now, *self.edges(), math.inf]
        assert answer == next(
            instant for instant in instants if instant == math.inf or self.fits(usage, instant, refunded=True)
        )

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def the_running_totals_equal_a_recount(self) -> None:
        books = self.ledger.statistics(self.now)

        assert amounts(books.used) == tuple(self.spent(dimension, self.now) for dimension in range(3))
        assert amounts(books.reserved) == tuple(self.held(dimension) for dimension in range(3))
        assert books.in_flight == len(self.in_flight())
        assert amounts(books.peak) == self.peak

    @invariant()
    def the_books_verify(self) -> None:
        self.ledger.verify()

    @invariant()
    def nothing_is_credited_that_was_not_granted(self) -> None:
        spent = sum((call.actual for call in self.calls.values() if call.actual), start=NOTHING)
        reserved = self.ledger.statistics(self.now).reserved

        assert self.granted + self.charged == spent + reserved + self.refunded
