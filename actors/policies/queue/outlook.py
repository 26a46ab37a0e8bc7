"""What can be said today of somebody's turn: what is certain, and what it looks like."""

from __future__ import annotations

import math

import attrs

from actors.errors import NeverFits
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.limits import Limit, amount_of
from actors.policies.ledger.meter import Unknown
from actors.policies.ledger.records import Shortfall
from actors.policies.queue.book import Book
from actors.policies.queue.gate import Gate
from actors.policies.queue.lanes import Waiting
from actors.policies.queue.waiting_room import WaitingRoom
from actors.policies.scope import POOL, Scope

SOON = 1.0
"""Seconds after which it makes sense to ask again where only calls under way are in the way: they take seconds."""


@attrs.define(eq=False)
class Outlook:
    """Asks book and gate for the instants that askers are told. It decides nothing and changes nothing.

    Args:
        book: knows when there is room.
        gate: knows when somebody may go.
        room: knows who goes before whom.
    """

    book: Book
    gate: Gate
    room: WaitingRoom

    def opens_at(self, now: float) -> float:
        """When the gate opens, as it looks; infinity where no clock can tell."""
        opens_at = self.gate.opens_at(now)
        return math.inf if isinstance(opens_at, Unknown) else opens_at

    def impossible_before(self, waiting: Waiting, now: float) -> float:
        """The instant before which it certainly cannot be granted, even if all that is under way were refunded."""
        room_at = self.book.earliest_if_refunded(waiting.booking, waiting.claim.all_scopes, now)
        return max(room_at, self.gate.shut_until(now))

    def retry_at(self, waiting: Waiting, now: float) -> float:
        """From when on it makes sense to ask again: `now` only where there is room now, so that nobody spins."""
        impossible_before, opens_at = self.impossible_before(waiting, now), self.opens_at(now)
        possible_at = impossible_before if opens_at == math.inf else max(impossible_before, opens_at)
        if possible_at > now:
            return possible_at
        # It may take the end of a call under way, and nobody knows when that is.
        return min(max(now, self.alone(waiting, now)), now + SOON)

    def alone(self, waiting: Waiting, now: float) -> float:
        """When it can go if nobody stands before it; infinity where no clock can tell."""
        shortfall = self.book.shortfall(waiting.booking, waiting.claim.all_scopes, now)
        return max(_instant(shortfall, now), self.opens_at(now))

    def expected_wait(self, waiting: Waiting, now: float) -> float | Unknown:
        """Seconds until its turn, if nobody in line leaves and nothing is settled meanwhile."""
        booking = waiting.booking
        turn = max(now, self.opens_at(now))
        for scope in waiting.claim.all_scopes:
            before = self.room.held_before(waiting, scope)
            together = Booking(held=before + booking.held, needed=before + booking.needed)
            turn = max(turn, _instant(self.book.shortfall(together, (scope,), now), now))
        # Infinity is more than a window holds, too: some of those ahead must be settled and leave the window first.
        return Unknown.UNTIL_SETTLEMENT if turn == math.inf else turn - now

    def excess(self, waiting: Waiting) -> NeverFits | None:
        """Why it can never be granted, or None."""
        exceeded = self.book.exceeded_by(waiting.booking, waiting.claim.all_scopes)
        return None if exceeded is None else never_fits(*exceeded, waiting.booking)


def never_fits(scope: Scope, limit: Limit, booking: Booking) -> NeverFits:
    """Say which limit of which scope a booking is above."""
    asked = amount_of(booking.needed, limit.quantity)
    where = "" if scope == POOL else f" in {scope}"
    return NeverFits(
        f"{limit.quantity} must be <= {limit.amount} per {limit.window:g} s{where}, got {asked}",
        quantity=limit.quantity,
        asked=asked,
        amount=limit.amount,
        window=limit.window,
        scope=str(scope),
    )


def _instant(shortfall: Shortfall | None, now: float) -> float:
    if shortfall is None:
        return now
    at = shortfall.available_at
    return math.inf if isinstance(at, Unknown) else at
