"""The queue of one scope and a naive list: the same ends, in the same order, at the same instants."""

from __future__ import annotations

import math
from collections import Counter
from typing import ClassVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from naive_line import Asker, NaiveLine
from queue_world import WINDOW, PlainBook, PlainGate

from actors.errors import NeverFits, QueueFull, Rejected, WaitTooLong
from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.records import ReservationId
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.records import (
    Granted,
    NotWaiting,
    Order,
    Outgrown,
    Place,
    Queued,
    Ticket,
    TimedOut,
    Withdrawn,
)
from actors.policies.scope import POOL
from actors.policies.usage import Usage

MAX_WAITING = 10
MAX_OVERTAKES = 2
WEIGHTS = {"b": 2.0, "c": 0.5}

PAUSES = st.sampled_from([0.0, 0.1, 0.5, 1 / 3, 2.0, 9.9, 10.0])
CLAIMS = st.builds(
    Claim,
    st.builds(Usage, st.sampled_from([1, 1, 1, 2, 3, 4, 5, 0])),
    tenant=st.sampled_from(["a", "a", "b", "c"]),
    priority=st.sampled_from([0, 0, 1]),
)
CROWDS = ["aaaaaaaa", "aaaaaaaa", "bbbb", "cccc", "abcabc", "abababab", "cccaaa"]
PATIENCE = st.sampled_from([math.inf, math.inf, 30.0, 10.5, 10.0, 9.9, 5.0, 0.1, 0.0, -1.0])


