"""A queue over several scopes: whatever happens, nobody passes those who wait, and nobody waits without a reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from queue_world import WINDOW, PlainBook, PlainGate

from actors.errors import NeverFits, QueueFull, Rejected, WaitTooLong
from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.records import ReservationId
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.fairness import Flow
from actors.policies.queue.lanes import Key, Lane
from actors.policies.queue.records import Granted, Order, Outgrown, Queued, Ticket, TimedOut, Withdrawn
from actors.policies.scope import POOL, Scope
from actors.policies.usage import Usage

MAX_WAITING = 12
MAX_OVERTAKES = 2
WEIGHTS = {"b": 2.0}

FIRST_KEY, SECOND_KEY, TEAM = Scope("key", "1"), Scope("key", "2"), Scope("team")
AMOUNTS = {POOL: 5, FIRST_KEY: 2, SECOND_KEY: 3, TEAM: 4}

PAUSES = st.sampled_from([0.0, 0.1, 1 / 3, 2.0, 9.9, 10.0])
CLAIMS = st.builds(
    Claim,
    st.builds(Usage, st.sampled_from([1, 1, 1, 2, 3])),
    scopes=st.sampled_from(
        [(), (FIRST_KEY,), (FIRST_KEY,), (SECOND_KEY,), (TEAM,), (FIRST_KEY, TEAM), (TEAM, SECOND_KEY)]
    ),
    tenant=st.sampled_from(["a", "a", "b", "c"]),
    priority=st.sampled_from([0, 0, 0, 1]),
)
PATIENCE = st.sampled_from([math.inf, math.inf, math.inf, 30.0, 10.0, 5.0, 0.1, 0.0])


@attrs.define(eq=False)
class Asker:
    ticket: Ticket
    claim: Claim
    booking: Booking
    since: float
    deadline: float
    place: Order | None

    @property
    def order(self) -> int:
        return self.ticket if self.place is None else self.place


class LanesMachine(RuleBasedStateMachine):
    queue_type: ClassVar[type[AdmissionQueue]] = AdmissionQueue

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.book = PlainBook(dict(AMOUNTS), on_reserve=self.check_a_grant)
        self.gate = PlainGate()
        self.queue = self.queue_type(
            self.book, MAX_WAITING, gate=self.gate, weights=WEIGHTS, max_overtakes=MAX_OVERTAKES
        )
        self.waiting: dict[Ticket, Asker] = {}
        self.newcomer: Asker | None = None
        self.under_way: dict[ReservationId, Granted] = {}
        self.retries: list[tuple[Claim, Order]] = []
        self.tickets = 0
        self.ends: Counter[str] = Counter()
        self.overtaken: dict[tuple[Flow, Scope], tuple[Ticket, int]] = {}

    # ── the lines, looked through from one end to the other ─────────────────────────────────────────────────

    @property
    def lanes(self) -> list[Lane]:
        return list(self.queue._room._lanes.values())

    def at(self, scope: Scope) -> list[Lane]:
        return [lane for lane in self.lanes if scope in lane.gates]

    def turn(self, lane: Lane) -> Key:
        """The turn of a lane: as it was chosen where it leads, else as it is now."""
        lines = [self.queue._room.lines._lines[scope] for scope in lane.gates]
        return min([lane.key, *(line.leader_key for line in lines if line.leader is lane)])

    def first_of_flows(self, scope: Scope) -> Iterator[Lane]:
        lanes = sorted(self.at(scope), key=lambda lane: lane.head.order)
        seen = set()
        for lane in lanes:
            if lane.own_flow not in seen:
                seen.add(lane.own_flow)
                yield lane

    def check_a_grant(self, booking: Booking, scopes: tuple[Scope, ...]) -> None:
        """In the moment of a grant: nobody with an earlier turn waits in one of its scopes."""
        asker = self.asker_of(booking)
        mine = None
        if asker is self.newcomer:
            shares = self.queue._room._shares
            tag = shares.tag(asker.claim.priority, asker.claim.tenant, is_returning=asker.place is not None)
            turn: Key = (*tag, asker.order, asker.ticket)
        else:
            found = self.queue._room.find(asker.ticket)
            assert found is not None, "a grant to one who had left"
            mine = found.lane
            assert mine.head is found, "somebody passed the head of its lane"
            turn = self.turn(mine)
        for scope in scopes:
            for lane in self.at(scope):
                assert lane is mine or turn < self.turn(lane), f"one who waits at {scope} was passed"
            for lane in self.first_of_flows(scope):
                flow = (lane.own_flow, scope)
                first, overtaken = self.overtaken.get(flow, (lane.head.ticket, 0))
                is_own = self.is_of_one_flow(
                    lane.head.claim, asker.claim, lane.name[3], asker.place is not None
                )
                if is_own or first != lane.head.ticket:
                    overtaken = 0
                if lane.head.order < asker.order and not is_own:
                    overtaken += 1
                self.overtaken[flow] = (lane.head.ticket, overtaken)
                assert overtaken <= MAX_OVERTAKES, "overtaken too often"

    def is_of_one_flow(self, one: Claim, other: Claim, *is_returning: bool) -> bool:
        if any(is_returning):
            return all(is_returning) and one.priority == other.priority
        return (one.priority, one.tenant) == (other.priority, other.tenant)

    def asker_of(self, booking: Booking) -> Asker:
        everybody = [*self.waiting.values(), *([self.newcomer] if self.newcomer is not None else [])]
        return next(asker for asker in everybody if asker.booking is booking)

    # ── the ends ────────────────────────────────────────────────────────────────────────────────────────────

    def note_grant(self, granted: Granted, asker: Asker) -> None:
        is_in_time = self.now < asker.deadline or self.now == asker.deadline == asker.since
        assert is_in_time, "a grant to one who waited until its deadline, or after it"
        older = [
            other
            for other in self.waiting.values()
            if other.claim.all_scopes == asker.claim.all_scopes
            and (other.claim.tenant, other.claim.priority) == (asker.claim.tenant, asker.claim.priority)
            and (other.place is None) == (asker.place is None)
            and other.order < asker.order
        ]
        assert not older, "somebody passed an older one that nothing distinguishes from it"
        assert granted.place == asker.order
        self.under_way[granted.reservation] = granted
        self.ends["granted"] += 1

    def advance_now(self) -> int:
        due = {ticket for ticket, asker in self.waiting.items() if asker.deadline <= self.now}
        decisions = self.queue.advance(self.now)
        timed_out = [decision for decision in decisions if isinstance(decision, TimedOut)]
        assert {decision.ticket for decision in timed_out} == due
        assert list(decisions[: len(timed_out)]) == timed_out
        for decision in decisions:
            asker = self.waiting.pop(decision.ticket)
            match decision:
                case Granted():
                    self.note_grant(decision, asker)
                case TimedOut():
                    self.ends["timed_out"] += 1
                case Outgrown():
                    assert self.book.exceeded_by(asker.booking, asker.claim.all_scopes) is not None
                    self.ends["outgrown"] += 1
        self.check_that_nobody_waits_without_a_reason()
        return len(decisions)

    def check_that_nobody_waits_without_a_reason(self) -> None:
        room = self.queue._room
        if self.gate.opens_at(self.now) == self.now:
            assert not len(room.lines._awake), "a line is awake and nobody looks at it"
            for line in room.lines._lines.values():
                head, lane = line.leader.head, line.leader
                is_short = any(
                    self.book.shortfall(head.booking, (gate,), self.now) is not None for gate in lane.gates
                )
                leads_all = all(room.lines._lines[scope].leader is lane for scope in lane.gates)
                assert is_short or not leads_all, (
                    f"the first in line at {line.scope} has room and does not go"
                )

    # ── what can happen ─────────────────────────────────────────────────────────────────────────────────────

    @rule(asks=st.lists(st.tuples(CLAIMS, PATIENCE), min_size=1, max_size=4))
    def request(self, asks: list[tuple[Claim, float]]) -> None:
        for claim, patience in asks:
            self.request_one(claim, patience, None)

    @precondition(lambda self: self.retries)
    @rule(patience=PATIENCE)
    def retry(self, patience: float) -> None:
        claim, place = self.retries.pop(0)
        self.request_one(claim, patience, place)

    def request_one(self, claim: Claim, patience: float, place: Order | None) -> None:
        booking, scopes, deadline = Booking.plain(claim.usage), claim.all_scopes, self.now + patience
        possible_at = self.book.earliest_if_refunded(booking, scopes, self.now)
        possible_at = max(possible_at, self.gate.shut_until(self.now))
        self.newcomer = Asker(Ticket(self.tickets + 1), claim, booking, self.now, deadline, place)
        try:
            outcome = self.queue.request(claim, booking, self.now, deadline, place=place)
        except Rejected as refusal:
            expected = {
                NeverFits: self.book.exceeded_by(booking, scopes) is not None,
                WaitTooLong: deadline <= possible_at,
                QueueFull: place is None and len(self.waiting) >= MAX_WAITING,
            }
            if not expected[type(refusal)]:
                raise AssertionError("refused without reason") from refusal
            self.ends[type(refusal).__name__] += 1
            return
        else:
            self.tickets += 1
            assert outcome.ticket == self.tickets
            if isinstance(outcome, Granted):
                self.note_grant(outcome, self.newcomer)
            else:
                self.check_that_it_waits_for_a_reason(outcome, self.newcomer)
                self.waiting[outcome.ticket] = self.newcomer
        finally:
            self.newcomer = None

    def check_that_it_waits_for_a_reason(self, queued: Queued, asker: Asker) -> None:
        is_short = self.book.shortfall(asker.booking, asker.claim.all_scopes, self.now) is not None
        is_shut = self.gate.opens_at(self.now) != self.now
        found = self.queue._room.find(queued.ticket)
        assert found is not None
        others = [
            lane for scope in asker.claim.all_scopes for lane in self.at(scope) if lane is not found.lane
        ]
        assert is_short or is_shut or others or len(found.lane) > 1

    @rule()
    def advance(self) -> None:
        self.advance_now()

    @rule(seconds=PAUSES)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.waiting)
    @rule()
    def the_next_deadline_is_the_first_instant_at_which_something_happens(self) -> None:
        instant = self.queue.next_deadline(self.now)
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

    @rule(scope=st.sampled_from(sorted(AMOUNTS, key=str)), amount=st.sampled_from([2, 3, 4, 5]))
    def change_a_limit(self, scope: Scope, amount: int) -> None:
        self.book.change_limit(scope, amount)

    @rule(scope=st.sampled_from(sorted(AMOUNTS, key=str)), seconds=PAUSES)
    def let_somebody_else_use_it(self, scope: Scope, seconds: float) -> None:
        self.book.charge(scope, 1, self.now + seconds)

    @rule(seconds=st.sampled_from([0.0, 0.0, 0.1, 2.0]), left=st.sampled_from([None, None, None, 0, 1, 2]))
    def set_the_gate(self, seconds: float, left: int | None) -> None:
        self.gate.open_from, self.gate.left = self.now + seconds, left

    @rule()
    def work_on(self) -> None:
        """Let all calls under way end, and go on to where something happens."""
        self.gate.left = None
        for reservation in sorted(self.under_way):
            del self.under_way[reservation]
            self.book.settle(reservation, self.now, until=self.now + WINDOW)
        instant = self.queue.next_deadline(self.now)
        self.now = max(self.now, min(instant, self.now + WINDOW))
        self.advance_now()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.waiting)))
        asker = self.waiting.pop(ticket)

        assert self.queue.withdraw(ticket, self.now) == Withdrawn(ticket, waited=self.now - asker.since)
        self.ends["withdrawn"] += 1

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def everybody_stands_where_the_books_say(self) -> None:
        room = self.queue._room
        heads = {lane.head.ticket for lane in self.lanes}
        assert heads <= set(self.waiting)
        assert set(room._waiting) == set(self.waiting)
        assert sum(len(lane) for lane in self.lanes) == len(self.waiting)
        for lane in self.lanes:
            assert lane.gates, "a lane stands nowhere"
            assert set(lane.gates) <= set(lane.scopes)
            assert len(lane.gates) == len(set(lane.gates))
            assert len(lane.gates) == 1 or lane.is_promoted
        assert {scope: len(line) for scope, line in room.lines._lines.items()} == {
            scope: len(self.at(scope)) for scope in AMOUNTS if self.at(scope)
        }
        assert set(room.lines._turns) | set(room.lines._awake) <= set(room.lines._lines)

    @invariant()
    def the_leader_has_the_earliest_turn(self) -> None:
        for scope, line in self.queue._room.lines._lines.items():
            assert self.queue._room.lines._awake.rank(scope) in {None, line.leader_key}
            assert all(line.leader_key <= lane.key for lane in self.at(scope))
            head = line.leader.head
            assert line.leader_key[3:] == (head.order, head.ticket), "a line is led by a turn of the past"

    @invariant()
    def the_statistics_balance(self) -> None:
        books = self.queue.statistics(self.now)

        assert books.waiting == len(self.waiting)
        assert (books.granted, books.timed_out, books.withdrawn) == (
            self.ends["granted"],
            self.ends["timed_out"],
            self.ends["withdrawn"],
        )
        assert books.refused_never_fits == self.ends["NeverFits"] + self.ends["outgrown"]
        assert books.refused_wait_too_long == self.ends["WaitTooLong"]
        assert books.refused_queue_full == self.ends["QueueFull"]
        assert sum(books.granted_by_tenant.values()) == books.granted
        assert set(self.book.held) == set(self.under_way)

    def teardown(self) -> None:
        """Liveness: with nothing but the one timer and the settling of calls, everything ends."""
        self.gate.left = None
        for _ in range(12 * MAX_WAITING):
            if not self.waiting:
                break
            self.advance_now()
            for reservation in sorted(self.under_way):
                del self.under_way[reservation]
                self.book.settle(reservation, self.now, until=self.now + WINDOW)
            instant = self.queue.next_deadline(self.now)
            assert instant < math.inf or not self.waiting, "somebody waits and nothing will ever happen"
            self.now = max(self.now, min(instant, self.now + 1e6))
        assert not self.waiting, "somebody waits for ever"
        room = self.queue._room
        assert not any((room._lanes, room.lines._lines, room._standings, room._shares._bands))
