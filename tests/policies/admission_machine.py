"""A queue and a naive list of who waits: every ticket comes to one end, in order, and never after its deadline."""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.errors import NeverFits, QueueFull, Rejected, WaitTooLong
from actors.policies.admission import AdmissionQueue
from actors.policies.admission_records import Granted, NotWaiting, Place, Queued, Ticket, TimedOut, Withdrawn
from actors.policies.ledger import ReservationId, SlidingWindowLedger
from actors.policies.ledger_records import Shortfall
from actors.policies.limits import Limits
from actors.policies.meter import Unknown
from actors.policies.usage import NOTHING, Usage

LIMITS = Limits(requests=4, input_tokens=8, output_tokens=None, window=10.0)
MAX_WAITING = 4

PAUSES = st.sampled_from([0.0, 0.1, 0.5, 1 / 3, 2.0, 9.9, 10.0])
# Small ones often, so that calls under way and spent amounts stand side by side; a few that never fit.
USAGES = st.builds(Usage, st.sampled_from([1, 1, 1, 2, 0, 3, 5]), st.sampled_from([0, 1, 2, 3, 5, 8, 9]))
PATIENCE = st.sampled_from([math.inf, 30.0, 10.5, 10.0, 9.9, 5.0, 1.0, 0.1, 0.0, -1.0])


@attrs.frozen
class Asker:
    ticket: Ticket
    usage: Usage
    since: float
    deadline: float


