"""Who may go next, and who waits in vain: a fair queue with deadlines in front of a ledger.

A ticket's way:

    request ──> refused: NeverFits, WaitTooLong, QueueFull (raised; no ticket is given)
           └──> granted at once
           └──> waiting ──> granted      capacity came while its deadline was ahead
                       ├──> timed out    its deadline came first
                       ├──> outgrown     a limit shrank below what it asks for
                       └──> withdrawn    the asker left

Every ticket comes to exactly one of these ends, and it comes to it in one call.

**Order.** The larger priority goes first. Inside a priority tenants share by weight (see `fairness`), and inside a
tenant it is first come, first served. A retry that asks with the `place` of its call's first grant goes before all
others of its priority: in that line it has stood, and it is charged to its tenant once.

**No bypass.** A scope is full for all who come after somebody that waits for it, however small they are: a large
call in front holds the line up for a while, and is the next to go. Only those who wait for room in other scopes are
no obstacle: a full key does not block its pool (see `waiting_lines`). Those with an earlier turn do go ahead, but no
tenant of a priority is overtaken by more than `max_overtakes` grants in a row at a scope: then its first goes
before everybody.

**The deadline wins.** A waiting ticket whose deadline is now or past never proceeds, even if capacity comes at the
same instant: `advance` times out before it grants. The asker has stopped waiting at that instant, and a grant
to nobody is a leak.

**What is refused at once** is only what is certain: more than a limit, or spent amounts that cannot leave
before the deadline even if every call under way were refunded, or a gate that is shut until then whatever happens.
What merely looks unlikely waits.

The owner calls `advance` when something was settled, a ticket withdrawn, limits or gate changed, or `next_deadline`
has come. Then nothing can be missed, and nothing needs to be polled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NoReturn

import attrs

from actors.errors import QueueFull, WaitTooLong
from actors.policies.claim import Claim
from actors.policies.instants import check_instant, check_number
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.records import ReservationId, Shortfall
from actors.policies.queue.book import Book
from actors.policies.queue.fairness import check_weights
from actors.policies.queue.gate import OPEN, Gate
from actors.policies.queue.lanes import Waiting
from actors.policies.queue.outlook import Outlook, never_fits
from actors.policies.queue.pool_share import PoolShare
from actors.policies.queue.records import (
    AdmissionStatistics,
    Granted,
    NotWaiting,
    Order,
    Outgrown,
    Place,
    Queued,
    Ticket,
    TimedOut,
    UnknownTicket,
    Withdrawn,
)
from actors.policies.queue.tally import AdmissionTally
from actors.policies.queue.waiting_room import WaitingRoom
from actors.policies.queue.weighing import Rebook, Weighing, as_booked
from actors.policies.scope import POOL, Scope
from actors.policies.usage import whole_number

# A queue longer than this is a fault elsewhere: at the smallest published limit, 50 requests a minute, the
# last of 1,000 waits 20 minutes, which is longer than anybody means to.
DEFAULT_MAX_WAITING = 1_000

# Two windows of the smallest published limit: so long at most a flood of a larger priority holds a smaller one up.
# Among more tenants than that, or for one of less than a hundredth of the weight, it makes fairness coarser.
DEFAULT_MAX_OVERTAKES = 100


def _positive(instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    whole_number(instance, attribute, value)
    if value == 0:
        raise ValueError(f"{attribute.name} must be >= 1, got {value}")


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)
class AdmissionQueue:
    """A fair queue with deadlines over a ledger: a ticket for everybody, and a turn.

    It is like the check-in of an airport: several counters, a fast lane for some, a train to catch for all, and
    whoever misses it steps out. It is not a scheduler: it knows no durations and makes no guesses. It decides; the
    owner wakes, sets the one timer and tells askers.

    `now` is the present in seconds on the Trio clock. Who finds nobody waiting costs one question to the book.
    Otherwise a decision costs O(log n) of those who wait, whatever the number of scopes.

    Args:
        book: the ledger. Its owner settles on it directly and calls `advance` after.
        max_waiting: how many may wait, at least 0; with 0 a request is granted at once or refused. Retries, which
            have stood in line, stand there again even if it is full.
        gate: closed, nobody is granted anything.
        weights: shares of the tenants that differ from 1.
        max_overtakes: how many grants in a row may overtake a tenant of a priority at a scope, at least 1.
        rebook: is asked anew each time the first of a line is weighed: what was learned while it waited counts.

    Raises:
        TypeError: `max_waiting` or `max_overtakes` is no whole number, or a weight none.
        ValueError: `max_waiting` is negative, `max_overtakes` below 1, or a weight not positive and finite.
    """

    book: Book = attrs.field(on_setattr=attrs.setters.frozen)
    max_waiting: int = attrs.field(
        default=DEFAULT_MAX_WAITING, validator=whole_number, on_setattr=attrs.setters.frozen
    )
    gate: Gate = attrs.field(default=OPEN, kw_only=True, on_setattr=attrs.setters.frozen)
    weights: Mapping[str, float] = attrs.field(
        factory=dict[str, float], validator=check_weights, kw_only=True, on_setattr=attrs.setters.frozen
    )
    max_overtakes: int = attrs.field(
        default=DEFAULT_MAX_OVERTAKES, validator=_positive, kw_only=True, on_setattr=attrs.setters.frozen
    )
    rebook: Rebook = attrs.field(default=as_booked, kw_only=True, on_setattr=attrs.setters.frozen)
    _room: WaitingRoom = attrs.field(init=False)
    _weighing: Weighing = attrs.field(init=False)
    _outlook: Outlook = attrs.field(init=False)
    _share: PoolShare = attrs.field(init=False)
    _tally: AdmissionTally = attrs.field(factory=AdmissionTally, init=False)
    _last_ticket: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._room = WaitingRoom(self.weights, self.max_overtakes)
        self._weighing = Weighing(self.book, self._room.lines, self.rebook)
        self._outlook = Outlook(self.book, self.gate, self._room)
        self._share = PoolShare(self.book)

    def request(
        self,
        claim: Claim,
        booking: Booking,
        now: float,
        deadline: float = math.inf,
        *,
        since: float | None = None,
        place: Order | None = None,
    ) -> Granted | Queued:
        """Ask for `booking`: it is granted now if it fits and nobody has an earlier turn, else it waits in line.

        Args:
            claim: for whom, how urgently, under which scopes.
            booking: what to reserve.
            now: the present.
            deadline: the instant at which the asker stops waiting; infinity to wait for any time, `now` not to
                wait at all: what is free this instant is granted.
            since: an earlier instant at which it was asked for, in vain as yet; `waited` counts from there, and what
                is free only now that the deadline has come is not for this asker.
            place: of an earlier grant of the same call: it goes before everybody who came after that.

        Raises:
            NeverFits: more than a limit.
            WaitTooLong: it certainly cannot be granted before the deadline; `retry_at` is the instant before
                which there is no room for it.
            QueueFull: `max_waiting` others wait; `retry_at` is the instant at which something moves next, or
                None when that depends on calls under way.
            TypeError: an instant is no number.
            ValueError: `deadline` is not-a-number, `since` is ahead of `now`, or `now` goes back or is not finite.
        """
        check_number("deadline", deadline)
        if since is None:
            since = now
        else:
            check_instant("since", since, earliest=-math.inf, latest=now)
        waiting = self._newcomer(claim, booking, since, deadline, place)
        reason: Scope | Shortfall = POOL
        if deadline > now or deadline == now == since:
            outcome = self._try_at_once(waiting, now)
            if isinstance(outcome, Granted):
                return outcome
            reason = outcome
        self._refuse_the_impossible(waiting, now)
        return self._join(waiting, reason, now)

    def rejoin(
        self,
        claim: Claim,
        booking: Booking,
        now: float,
        deadline: float,
        since: float,
        *,
        place: Order | None = None,
    ) -> Granted | Queued | TimedOut:
        """Let somebody stand in line again who did so at a queue that is no more, over this very ledger.

        What was accepted once is not weighed again: only its deadline can have come meanwhile. Those who stood in
        line rejoin in their order, before anybody else asks.

        Args:
            claim: for whom, how urgently, under which scopes.
            booking: what to reserve.
            now: the present.
            deadline: the instant at which the asker stops waiting.
            since: the instant of its request; `waited` counts from there.
            place: what it had asked with.

        Raises:
            NeverFits: more than a limit; it would hold up the line for ever.
            QueueFull: more rejoin than `max_waiting`.
        """
        self.book.expire(now)
        waiting = self._newcomer(claim, booking, since, deadline, place)
        self._refuse_what_never_fits(waiting)
        if deadline <= now:
            self._last_ticket = waiting.ticket
            return self._time_out(waiting, now)
        outcome = self._try_at_once(waiting, now)
        return outcome if isinstance(outcome, Granted) else self._join(waiting, outcome, now)

    def advance(self, now: float) -> tuple[TimedOut | Granted | Outgrown, ...]:
        """Time out whose deadline has come, then grant as far as it goes.

        Returns:
            First the time-outs, by deadline, then the grants, and whom a limit has outgrown, by their turns; empty
            when nothing was due.
        """
        self.book.expire(now)
        if not len(self._room):
            self.book.take_freed()  # it is nobody's news
            return ()
        timed_out = [self._time_out(waiting, now) for waiting in self._room.leave_by(now)]
        return (*timed_out, *self._grants(now))

    def withdraw(self, ticket: Ticket, now: float) -> Withdrawn | NotWaiting:
        """Take a ticket out of the line, for an asker that left. Those behind it may fit now: call `advance`.

        `NotWaiting` for a ticket that was granted means that its reservation is still to be settled.

        Raises:
            UnknownTicket: this queue gave no such ticket.
        """
        self._check_ticket(ticket)
        self.book.expire(now)
        waiting = self._room.find(ticket)
        if waiting is None:
            return NotWaiting(ticket)
        self._room.leave(waiting)
        self._tally.count("withdrawn")
        return Withdrawn(ticket, waited=now - waiting.since)

    def next_deadline(self, now: float) -> float:
        """The one instant at which something can happen next without anybody doing anything.

        It is the turn of a leader in some scope, when the gate is open, or the first deadline, whichever comes first;
        infinity when nobody waits, or when all depends on calls under way. It is `now` or past when `advance` has
        something to do.
        """
        self.book.expire(now)
        if not len(self._room):
            return math.inf
        turn = self._weighing.next_turn(now)
        return min(max(turn, self._outlook.opens_at(now)), self._room.first_deadline)

    def inspect(self, ticket: Ticket, now: float) -> Place | NotWaiting:
        """The place of a ticket and how long it may take.

        Raises:
            UnknownTicket: this queue gave no such ticket.
        """
        self._check_ticket(ticket)
        self.book.expire(now)
        waiting = self._room.find(ticket)
        if waiting is None:
            return NotWaiting(ticket)
        return Place(
            ticket,
            position=self._room.position(waiting),
            claim=waiting.claim,
            deadline=waiting.deadline,
            waited=now - waiting.since,
            expected_wait=self._outlook.expected_wait(waiting, now),
        )

    def statistics(self, now: float) -> AdmissionStatistics:
        """The books at `now`, as a frozen snapshot."""
        self.book.expire(now)
        return self._tally.statistics(len(self._room), self._room.oldest_wait(now))

    # ── who comes ───────────────────────────────────────────────────────────────────────────────────────────

    def _newcomer(
        self, claim: Claim, booking: Booking, since: float, deadline: float, place: Order | None
    ) -> Waiting:
        ticket = Ticket(self._last_ticket + 1)
        order = Order(ticket) if place is None else place
        return Waiting(ticket, claim, booking, since, deadline, order, place is not None)

    def _try_at_once(self, waiting: Waiting, now: float) -> Granted | Shortfall | Scope:
        """Grant it, or say what it is short of, or at which scope it stands behind others, or would stand."""
        room, scopes = self._room, waiting.claim.all_scopes
        is_contended = room.lines.is_waited_at(scopes)
        if is_contended:
            obstacle = room.obstacle(waiting)
            if obstacle is not None:
                return obstacle
        if self._outlook.opens_at(now) > now:
            return POOL
        reserved = self.book.reserve(waiting.booking, scopes, now)
        if isinstance(reserved, Shortfall):
            return reserved
        self._last_ticket = waiting.ticket
        if is_contended:
            room.pass_by(waiting, self._share.of(waiting.booking))
        return self._grant(waiting, waiting.booking, reserved, now)

    def _refuse_the_impossible(self, waiting: Waiting, now: float) -> None:
        # Also the check of `now`, before anything is counted.
        impossible_before = self._outlook.impossible_before(waiting, now)
        self._refuse_what_never_fits(waiting)
        if waiting.deadline <= impossible_before:
            self._tally.count("wait_too_long")
            raise WaitTooLong(
                f"deadline must be > {impossible_before}, the earliest instant with room, got {waiting.deadline}",
                retry_at=self._outlook.retry_at(waiting, now),
            )

    def _refuse_what_never_fits(self, waiting: Waiting) -> None:
        excess = self._outlook.excess(waiting)
        if excess is not None:
            self._tally.count("never_fits")
            raise excess

    def _join(self, waiting: Waiting, reason: Scope | Shortfall, now: float) -> Queued:
        if len(self._room) >= self.max_waiting and not waiting.is_returning:
            self._refuse_for_want_of_room(waiting, now)
        self._last_ticket = waiting.ticket
        if isinstance(reason, Shortfall):
            position = self._room.join(waiting, reason.scope, reason.available_at)
        else:
            position = self._room.join(waiting, reason, None)
        return Queued(waiting.ticket, position)

    def _refuse_for_want_of_room(self, waiting: Waiting, now: float) -> NoReturn:
        moves_at = self.next_deadline(now) if len(self._room) else self._outlook.alone(waiting, now)
        self._tally.count("queue_full")
        raise QueueFull(
            f"waiting requests must be <= {self.max_waiting}, and so many wait already",
            retry_at=None if moves_at == math.inf else moves_at,
        )

    # ── who goes ────────────────────────────────────────────────────────────────────────────────────────────

    def _grants(self, now: float) -> Iterator[Granted | Outgrown]:
        weighing = self._weighing
        weighing.look_round(now)
        while (
            self._outlook.opens_at(now) <= now
            and (due := weighing.next_due(now, self.book.reserve)) is not None
        ):
            waiting, booking, answer = due
            if isinstance(answer, Shortfall):
                self._room.leave(waiting)
                self._tally.count("never_fits")
                error = never_fits(answer.scope, answer.limit, booking)
                yield Outgrown(waiting.ticket, now - waiting.since, error)
            else:
                self._room.grant(waiting, self._share.of(booking))
                yield self._grant(waiting, booking, answer, now)

    def _grant(self, waiting: Waiting, booking: Booking, reservation: ReservationId, now: float) -> Granted:
        self.gate.pass_one(now)
        self._weighing.note_grant()
        self._tally.grant(waiting.claim.tenant)
        return Granted(
            waiting.ticket, reservation, waiting.claim, booking, now - waiting.since, waiting.order
        )

    def _time_out(self, waiting: Waiting, now: float) -> TimedOut:
        self._tally.count("timed_out")
        return TimedOut(waiting.ticket, now - waiting.since, self._outlook.retry_at(waiting, now))

    def _check_ticket(self, ticket: Ticket) -> None:
        if not 1 <= ticket <= self._last_ticket:
            raise UnknownTicket(ticket, self._last_ticket)