class AdmissionMachine(RuleBasedStateMachine):
    queue_type: ClassVar[type[AdmissionQueue]] = AdmissionQueue

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.book = PlainBook({POOL: 4})
        self.gate = PlainGate()
        self.under_way: dict[ReservationId, Granted] = {}
        self.retries: list[tuple[Claim, Order]] = []
        self.begin()

    def begin(self) -> None:
        self.model = NaiveLine(self.book, self.gate, WEIGHTS, MAX_OVERTAKES)
        self.queue = self.queue_type(
            self.book, MAX_WAITING, gate=self.gate, weights=WEIGHTS, max_overtakes=MAX_OVERTAKES
        )
        self.tickets = 0
        self.fates: dict[Ticket, str] = {}
        self.refused: Counter[type[Rejected]] = Counter()
        self.tenants: Counter[str] = Counter()

    # ── the ends ────────────────────────────────────────────────────────────────────────────────────────────

    def end(self, ticket: Ticket, fate: str) -> None:
        assert ticket not in self.fates, "a ticket came to two ends"
        self.fates[ticket] = fate

    def note_grant(self, granted: Granted, asker: Asker) -> None:
        expected = Granted(
            asker.ticket,
            granted.reservation,
            asker.claim,
            asker.booking,
            self.now - asker.since,
            Order(asker.order),
        )
        assert granted == expected
        is_in_time = self.now < asker.deadline or self.now == asker.deadline == asker.since
        assert is_in_time, "a grant to one who waited until its deadline, or after it"
        self.end(granted.ticket, "granted")
        self.tenants[asker.claim.tenant] += 1
        self.under_way[granted.reservation] = granted

    def advance_now(self) -> int:
        model, book = self.model, self.book
        due = sorted(
            (asker for asker in model.line if asker.deadline <= self.now),
            key=lambda asker: (asker.deadline, asker.ticket),
        )
        # The model looks into a book in which nothing is booked yet, so it is asked as the queue's decisions are read.
        before = attrs.evolve(
            book, held=dict(book.held), spent=list(book.spent), freed=[], amounts=dict(book.amounts)
        )
        gate = attrs.evolve(self.gate)
        decisions = self.queue.advance(self.now)
        model.book, model.gate = before, gate
        for asker in due:
            model.leave(asker)
            self.end(asker.ticket, "timed_out")
        read = list(decisions)
        for asker in due:
            timed_out = read.pop(0)
            assert isinstance(timed_out, TimedOut)
            assert (timed_out.ticket, timed_out.waited) == (asker.ticket, self.now - asker.since)
            assert timed_out.retry_at >= self.now
        while (asker_to_go := model.next_to_go(self.now)) is not None:
            assert read, f"ticket {asker_to_go.ticket} is due and nobody saw to it"
            decision = read.pop(0)
            assert decision.ticket == asker_to_go.ticket, "somebody else's turn"
            if isinstance(decision, Outgrown):
                assert model.never_fits(asker_to_go)
                assert str(asker_to_go.booking.needed.requests) in str(decision.error)
                model.leave(asker_to_go)
                self.end(decision.ticket, "outgrown")
            else:
                assert isinstance(decision, Granted)
                self.note_grant(decision, asker_to_go)
                before.reserve(asker_to_go.booking, (POOL,), self.now)
                gate.pass_one(self.now)
                model.grant(asker_to_go)
        assert not read, "a decision that nobody expected"
        model.book, model.gate = book, self.gate
        return len(decisions)

    # ── what can happen ─────────────────────────────────────────────────────────────────────────────────────

    @rule(asks=st.lists(st.tuples(CLAIMS, PATIENCE), min_size=1, max_size=3))
    def request(self, asks: list[tuple[Claim, float]]) -> None:
        for claim, patience in asks:
            self.request_one(claim, patience, None)

    @rule(tenants=st.sampled_from(CROWDS), low=st.sampled_from([0, 0, 1, 2]))
    def crowd_in(self, tenants: str, low: int) -> None:
        """More than there is room for, and all with time: the stuff that turns are made of."""
        for index, tenant in enumerate(tenants):
            priority = 0 if index >= low else -1
            self.request_one(Claim(Usage(1), tenant=tenant, priority=priority), math.inf, None)

    @precondition(lambda self: self.retries)
    @rule(patience=PATIENCE)
    def retry(self, patience: float) -> None:
        claim, place = self.retries.pop(0)
        self.request_one(claim, patience, place)

    def request_one(self, claim: Claim, patience: float, place: Order | None) -> None:
        model, booking = self.model, Booking.plain(claim.usage)
        deadline = self.now + patience
        asker = Asker(Ticket(self.tickets + 1), claim, booking, self.now, deadline, place)
        possible_at = self.book.earliest_if_refunded(booking, (POOL,), self.now)
        possible_at = max(possible_at, self.gate.shut_until(self.now))
        goes = patience >= 0 and model.goes_at_once(asker, self.now)
        moves_at = model.next_instant(self.now)
        try:
            outcome = self.queue.request(claim, booking, self.now, deadline, place=place)
        except Rejected as refusal:
            self.refused[type(refusal)] += 1
            expected = {
                NeverFits: claim.usage.requests > self.book.amounts[POOL],
                WaitTooLong: deadline <= possible_at,
                QueueFull: place is None and len(model.line) >= MAX_WAITING,
            }
            if goes or not expected[type(refusal)]:
                raise AssertionError("refused without reason") from refusal
            expected_retry_at = None if moves_at == math.inf else moves_at
            if isinstance(refusal, QueueFull) and refusal.retry_at != expected_retry_at:
                raise AssertionError(f"the line moves at {expected_retry_at}") from refusal
            return
        self.tickets += 1
        assert outcome.ticket == self.tickets
        assert goes == isinstance(outcome, Granted)
        if isinstance(outcome, Granted):
            self.note_grant(outcome, asker)
            model.grant(asker)
        else:
            assert deadline > possible_at
            assert place is not None or len(model.line) < MAX_WAITING
            model.join(asker)
            assert outcome == Queued(asker.ticket, self.position(asker))

    def position(self, asker: Asker) -> int:
        def rank(one: Asker) -> tuple[float, ...]:
            return (-one.claim.priority, one.place is None, one.order, one.ticket)

        return sorted(self.model.line, key=rank).index(asker) + 1

    @rule()
    def advance(self) -> None:
        self.advance_now()

    @rule(seconds=PAUSES)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.model.line)
    @rule()
    def the_next_deadline_is_the_first_instant_at_which_something_happens(self) -> None:
        instant = self.queue.next_deadline(self.now)
        assert max(instant, self.now) == max(self.model.next_instant(self.now), self.now)
        just_before = math.nextafter(min(instant, self.now + 100.0), -math.inf)
        if just_before > self.now:
            self.now = just_before
            assert self.advance_now() == 0
        if instant < math.inf:
            self.now = max(self.now, instant)
            assert self.advance_now() > 0, "the one timer fired for nothing"

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["spent", "spent", "refunded", "refused"]))
    def settle(self, data: st.DataObject, how: str) -> None:
        reservation = data.draw(st.sampled_from(sorted(self.under_way)))
        granted = self.under_way.pop(reservation)
        self.book.settle(reservation, self.now, until=self.now + (WINDOW if how == "spent" else 0.0))
        if how == "refused":
            self.retries.append((granted.claim, granted.place))

    @rule(amount=st.sampled_from([2, 3, 4, 5]))
    def change_the_limit(self, amount: int) -> None:
        self.book.change_limit(POOL, amount)

    @rule(seconds=st.sampled_from([0.0, 0.0, 0.1, 2.0]), left=st.sampled_from([None, None, None, 0, 1, 2]))
    def set_the_gate(self, seconds: float, left: int | None) -> None:
        self.gate.open_from, self.gate.left = self.now + seconds, left

    @rule(rounds=st.integers(1, 3), left=st.sampled_from([None, 1]))
    def work_on(self, rounds: int, left: int | None) -> None:
        """Let all calls under way end, and go on to where something happens."""
        for _ in range(rounds):
            self.gate.left = left
            for reservation in sorted(self.under_way):
                del self.under_way[reservation]
                self.book.settle(reservation, self.now, until=self.now + WINDOW)
            instant = self.queue.next_deadline(self.now)
            self.now = max(self.now, min(instant, self.now + WINDOW))
            self.advance_now()

    @precondition(lambda self: self.model.line)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        asker = data.draw(st.sampled_from(self.model.line))

        outcome = self.queue.withdraw(asker.ticket, self.now)

        assert outcome == Withdrawn(asker.ticket, waited=self.now - asker.since)
        self.model.leave(asker)
        self.end(asker.ticket, "withdrawn")

    @precondition(lambda self: self.fates)
    @rule(data=st.data())
    def withdraw_what_has_ended(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.fates)))

        assert self.queue.withdraw(ticket, self.now) == NotWaiting(ticket)

    @precondition(lambda self: self.model.line)
    @rule(seconds=PAUSES)
    def crash(self, seconds: float) -> None:
        """Lose the queue, and let those in line stand in another one over the same book."""
        self.now += seconds
        stood = self.model.line
        self.begin()
        for asker in stood:
            self.rejoin(asker)

    def rejoin(self, asker: Asker) -> None:
        returned = attrs.evolve(asker, ticket=Ticket(self.tickets + 1), is_promoted=False)
        goes = self.model.goes_at_once(returned, self.now)
        try:
            outcome = self.queue.rejoin(
                asker.claim, asker.booking, self.now, asker.deadline, asker.since, place=asker.place
            )
        except NeverFits:
            self.refused[NeverFits] += 1
            assert self.model.never_fits(returned)
            return
        self.tickets += 1
        assert outcome.ticket == returned.ticket
        if isinstance(outcome, TimedOut):
            assert asker.deadline <= self.now, "a time-out before its deadline"
            assert outcome.waited == self.now - asker.since
            self.end(outcome.ticket, "timed_out")
        elif isinstance(outcome, Granted):
            assert goes, "somebody passed those who stood before"
            self.note_grant(outcome, returned)
            self.model.grant(returned)
        else:
            assert not goes
            self.model.join(returned)
            assert outcome == Queued(returned.ticket, self.position(returned))

    @precondition(lambda self: self.model.line)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        asker = data.draw(st.sampled_from(self.model.line))

        place = self.queue.inspect(asker.ticket, self.now)

        assert isinstance(place, Place)
        assert place.position == self.position(asker)
        assert (place.claim, place.deadline) == (asker.claim, asker.deadline)

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def no_ticket_is_lost(self) -> None:
        books = self.queue.statistics(self.now)
        ends = Counter(self.fates.values())

        assert books.waiting == len(self.model.line)
        assert (books.granted, books.timed_out, books.withdrawn) == (
            ends["granted"],
            ends["timed_out"],
            ends["withdrawn"],
        )
        refused = (books.refused_never_fits, books.refused_wait_too_long, books.refused_queue_full)
        assert refused == (
            self.refused[NeverFits] + ends["outgrown"],
            self.refused[WaitTooLong],
            self.refused[QueueFull],
        )
        assert self.tickets == books.waiting + len(self.fates)
        assert books.granted_by_tenant == self.tenants
        first = min((asker.since for asker in self.model.line), default=self.now)
        assert books.oldest_wait == self.now - first

    @invariant()
    def calls_under_way_are_the_granted_ones(self) -> None:
        assert set(self.book.held) == set(self.under_way)

    def teardown(self) -> None:
        """Liveness: with nothing but the one timer and the settling of calls, everything ends."""
        self.gate.left = None
        for _ in range(8 * MAX_WAITING):
            if not self.model.line:
                break
            self.advance_now()
            for reservation in sorted(self.under_way):
                del self.under_way[reservation]
                self.book.settle(reservation, self.now, until=self.now + WINDOW)
            instant = self.queue.next_deadline(self.now)
            assert instant < math.inf or not self.model.line, "somebody waits and nothing will ever happen"
            self.now = max(self.now, min(instant, self.now + 1e6))
        assert not self.model.line, "somebody waits for ever"
