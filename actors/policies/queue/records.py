"""What an admission queue answers: places, grants, time-outs, statistics, and foreign tickets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NewType

import attrs

from actors.errors import NeverFits
from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.meter import Unknown
from actors.policies.ledger.records import ReservationId

Ticket = NewType("Ticket", int)
"""The number of a request that was not refused: 1 for the first of a queue, counting up by arrival."""

Order = NewType("Order", int)
"""When a call asked first, in relation to others: the ticket of its first attempt. Its retries ask with it."""


@attrs.frozen
class Queued:
    """The request waits.

    Attributes:
        ticket: the name it will be granted, timed out or withdrawn by.
        position: its place in line, see `Place`.
    """

    ticket: Ticket
    position: int


@attrs.frozen
class Granted:
    """The request may go: it holds a reservation, which somebody has to settle.

    Attributes:
        ticket: which request.
        reservation: the id to settle it by in the ledger.
        claim: what was asked for.
        booking: what is reserved.
        waited: seconds from the request to the grant.
        place: with it a retry of the same call asks again, ahead of all who came after it.
    """

    ticket: Ticket
    reservation: ReservationId
    claim: Claim
    booking: Booking
    waited: float
    place: Order


@attrs.frozen
class TimedOut:
    """The deadline of a waiting request has come; it holds nothing.

    Attributes:
        ticket: which request.
        waited: seconds from the request until its end was noticed.
        retry_at: the instant before which there is certainly no room for it, or the gate is shut as far as is known;
            a moment later than that where it takes the end of a call under way.
    """

    ticket: Ticket
    waited: float
    retry_at: float


@attrs.frozen
class Outgrown:
    """A limit has shrunk below what a waiting request asks for: it can never be granted, and holds nothing.

    Attributes:
        ticket: which request.
        waited: seconds from the request until that was noticed.
        error: says which limit of which scope, for the asker.
    """

    ticket: Ticket
    waited: float
    error: NeverFits


@attrs.frozen
class Withdrawn:
    """The ticket was waiting and waits no more. `waited` is in seconds."""

    ticket: Ticket
    waited: float


@attrs.frozen
class NotWaiting:
    """The ticket came to its end before; nothing was changed."""

    ticket: Ticket


@attrs.frozen
class Place:
    """The place of a ticket in line.

    Attributes:
        ticket: which request.
        position: 1 for the head. Counted by priority, and within it by arrival, those who come back first; fairness
            among tenants and limits of scopes that others do not fall under may let it go earlier or later.
        claim: what it asks for.
        deadline: when it stops waiting; infinity for never.
        waited: seconds since the request.
        expected_wait: seconds from now until its turn, if nobody in line leaves and no call is settled
            meanwhile; `Unknown.UNTIL_SETTLEMENT` when its turn takes the settling of calls. May lie behind
            the deadline.
    """

    ticket: Ticket
    position: int
    claim: Claim
    deadline: float
    waited: float
    expected_wait: float | Unknown


class UnknownTicket(ValueError):
    """The queue never gave out such a ticket; perhaps another queue did.

    Attributes:
        ticket: what was given.
    """

    def __init__(self, ticket: object, last_ticket: int) -> None:
        super().__init__(f"ticket must be one of the {last_ticket} this queue gave, got {ticket!r}")
        self.ticket = ticket


@attrs.frozen
class AdmissionStatistics:
    """A snapshot of an admission queue. Requests made = waiting + the sum of all the fates.

    Attributes:
        waiting: tickets in line.
        oldest_wait: seconds the one who has waited longest has waited; 0 when nobody waits.
        granted: tickets that were granted, at once or later.
        timed_out: tickets whose deadline came first.
        withdrawn: tickets whose asker left.
        refused_never_fits: requests above a limit, as they came or since a limit has shrunk.
        refused_wait_too_long: requests with a deadline that was certainly too early.
        refused_queue_full: requests that found the line full.
        granted_by_tenant: the part of `granted` that went to each tenant, for those who were granted something last.
    """

    waiting: int
    oldest_wait: float
    granted: int
    timed_out: int
    withdrawn: int
    refused_never_fits: int
    refused_wait_too_long: int
    refused_queue_full: int
    granted_by_tenant: Mapping[str, int] = attrs.field(factory=dict[str, int])
