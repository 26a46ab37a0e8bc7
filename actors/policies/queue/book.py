"""What a queue needs of a ledger: may this go now, if not from when on, and where has something changed."""

from __future__ import annotations

from typing import Protocol

from actors.policies.ledger.booking import Booking
from actors.policies.ledger.limits import Limit, Limits
from actors.policies.ledger.records import ReservationId, Shortfall
from actors.policies.scope import Scope


class Book(Protocol):
    """The books that grants are entered in: it knows amounts and instants, and nothing of who waits.

    `scopes` are those a call falls under, the pool first; a call is booked in all of them or in none.
    """

    def reserve(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> ReservationId | Shortfall:
        """Book in all scopes, or in none and say which limit of which scope is short the longest."""
        ...

    def shortfall(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> Shortfall | None:
        """Return what `reserve` would be short of, or None if it would not; nothing is booked."""
        ...

    def earliest_if_refunded(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> float:
        """Return the instant before which there is no room, even if all that is under way were refunded at once."""
        ...

    def exceeded_by(self, booking: Booking, scopes: tuple[Scope, ...]) -> tuple[Scope, Limit] | None:
        """Return the first limit that `booking` alone is above, with its scope."""
        ...

    def limits_of(self, scope: Scope) -> Limits:
        """Return the limits of a scope as they are now."""
        ...

    def take_freed(self) -> tuple[Scope, ...]:
        """Return the scopes in which room may have come nearer, other than by time, since this was last asked.

        Every settlement counts, every confirmation of a start (an instant is known from then on), and every change of
        limits or algorithm. What comes back with time alone does not.
        """
        ...

    def expire(self, now: float) -> None:
        """Move the time on.

        Raises:
            TypeError: `now` is no number.
            ValueError: `now` goes back, or is not finite.
        """
        ...