class AdmissionMachine(RuleBasedStateMachine):
    ledger_type: ClassVar[type[SlidingWindowLedger]] = SlidingWindowLedger
    queue_type: ClassVar[type[AdmissionQueue]] = AdmissionQueue

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.line: list[Asker] = []
        self.under_way: list[ReservationId] = []
        self.fates: dict[Ticket, str] = {}
        self.refused: dict[type[Rejected], int] = {NeverFits: 0, WaitTooLong: 0, QueueFull: 0}
        self.requests = 0

        self.ledger = self.ledger_type(LIMITS, 0.5)
        self.queue = self.queue_type(self.ledger, MAX_WAITING)

    # ── the model ───────────────────────────────────────────────────────────────────────────────────────────

    def end(self, ticket: Ticket, fate: str) -> None:
        assert ticket not in self.fates, "a ticket came to two ends"
        self.fates[ticket] = fate

    def note_grant(self, granted: Granted, asker: Asker) -> None:
        assert granted.ticket == asker.ticket
        assert granted.usage == asker.usage
        assert granted.waited == self.now - asker.since
        is_in_time = self.now < asker.deadline or (self.now == asker.deadline and asker.since == self.now)
        assert is_in_time, "a grant to one who waited until its deadline, or after it"
        self.end(granted.ticket, "granted")
        self.under_way.append(granted.reservation)

    def note_time_out(self, timed_out: TimedOut) -> None:
        asker = next((asker for asker in self.line if asker.ticket == timed_out.ticket), None)
        assert asker is not None, "a time-out of nobody"
        assert asker.deadline <= self.now, "a time-out before its deadline"
        assert timed_out.retry_at >= self.now
        self.line.remove(asker)
        self.end(timed_out.ticket, "timed_out")

    def advance_now(self) -> None:
        due = [asker.ticket for asker in self.line if asker.deadline <= self.now]
        decisions = self.queue.advance(self.now)
        assert {decision.ticket for decision in decisions if isinstance(decision, TimedOut)} == set(due)
        for decision in decisions:
            if isinstance(decision, TimedOut):
                self.note_time_out(decision)
            else:
                assert self.line, "a grant to nobody"
                self.note_grant(decision, self.line.pop(0))
        # The head does not fit, or it would have been granted.
        assert not self.line or self.ledger.shortfall(self.line[0].usage, self.now) is not None
        assert self.queue.next_deadline(self.now) > self.now

    # ── what can happen ─────────────────────────────────────────────────────────────────────────────────────

    @rule(asks=st.lists(st.tuples(USAGES, PATIENCE), min_size=1, max_size=3))
    def request(self, asks: list[tuple[Usage, float]]) -> None:
        for usage, patience in asks:
            self.request_one(usage, patience)

    def request_one(self, usage: Usage, patience: float) -> None:
        self.requests += 1
        deadline = self.now + patience
        possible_at = self.ledger.earliest_if_refunded(usage, self.now)
        fits = not self.line and self.ledger.shortfall(usage, self.now) is None
        try:
            outcome = self.queue.request(usage, self.now, deadline)
        except Rejected as refusal:
            self.refused[type(refusal)] += 1
            expected: dict[type[Rejected], bool] = {
                NeverFits: usage.requests > 4 or usage.input_tokens > 8,
                WaitTooLong: deadline <= possible_at == refusal.retry_at and not (fits and patience == 0),
                QueueFull: not fits and len(self.line) == MAX_WAITING,
            }
            if not expected[type(refusal)]:
                raise AssertionError("refused without reason") from refusal
            return
        asker = Asker(outcome.ticket, usage, self.now, deadline)
        assert deadline > max(self.now, possible_at) or (fits and patience == 0)
        if isinstance(outcome, Granted):
            assert fits, "a newcomer passed those who wait"
            self.note_grant(outcome, asker)
        else:
            assert not fits
            self.line.append(asker)
            assert len(self.line) <= MAX_WAITING
            assert outcome == Queued(asker.ticket, position=len(self.line))

    @rule()
    def advance(self) -> None:
        self.advance_now()

    @rule(seconds=PAUSES)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.line)
    @rule()
    def go_to_the_next_deadline(self) -> None:
        instant = self.queue.next_deadline(self.now)
        if instant < math.inf:
            self.now = max(self.now, instant)
            before = len(self.line)
            self.advance_now()
            assert len(self.line) < before, "the one timer fired for nothing"

    @precondition(lambda self: self.line)
    @rule()
    def nothing_happens_before_the_next_deadline(self) -> None:
        self.advance_now()
        instant = self.queue.next_deadline(self.now)
        just_before = math.nextafter(min(instant, self.now + 100.0), -math.inf)
        if just_before > self.now:
            self.now = just_before
            assert self.queue.advance(self.now) == ()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["used", "less", "more", "charged", "refunded"]))
    def settle(self, data: st.DataObject, how: str) -> None:
        reservation = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(reservation)
        self.settle_one(reservation, how)

    def settle_one(self, reservation: ReservationId, how: str) -> None:
        match how:
            case "charged" | "refunded":
                self.ledger.cancel(reservation, self.now, charged=how == "charged")
            case _:
                tokens = {"used": None, "less": 0, "more": 9}[how]
                self.ledger.report(reservation, self.now, input_tokens=tokens, output_tokens=0)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        asker = data.draw(st.sampled_from(self.line))

        outcome = self.queue.withdraw(asker.ticket, self.now)

        assert outcome == Withdrawn(asker.ticket, waited=self.now - asker.since)
        self.line.remove(asker)
        self.end(asker.ticket, "withdrawn")

    @precondition(lambda self: self.fates)
    @rule(data=st.data())
    def withdraw_what_has_ended(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.fates)))

        assert self.queue.withdraw(ticket, self.now) == NotWaiting(ticket)

    @precondition(lambda self: self.line)
    @rule(seconds=PAUSES)
    def crash(self, seconds: float) -> None:
        """Lose the queue, and let those in line stand in another one over the same ledger."""
        self.now += seconds
        stood, self.line, self.fates, self.requests = self.line, [], {}, 0
        self.refused = dict.fromkeys(self.refused, 0)
        self.queue = self.queue_type(self.ledger, MAX_WAITING)
        for asker in stood:
            self.rejoin(asker)

    def rejoin(self, asker: Asker) -> None:
        fits = not self.line and self.ledger.shortfall(asker.usage, self.now) is None
        self.requests += 1

        outcome = self.queue.rejoin(asker.usage, self.now, asker.deadline, asker.since)

        returned = attrs.evolve(asker, ticket=outcome.ticket)
        if isinstance(outcome, TimedOut):
            assert asker.deadline <= self.now, "a time-out before its deadline"
            assert outcome.waited == self.now - asker.since
            self.end(outcome.ticket, "timed_out")
        elif isinstance(outcome, Granted):
            assert fits, "somebody passed those who stood before"
            self.note_grant(outcome, returned)
        else:
            assert not fits
            self.line.append(returned)
            assert outcome == Queued(outcome.ticket, position=len(self.line))

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        asker = data.draw(st.sampled_from(self.line))

        place = self.queue.inspect(asker.ticket, self.now)

        assert isinstance(place, Place)
        assert place.position == self.line.index(asker) + 1
        together = sum((other.usage for other in self.line[: place.position]), start=NOTHING)
        turn = self.ledger.earliest(together, self.now)
        if isinstance(turn, Unknown) or turn == math.inf:
            assert place.expected_wait is Unknown.UNTIL_SETTLEMENT
        else:
            assert place.expected_wait == turn - self.now

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def no_ticket_is_lost(self) -> None:
        books = self.queue.statistics(self.now)
        ends = list(self.fates.values())

        assert books.waiting == len(self.line)
        assert (books.granted, books.timed_out, books.withdrawn) == (
            ends.count("granted"),
            ends.count("timed_out"),
            ends.count("withdrawn"),
        )
        refused = (books.refused_never_fits, books.refused_wait_too_long, books.refused_queue_full)
        assert refused == tuple(self.refused.values())
        assert self.requests == books.waiting + len(ends) + sum(refused)
        assert books.oldest_wait == (self.now - self.line[0].since if self.line else 0.0)

    @invariant()
    def calls_under_way_are_the_granted_ones(self) -> None:
        assert self.ledger.statistics(self.now).in_flight == len(self.under_way)

    def teardown(self) -> None:
        """Liveness: with nothing but the one timer and the settling of calls, everything ends."""
        for _ in range(4 * MAX_WAITING + 4):
            if not self.line:
                break
            self.advance_now()
            while self.under_way:
                self.settle_one(self.under_way.pop(), "used")
            instant = self.queue.next_deadline(self.now)
            assert instant < math.inf or not self.line, "somebody waits and nothing will ever happen"
            self.now = max(self.now, min(instant, self.now + 1e6))
        assert not self.line, "somebody waits for ever"
        assert not isinstance(self.ledger.shortfall(NOTHING, self.now + 100.0), Shortfall)
