"""Who may go next, and who waits in vain: a fair queue with deadlines in front of a ledger.

A ticket's way:

    request ──> refused: NeverFits, WaitTooLong, QueueFull (raised; no ticket is given)
           └──> granted at once
           └──> waiting ──> granted      capacity came while its deadline was ahead
                       └──> timed out    its deadline came first
                       └──> withdrawn    the asker left

Every ticket comes to exactly one of these ends, and it comes to it in one call.

**No bypass.** First come, first served: only the head is ever weighed against the ledger, and a newcomer
never passes those who wait, however small it is. One large call at the head holds everybody up for a while;
that is the price for the promise that it goes next, and that nobody starves.

**The deadline wins.** A waiting ticket whose deadline is now or past never proceeds, even if capacity comes at the
same instant: `advance` times out before it grants. The asker has stopped waiting at that instant, and a grant
to nobody is a leak.

**What is refused at once** is only what is certain: more than a limit, or spent amounts that cannot leave
before the deadline even if every call under way were refunded. What merely looks unlikely waits.

The owner calls `advance` when a reservation is settled, a ticket withdrawn, or `next_deadline` has come. Then
nothing can be missed, and nothing needs to be polled.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NoReturn

import attrs

from actors.errors import NeverFits, QueueFull, WaitTooLong
from actors.policies.admission_records import (
    AdmissionStatistics,
    Granted,
    NotWaiting,
    Place,
    Queued,
    Ticket,
    TimedOut,
    UnknownTicket,
    Withdrawn,
)
from actors.policies.instants import check_number
from actors.policies.ledger import ReservationId, SlidingWindowLedger
from actors.policies.ledger_records import Shortfall
from actors.policies.meter import Unknown
from actors.policies.usage import NOTHING, Usage, whole_number
from actors.policies.waiting_line import Waiting, WaitingLine

_Fate = Literal["granted", "timed_out", "withdrawn", "never_fits", "wait_too_long", "queue_full"]

# A queue longer than this is a fault elsewhere: at the smallest published limit, 50 requests a minute, the
# last of 1,000 waits 20 minutes, which is longer than anybody means to.
DEFAULT_MAX_WAITING = 1_000


@attrs.define(eq=False)
class AdmissionQueue:
    """A fair queue with deadlines over a ledger: one line, one counter, and a ticket for everybody.

    It is like the line at a ticket counter where everybody has a train to catch: the one in front is served
    when there are seats, and whoever misses the train steps out. It is not a scheduler: there are no
    classes and no guesses. It decides; the owner wakes, sets the one timer and tells askers.

    `now` is the present in seconds on the Trio clock. Decisions cost O(1), spread over all, and O(log n)
    where a deadline or an instant is looked up.

    Args:
        ledger: the ledger. Its owner settles on it directly and calls `advance` after.
        max_waiting: how many may wait, at least 0; with 0 a request is granted at once or refused.

    Raises:
        TypeError: `max_waiting` is no whole number.
        ValueError: `max_waiting` is negative.
    """

    ledger: SlidingWindowLedger = attrs.field(on_setattr=attrs.setters.frozen)
    max_waiting: int = attrs.field(
        default=DEFAULT_MAX_WAITING, validator=whole_number, on_setattr=attrs.setters.frozen
    )
    _line: WaitingLine = attrs.field(factory=WaitingLine, init=False)
    _last_ticket: int = attrs.field(default=0, init=False)
    _fates: Counter[_Fate] = attrs.field(factory=Counter[_Fate], init=False)

    def request(
        self, usage: Usage, now: float, deadline: float = math.inf, *, since: float | None = None
    ) -> Granted | Queued:
        """Ask for `usage`: it is granted now if it fits and nobody waits, else it waits in line.

        Args:
            usage: what to reserve.
            now: the present.
            deadline: the instant at which the asker stops waiting; infinity to wait for any time, `now` not to
                wait at all: what is free this instant is granted.
            since: an earlier instant at which it was asked for, in vain as yet; `waited` counts from there, and what
                is free only now that the deadline has come is not for this asker.

        Raises:
            NeverFits: more than a limit.
            WaitTooLong: it certainly cannot be granted before the deadline; `retry_at` is the instant before
                which there is no room for it.
            QueueFull: `max_waiting` others wait; `retry_at` is the instant at which something moves next, or
                None when that depends on calls under way.
            TypeError: `deadline` or `now` is no number.
            ValueError: `deadline` is not-a-number, or `now` goes back or is not finite.
        """
        check_number("deadline", deadline)
        since = now if since is None else since
        if not self._line and (deadline > now or deadline == now == since):
            reserved = self.ledger.reserve(usage, now)
            if not isinstance(reserved, Shortfall):
                return self._grant(self._next_ticket(), reserved, usage, waited=now - since)
        self._refuse_the_impossible(usage, now, deadline)
        return self._join(usage, now, deadline, since)

    def rejoin(self, usage: Usage, now: float, deadline: float, since: float) -> Granted | Queued | TimedOut:
        """Let somebody stand in line again who did so at a queue that is no more, over this very ledger.

        What was accepted once is not weighed again: only its deadline can have come meanwhile. Those who stood in
        line rejoin in their order, before anybody else asks.

        Args:
            usage: what to reserve.
            now: the present.
            deadline: the instant at which the asker stops waiting.
            since: the instant of its request; `waited` counts from there.

        Raises:
            NeverFits: more than a limit; it would hold up the line for ever.
            QueueFull: more rejoin than `max_waiting`.
        """
        self.ledger.expire(now)
        self._refuse_what_never_fits(usage)
        if deadline <= now:
            return self._time_out_one(Waiting(self._next_ticket(), usage, since, deadline), now)
        if not self._line:
            reserved = self.ledger.reserve(usage, now)
            if not isinstance(reserved, Shortfall):
                return self._grant(self._next_ticket(), reserved, usage, waited=now - since)
        return self._join(usage, now, deadline, since)

    def advance(self, now: float) -> tuple[TimedOut | Granted, ...]:
        """Time out whose deadline has come, then grant from the head as far as it goes.

        Returns:
            First the time-outs, by deadline, then the grants, by arrival; empty when nothing was due.
        """
        self.ledger.expire(now)
        return (*self._time_out(now), *self._grant_from_the_head(now))

    def withdraw(self, ticket: Ticket, now: float) -> Withdrawn | NotWaiting:
        """Take a ticket out of the line, for an asker that left. Those behind it may fit now: call `advance`.

        `NotWaiting` for a ticket that was granted means that its reservation is still to be settled.

        Raises:
            UnknownTicket: this queue gave no such ticket.
        """
        self._check_ticket(ticket)
        self.ledger.expire(now)
        waiting = self._line.leave(ticket)
        if waiting is None:
            return NotWaiting(ticket)
        self._fates["withdrawn"] += 1
        return Withdrawn(ticket, waited=now - waiting.since)

    def next_deadline(self, now: float) -> float:
        """The one instant at which something can happen next without anybody doing anything.

        It is the head's turn or the first deadline, whichever comes first; infinity when nobody waits, or
        when all depends on calls under way. It is `now` or past when `advance` has something to do.
        """
        self.ledger.expire(now)
        head = self._line.head
        if head is None:
            return math.inf
        turn = self.ledger.earliest(head.usage, now)
        first_deadline = self._line.first_deadline
        return first_deadline if isinstance(turn, Unknown) else min(turn, first_deadline)

    def inspect(self, ticket: Ticket, now: float) -> Place | NotWaiting:
        """The place of a ticket and how long it may take; O(n).

        Raises:
            UnknownTicket: this queue gave no such ticket.
        """
        self._check_ticket(ticket)
        self.ledger.expire(now)
        waiting = self._line.find(ticket)
        if waiting is None:
            return NotWaiting(ticket)
        # Tickets count up and nobody passes, so those ahead are those with a smaller number.
        up_to_here = [other.usage for other in self._line if other.ticket <= ticket]
        return Place(
            ticket,
            position=len(up_to_here),
            usage=waiting.usage,
            deadline=waiting.deadline,
            waited=now - waiting.since,
            expected_wait=self._expected_wait(sum(up_to_here, start=NOTHING), now),
        )

    def statistics(self, now: float) -> AdmissionStatistics:
        """The books at `now`, as a frozen snapshot."""
        self.ledger.expire(now)
        fates, head = self._fates, self._line.head
        return AdmissionStatistics(
            waiting=len(self._line),
            oldest_wait=0.0 if head is None else now - head.since,
            granted=fates["granted"],
            timed_out=fates["timed_out"],
            withdrawn=fates["withdrawn"],
            refused_never_fits=fates["never_fits"],
            refused_wait_too_long=fates["wait_too_long"],
            refused_queue_full=fates["queue_full"],
        )

    def _refuse_the_impossible(self, usage: Usage, now: float, deadline: float) -> None:
        possible_at = self.ledger.earliest_if_refunded(usage, now)
        self._refuse_what_never_fits(usage)
        if deadline <= possible_at:
            self._fates["wait_too_long"] += 1
            raise WaitTooLong(
                f"deadline must be > {possible_at}, the earliest instant with room, got {deadline}",
                retry_at=possible_at,
            )

    def _refuse_what_never_fits(self, usage: Usage) -> None:
        limits = self.ledger.limits
        dimension = limits.exceeded_by(usage)
        if dimension is not None:
            self._fates["never_fits"] += 1
            asked, limit = getattr(usage, dimension), getattr(limits, dimension)
            raise NeverFits(f"{dimension} must be <= {limit} per {limits.window:g} s, got {asked}")

    def _join(self, usage: Usage, now: float, deadline: float, since: float) -> Queued:
        if len(self._line) >= self.max_waiting:
            self._refuse_for_want_of_room(usage, now)
        waiting = Waiting(self._next_ticket(), usage, since, deadline)
        return Queued(waiting.ticket, position=self._line.join(waiting))

    def _refuse_for_want_of_room(self, usage: Usage, now: float) -> NoReturn:
        moves_at = self.next_deadline(now) if self._line else self.ledger.earliest(usage, now)
        self._fates["queue_full"] += 1
        raise QueueFull(
            f"waiting requests must be <= {self.max_waiting}, and so many wait already",
            retry_at=None if isinstance(moves_at, Unknown) or moves_at == math.inf else moves_at,
        )

    def _time_out(self, now: float) -> list[TimedOut]:
        return [self._time_out_one(waiting, now) for waiting in self._line.leave_by(now)]

    def _time_out_one(self, waiting: Waiting, now: float) -> TimedOut:
        self._fates["timed_out"] += 1
        retry_at = self.ledger.earliest_if_refunded(waiting.usage, now)
        return TimedOut(waiting.ticket, waited=now - waiting.since, retry_at=retry_at)

    def _grant_from_the_head(self, now: float) -> Iterator[Granted]:
        while (head := self._line.head) is not None:
            reserved = self.ledger.reserve(head.usage, now)
            if isinstance(reserved, Shortfall):
                return
            self._line.leave(head.ticket)
            yield self._grant(head.ticket, reserved, head.usage, waited=now - head.since)

    def _grant(self, ticket: Ticket, reservation: ReservationId, usage: Usage, waited: float) -> Granted:
        self._fates["granted"] += 1
        return Granted(ticket, reservation, usage, waited)

    def _expected_wait(self, together: Usage, now: float) -> float | Unknown:
        turn = self.ledger.earliest(together, now)
        # More than a window holds: some of those ahead must be settled and leave the window first.
        if isinstance(turn, Unknown) or turn == math.inf:
            return Unknown.UNTIL_SETTLEMENT
        return turn - now

    def _next_ticket(self) -> Ticket:
        self._last_ticket += 1
        return Ticket(self._last_ticket)

    def _check_ticket(self, ticket: Ticket) -> None:
        if not 1 <= ticket <= self._last_ticket:
            raise UnknownTicket(ticket, self._last_ticket)
