"""A ledger and its naive model side by side: the model keeps every event and counts everything by hand.

Used by the test of the ledger, which must agree with the model, and by the test of planted bugs, which must not.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from naive_ledger import NaiveLedger

from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.limits import Limit, Limits
from actors.policies.ledger.meter import Algorithm
from actors.policies.ledger.records import (
    AlreadySettled,
    Confirmed,
    ReservationId,
    Shortfall,
    UnknownReservation,
)
from actors.policies.scope import POOL, Scope
from actors.policies.usage import NOTHING, Usage

WINDOW = 10.0
LIMITS = Limits(
    requests=4,
    input_tokens=12,
    output_tokens=8,
    window=WINDOW,
    further=(Limit("requests", 2, 1.0), Limit("total_tokens", 30, 40.0)),
)
# Larger and smaller ones, one with a limit more, one with fewer.
OTHER_LIMITS = (
    LIMITS,
    Limits(requests=7, input_tokens=20, output_tokens=9, window=WINDOW, further=LIMITS.further),
    Limits(
        requests=2, input_tokens=5, output_tokens=8, window=WINDOW, further=(Limit("total_tokens", 11, 40.0),)
    ),
    Limits(requests=4, input_tokens=12, output_tokens=8, window=WINDOW, further=(Limit("requests", 3, 5.0),)),
    Limits(
        requests=4,
        input_tokens=12,
        output_tokens=None,
        window=WINDOW,
        further=(Limit("input_tokens", 25, 40.0),),
    ),
)
KINDS = {
    "key": Limits(requests=3, input_tokens=None, output_tokens=5, window=WINDOW),
    "team": Limits(requests=None, input_tokens=10, output_tokens=None, window=5.0),
}
SCOPES = (
    (POOL,),
    (POOL, Scope("key", "a")),
    (POOL, Scope("key", "b"), Scope("team", "t")),
    (POOL, Scope("key", "a"), Scope("team", "t")),
)
SLACK = 0.5
PATIENCE = 15.0

# Tenths and thirds, so that float sums round; whole ones, so that edges meet; more than a window.
PAUSES = st.sampled_from([0.0, 0.1, 0.2, 0.5, 1 / 3, 1.0, 4.9, 9.9, 10.0, 15.0, 25.0])
HELD = st.builds(Usage, st.integers(0, 2), st.integers(0, 6), st.integers(0, 4))
OUTPUTS = st.sampled_from([0, 0, 1, 3])
QUESTIONS = st.builds(Usage, st.integers(0, 5), st.integers(0, 13), st.integers(0, 9))
SENT_AFTER = st.none() | st.sampled_from([0.0, 0.1, 0.3, 1.0, 3.0])
ACTUAL_INPUT = st.none() | st.integers(0, 9)
ACTUAL_OUTPUT = st.none() | st.integers(0, 6)


def booking(held: Usage, more: int, ripens: int, unseen: int) -> Booking:
    """What is held, some more output that has to be free, and what is held of it later; it may be twice as much."""
    later = held.output_tokens + ripens if ripens else 0
    return Booking(
        held, held + Usage(0, 0, max(more, ripens)), later, 2 * later, unseen=unseen, foreseen=2 * later
    )


BOOKINGS = st.builds(booking, HELD, OUTPUTS, OUTPUTS, OUTPUTS)


class LedgerMachine(RuleBasedStateMachine):
    ledger_type: ClassVar[type[Ledger]] = Ledger

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.references: set[int] = set()
        self.promised = self.refunded = self.charged = NOTHING
        self.must_be_freed: set[Scope] = set()

    @initialize(
        algorithm=st.sampled_from(("sliding_window", "token_bucket")), quickest=st.sampled_from([0.0, 4.9])
    )
    def begin(self, algorithm: Algorithm, quickest: float) -> None:
        self.quickest = quickest
        self.ledger = self.ledger_type(LIMITS, SLACK, KINDS, algorithm, PATIENCE)
        self.model = NaiveLedger(LIMITS, dict(KINDS), SLACK, PATIENCE, algorithm)
        if quickest:
            self.hear_a_slow_answer(quickest)

    def hear_a_slow_answer(self, seconds: float) -> None:
        """Let the ledger know how quick answers are, by a short one to a call of which nothing was held."""
        nothing = Booking.plain(NOTHING)
        number = self.ledger.reserve(nothing, (POOL,), self.now)
        assert not isinstance(number, Shortfall)
        self.model.reserve(number, nothing, (POOL,))
        started_at = self.now
        self.go_to(started_at + seconds)
        self.ledger.report(number, self.now, input_tokens=0, output_tokens=2, started_at=started_at)
        self.model.report(number, 0, 2, started_at)

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────

    def go_to(self, now: float) -> None:
        self.now = now
        self.model.advance(now)

    @rule(seconds=PAUSES)
    def pass_time(self, seconds: float) -> None:
        self.go_to(self.now + seconds)
        self.ledger.expire(self.now)
        self.ledger.verify()  # a crash before anybody has asked for anything

    @rule(asked=QUESTIONS, scopes=st.sampled_from(SCOPES), is_before=st.booleans())
    def go_to_the_instant_at_which_something_fits(
        self, asked: Usage, scopes: tuple[Scope, ...], is_before: bool
    ) -> None:
        short = self.model.shortfall(Booking.plain(asked), scopes)
        if short is not None and isinstance(short.available_at, float) and short.available_at < math.inf:
            instant = short.available_at
            self.go_to(max(self.now, math.nextafter(instant, -math.inf)) if is_before else instant)

    @precondition(lambda self: 0 < self.model.quickest < math.inf)
    @rule(data=st.data(), is_before=st.booleans())
    def go_to_the_instant_at_which_output_is_ripe(self, data: st.DataObject, is_before: bool) -> None:
        certain = max(0.0, self.model.quickest - 3 * SLACK)
        ripe_at = [call.granted_at + certain for call in self.model.calls.values() if not call.is_settled]
        ahead = sorted(instant for instant in ripe_at if instant >= self.now)
        if ahead:
            instant = data.draw(st.sampled_from(ahead))
            self.go_to(instant if is_before else math.nextafter(instant, math.inf))

    # ── calls ───────────────────────────────────────────────────────────────────────────────────────────────

    def draw(self, data: st.DataObject, *, is_settled: bool) -> ReservationId:
        numbers = [number for number, call in self.model.calls.items() if call.is_settled is is_settled]
        return ReservationId(data.draw(st.sampled_from(numbers)))

    @rule(booking=BOOKINGS, scopes=st.sampled_from(SCOPES))
    def reserve(self, booking: Booking, scopes: tuple[Scope, ...]) -> None:
        expected = self.model.shortfall(booking, scopes)

        outcome = self.ledger.reserve(booking, scopes, self.now)

        if expected is not None:
            assert outcome == expected
            return
        assert not isinstance(outcome, Shortfall)
        assert outcome == len(self.model.calls) + 1
        self.model.reserve(outcome, booking, scopes)

    @precondition(lambda self: self.model.in_flight())
    @rule(data=st.data(), sent_after=st.sampled_from([0.0, 0.1, 0.3, 1.0, 3.0]))
    def confirm(self, data: st.DataObject, sent_after: float) -> None:
        number = self.draw(data, is_settled=False)
        call = self.model.calls[number]
        started_at = min(call.granted_at + sent_after, self.now)
        arrived = call.arrived

        outcome = self.ledger.confirm(number, self.now, started_at=started_at)

        self.model.confirm(number, started_at)
        if arrived is None:
            self.must_be_freed.update(call.scopes)
        assert call.arrived is not None
        assert outcome == Confirmed(call.arrived.leaves_at(self.model.limits.window))

    @precondition(lambda self: self.model.in_flight())
    @rule(
        data=st.data(),
        inputs=ACTUAL_INPUT,
        outputs=ACTUAL_OUTPUT,
        sent_after=SENT_AFTER,
        heard_after=SENT_AFTER,
    )
    def report(
        self,
        data: st.DataObject,
        inputs: int | None,
        outputs: int | None,
        sent_after: float | None,
        heard_after: float | None,
    ) -> None:
        number = self.draw(data, is_settled=False)
        granted_at = self.model.calls[number].granted_at
        started_at = None if sent_after is None else min(granted_at + sent_after, self.now)
        heard_at = None if heard_after is None else min((started_at or granted_at) + heard_after, self.now)
        self.end(number, inputs, outputs, started_at, heard_at)

    @rule(
        booking=BOOKINGS,
        scopes=st.sampled_from(SCOPES),
        took=st.sampled_from([1.0, 4.9, 9.9]),
        inputs=st.integers(1, 9),
        outputs=st.integers(1, 6),
    )
    def make_a_call(
        self, booking: Booking, scopes: tuple[Scope, ...], took: float, inputs: int, outputs: int
    ) -> None:
        """One from its grant to its report, and on to where its start has left the window and its end has not."""
        number = ReservationId(len(self.model.calls) + 1)
        self.reserve(booking, scopes)
        if number not in self.model.calls:
            return
        started_at = self.now
        self.pass_time(took)
        self.end(number, inputs, outputs, started_at)
        self.pass_time(WINDOW + SLACK - took / 2)

    def end(
        self,
        number: ReservationId,
        inputs: int | None,
        outputs: int | None,
        started_at: float | None,
        heard_at: float | None = None,
    ) -> None:
        call = self.model.calls[number]
        if started_at is not None and self.now - started_at < self.quickest:
            started_at = None  # in a world of slow answers only those are timed that are

        outcome = self.ledger.report(
            number,
            self.now,
            input_tokens=inputs,
            output_tokens=outputs,
            started_at=started_at,
            heard_at=heard_at,
        )

        assert outcome == self.model.report(number, inputs, outputs, started_at, heard_at)
        self.must_be_freed.update(call.scopes)

    @precondition(lambda self: self.model.in_flight())
    @rule(data=st.data(), how=st.sampled_from(["charged", "refunded", "release"]))
    def cancel(self, data: st.DataObject, how: str) -> None:
        number = self.draw(data, is_settled=False)
        call = self.model.calls[number]
        charged = how == "charged" or (how == "release" and call.arrived is not None)

        if how == "release":
            outcome = self.ledger.release(number, self.now)
        else:
            outcome = self.ledger.cancel(number, self.now, charged=charged)

        assert outcome == self.model.cancel(number, charged=charged)
        self.must_be_freed.update(call.scopes)

    @precondition(lambda self: self.begun())
    @rule(data=st.data())
    def release_what_has_begun(self, data: st.DataObject) -> None:
        number = ReservationId(data.draw(st.sampled_from(self.begun())))

        assert self.ledger.release(number, self.now) == self.model.cancel(number, charged=True)

    def begun(self) -> list[int]:
        """Those under way that were confirmed."""
        return [number for number in self.model.in_flight() if self.model.calls[number].arrived is not None]

    @precondition(lambda self: self.model.in_flight())
    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        number = self.draw(data, is_settled=False)

        self.ledger.detach(number, self.now)

        call = self.model.calls[number]
        call.expires_at = min(call.expires_at, self.now + PATIENCE)

    @precondition(lambda self: self.detached())
    @rule(data=st.data(), seconds=st.sampled_from([0.5, 1 / 3, 5.0]))
    def hand_on_again(self, data: st.DataObject, seconds: float) -> None:
        number = ReservationId(data.draw(st.sampled_from(self.detached())))
        self.go_to(self.now + seconds)

        self.ledger.detach(number, self.now)

    def detached(self) -> list[int]:
        """Those under way that were handed on."""
        return [number for number in self.model.in_flight() if self.model.calls[number].expires_at < math.inf]

    @precondition(lambda self: self.detached())
    @rule(
        data=st.data(),
        how=st.sampled_from(["report", "charged", "refunded", "release", "confirm"]),
        inputs=ACTUAL_INPUT,
        outputs=ACTUAL_OUTPUT,
    )
    def come_at_the_very_end(
        self, data: st.DataObject, how: str, inputs: int | None, outputs: int | None
    ) -> None:
        """The first verb at the instant at which an orphan is given up is about that orphan: it comes too late."""
        number = ReservationId(data.draw(st.sampled_from(self.detached())))
        self.go_to(max(self.now, self.model.calls[number].expires_at))
        self.settle_what_is_settled(number, how, inputs, outputs)

    @precondition(lambda self: any(call.is_settled for call in self.model.calls.values()))
    @rule(
        data=st.data(),
        how=st.sampled_from(["report", "charged", "refunded", "release", "confirm", "detach"]),
        inputs=ACTUAL_INPUT,
        outputs=ACTUAL_OUTPUT,
    )
    def settle_again(self, data: st.DataObject, how: str, inputs: int | None, outputs: int | None) -> None:
        self.settle_what_is_settled(self.draw(data, is_settled=True), how, inputs, outputs)

    def settle_what_is_settled(
        self, number: ReservationId, how: str, inputs: int | None, outputs: int | None
    ) -> None:
        if how == "report":
            outcome = self.ledger.report(number, self.now, input_tokens=inputs, output_tokens=outputs)
            assert outcome == (self.model.report_late(number, inputs, outputs) or AlreadySettled())
        elif how == "confirm":
            granted_at = self.model.calls[number].granted_at
            assert self.ledger.confirm(number, self.now, started_at=granted_at) == AlreadySettled()
        elif how == "detach":
            self.ledger.detach(number, self.now)
        elif how == "release":
            assert self.ledger.release(number, self.now) == AlreadySettled()
        else:
            assert self.ledger.cancel(number, self.now, charged=how == "charged") == AlreadySettled()

    @rule(ahead=st.integers(1, 3))
    def settle_what_was_never_given(self, ahead: int) -> None:
        try:
            self.ledger.cancel(ReservationId(len(self.model.calls) + ahead), self.now, charged=False)
        except UnknownReservation:
            return
        raise AssertionError("a foreign reservation was settled")

    # ── what others do ──────────────────────────────────────────────────────────────────────────────────────

    @rule(
        usage=HELD,
        scopes=st.sampled_from(SCOPES),
        ago=st.none() | PAUSES,
        reference=st.none() | st.integers(1, 3),
    )
    def charge(
        self, usage: Usage, scopes: tuple[Scope, ...], ago: float | None, reference: int | None
    ) -> None:
        started_at = None if ago is None else self.now - ago

        outcome = self.ledger.charge(
            usage, self.now, started_at=started_at, reference=reference, scopes=scopes
        )

        assert isinstance(outcome, AlreadySettled) is (reference in self.references)
        if reference in self.references:
            return
        if reference is not None:
            self.references.add(reference)
        self.model.charge(usage, scopes, started_at)

    @rule(data=st.data(), amount=st.integers(1, 6), leaves_in=st.sampled_from([0.5, 1 / 3, 5.0, 60.0]))
    def charge_others(self, data: st.DataObject, amount: int, leaves_in: float) -> None:
        limit = data.draw(st.sampled_from(self.model.limits.each))
        leaves_at = self.now + leaves_in

        self.ledger.charge_others(limit.quantity, limit.window, amount, self.now, leaves_at=leaves_at)

        self.model.charge_others(limit.quantity, limit.window, amount, leaves_at)

    @rule(limits=st.sampled_from(OTHER_LIMITS))
    def change_the_limits(self, limits: Limits) -> None:
        self.ledger.change_limits(limits, self.now)

        self.model.change_limits(limits)
        self.must_be_freed.add(POOL)
        self.adopt_the_rounding()

    def adopt_the_rounding(self) -> None:
        """A changed bucket starts at a float: at most two late, never early, and exact from there on."""
        for meter, books in zip(self.ledger._accounts.pool.meters, self.model.of(POOL), strict=True):
            bucket = meter._bucket
            if bucket._full_until == -math.inf:
                assert books.full_at < 0
                continue
            exact = Fraction(bucket._full_until) + bucket._taken / books.per_second
            assert books.full_at <= exact <= books.full_at + Fraction(2 * math.ulp(abs(self.now) + 100))
            books.full_at = exact
            books.counted_by = max(books.counted_by, Fraction(bucket._full_until))

    @rule(algorithm=st.sampled_from(("sliding_window", "token_bucket")))
    def change_the_algorithm(self, algorithm: Algorithm) -> None:
        self.ledger.change_algorithm(algorithm, self.now)

        self.model.algorithm = algorithm
        self.must_be_freed.add(POOL)

    # ── questions ───────────────────────────────────────────────────────────────────────────────────────────

    @rule(usage=QUESTIONS, scopes=st.sampled_from(SCOPES))
    def ask_when(self, usage: Usage, scopes: tuple[Scope, ...]) -> None:
        asked = Booking.plain(usage)
        expected = self.model.shortfall(asked, scopes)

        assert self.ledger.shortfall(asked, scopes, self.now) == expected
        earliest = self.ledger.earliest(asked, scopes, self.now)
        assert earliest == (self.now if expected is None else expected.available_at)

    @rule(usage=QUESTIONS, scopes=st.sampled_from(SCOPES))
    def ask_when_at_the_earliest(self, usage: Usage, scopes: tuple[Scope, ...]) -> None:
        asked = Booking.plain(usage)
        expected = self.model.earliest_if_refunded(asked, scopes)

        assert self.ledger.earliest_if_refunded(asked, scopes, self.now) == expected
        never = self.ledger.exceeded_by(asked, scopes)
        assert (never is not None) is (expected == math.inf)

    @rule()
    def ask_what_was_freed(self) -> None:
        freed = self.ledger.take_freed()

        assert self.must_be_freed <= set(freed)
        assert self.ledger.take_freed() == ()
        self.must_be_freed.clear()

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def idle_scopes_alone_are_dropped(self) -> None:
        for scope in set(self.model.books) - set(self.ledger.scopes):
            self.model.drop(scope)

    @invariant()
    def the_books_equal_a_recount(self) -> None:
        books = self.ledger.statistics(self.now)

        assert books.in_flight == len(self.model.in_flight())
        assert books.expired == self.model.expired
        for scope in self.ledger.scopes:
            seen = self.ledger.scope_statistics(scope, self.now)
            assert seen.in_flight == len(self.model.in_flight(scope))
            algorithm = self.model.algorithm_of(scope)
            assert seen.algorithm == algorithm
            for each, naive in zip(seen.each, self.model.of(scope), strict=True):
                held = self.model.held(scope, naive)
                assert each.limit == naive.limit
                assert (each.used, each.reserved) == (naive.in_window(self.now), held)
                assert each.peak == naive.peak
                share = (held + naive.gone(self.now, algorithm)) / naive.limit.amount
                assert math.isclose(each.utilization, share, rel_tol=1e-9, abs_tol=1e-9)

    @invariant()
    def those_under_way_are_known(self) -> None:
        assert self.ledger.in_flight == tuple(self.model.in_flight())
        assert self.ledger.overdue(self.now) == self.model.overdue()
        assert self.ledger.in_doubt == len(self.model.unseen)
        ends = [self.model.calls[number].expires_at for number in self.model.in_flight()]
        assert self.ledger.next_expiry == min(ends, default=math.inf)

    @invariant()
    def the_books_verify(self) -> None:
        self.ledger.verify()
