"""What other clients of the same key have used, from what the provider says is left.

    limit - remaining - rounding  >  everything of ours that can have been counted
                                     (what was charged to others before included)

Then somebody else has used the difference, whatever the order of events was: the left side is the least that the
provider can have counted, the right side the most that can be ours. The difference is charged to others until it can
have come back: one window from now, or by the announced reset, for by then everything has. So others are never charged
more than they used, and less by no more than the rounding and what of ours was under way.
"""

from __future__ import annotations

import math

import attrs

from actors.policies.learning.records import OthersUse, Seen

RESET_TOO_SHORT = 1.0
"""Seconds by which an announced reset may be too short: instants are told in whole seconds, and somebody may cut them
off."""


def rounding_of(seen: Seen) -> int:
    """How far the truth may lie from the `remaining` that was told: half a step for the nearest multiple of it."""
    return seen.rounded_to // 2 if seen.rounded_to > 1 else 0


@attrs.define(eq=False)
class OthersWatch:
    """Watches one limit for the traces of others: the level in a shared fridge, against one's own receipts.

    While a limit is changing, what is left says nothing about who has used it: a bucket that grows starts with the old
    level, and its new room looks used until it has refilled. So after a change nothing is charged for one window.

    Attributes:
        charged: the sum of what was charged.
    """

    charged: int = attrs.field(default=0, init=False)
    _limit: int | None = attrs.field(default=None, init=False)
    _steady_from: float = attrs.field(default=-math.inf, init=False)

    def least_used(self, seen: Seen, limit: int, window: float, now: float) -> int:
        """The least that the provider can have counted, by everybody; 0 when the response does not tell.

        Args:
            seen: what the response told.
            limit: its limit, which is not None.
            window: of the limit, seconds.
            now: when the response came.
        """
        if limit != self._limit:
            if self._limit is not None:
                self._steady_from = now + window
            self._limit = limit
        remaining = seen.remaining
        if remaining is None or remaining < 0 or now < self._steady_from:
            return 0
        return limit - remaining - rounding_of(seen)

    def charge(self, seen: Seen, window: float, amount: int) -> OthersUse:
        """Charge `amount` to others, who used it before the response came."""
        self.charged += amount
        leaves_in = window if seen.resets_in is None else min(window, seen.resets_in + RESET_TOO_SHORT)
        return OthersUse(seen.quantity, window, amount, leaves_in)
