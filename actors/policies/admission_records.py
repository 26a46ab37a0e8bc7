"""What an admission queue answers: places, grants, time-outs, statistics, and foreign tickets."""

from __future__ import annotations

from typing import NewType

import attrs

from actors.policies.ledger import ReservationId
from actors.policies.meter import Unknown
from actors.policies.usage import Usage

Ticket = NewType("Ticket", int)
"""The number of a request that was not refused: 1 for the first of a queue, counting up by arrival."""


@attrs.frozen
class Queued:
    """The request waits.

    Attributes:
        ticket: the name it will be granted, timed out or withdrawn by.
        position: 1 for the head of the line.
    """

    ticket: Ticket
    position: int


@attrs.frozen
class Granted:
    """The request may go: it holds a reservation, which somebody has to settle.

    Attributes:
        ticket: which request.
        reservation: the id to settle it by in the ledger.
        usage: what is reserved.
        waited: seconds from the request to the grant.
    """

    ticket: Ticket
    reservation: ReservationId
    usage: Usage
    waited: float


@attrs.frozen
class TimedOut:
    """The deadline of a waiting request has come; it holds nothing.

    Attributes:
        ticket: which request.
        waited: seconds from the request until its end was noticed.
        retry_at: the instant before which there is certainly no room for it; the time it was noticed, or
            later.
    """

    ticket: Ticket
    waited: float
    retry_at: float


@attrs.frozen
class Withdrawn:
    """The ticket was waiting and waits no more. `waited` is in seconds."""

    ticket: Ticket
    waited: float


@attrs.frozen
class NotWaiting:
    """The ticket had come to its end before: granted, timed out or withdrawn. Nothing was changed."""

    ticket: Ticket


@attrs.frozen
class Place:
    """The place of a ticket in line.

    Attributes:
        ticket: which request.
        position: 1 for the head.
        usage: what it asks for.
        deadline: when it stops waiting; infinity for never.
        waited: seconds since the request.
        expected_wait: seconds from now until its turn, if nobody in line leaves and no call is settled
            meanwhile; `Unknown.UNTIL_SETTLEMENT` when its turn takes the settling of calls. May lie behind
            the deadline.
    """

    ticket: Ticket
    position: int
    usage: Usage
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
        oldest_wait: seconds the head has waited; 0 when nobody waits.
        granted: tickets that were granted, at once or later.
        timed_out: tickets whose deadline came first.
        withdrawn: tickets whose asker left.
        refused_never_fits: requests above a limit.
        refused_wait_too_long: requests with a deadline that was certainly too early.
        refused_queue_full: requests that found the line full.
    """

    waiting: int
    oldest_wait: float
    granted: int
    timed_out: int
    withdrawn: int
    refused_never_fits: int
    refused_wait_too_long: int
    refused_queue_full: int
