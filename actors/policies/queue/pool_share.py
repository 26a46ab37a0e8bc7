"""What a grant costs its tenant: the largest share of a limit of the pool that it takes."""

from __future__ import annotations

import attrs

from actors.policies.ledger.booking import Booking
from actors.policies.ledger.limits import Limit, Limits, amount_of
from actors.policies.queue.book import Book
from actors.policies.scope import POOL
from actors.policies.usage import Usage


@attrs.define(eq=False)
class PoolShare:
    """Knows the limits of a pool, and looks again only when they have changed."""

    book: Book
    _limits: Limits | None = attrs.field(default=None, init=False)
    _each: tuple[Limit, ...] = attrs.field(default=(), init=False)

    def of(self, booking: Booking) -> float:
        """Return the share, 0 without limits.

        What a booking ripens to counts as what it needs: output that is counted only as it is produced is used all
        the same.
        """
        limits = self.book.limits_of(POOL)
        if limits is not self._limits:
            self._limits, self._each = limits, limits.each
        needed = booking.needed
        takes = Usage(needed.requests, needed.input_tokens, max(needed.output_tokens, booking.ripens))
        return max((amount_of(takes, limit.quantity) / limit.amount for limit in self._each), default=0.0)
