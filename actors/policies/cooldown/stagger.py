"""Grants side by side instead of all in one instant: at most so many in a window's first seconds."""

from __future__ import annotations

import math

import attrs

BEAT = 0.02
"""Seconds between two wake-ups at least: fifty a second. Where grants come closer than that, several go at once."""


@attrs.define(eq=False)
class Stagger:
    """Lets grants pass at least `gap` seconds apart: a lock-keeper, who opens for one boat after the other.

    Where `gap` is shorter than `BEAT`, one opening is for as many grants as are due in a beat, so that nobody who
    grants thousands a second needs thousands of timers. It is no limit: over any longer time all pass.

    Args:
        gap: seconds between two grants; 0 lets all pass at once. It may be changed at any time.
    """

    gap: float = 0.0
    _left: int = attrs.field(default=0, init=False)
    _opens_at: float = attrs.field(default=-math.inf, init=False)

    @property
    def batch(self) -> int:
        """How many pass at one opening."""
        return max(1, math.ceil(BEAT / self.gap)) if self.gap > 0 else 1

    def opens_at(self, now: float) -> float:
        """Return `now` if one more may pass, otherwise the instant from which it may."""
        return now if self.gap <= 0 or self._left > 0 or now >= self._opens_at else self._opens_at

    def pass_one(self, now: float) -> None:
        """Note that one has passed."""
        if now >= self._opens_at:
            self._left = self.batch
            self._opens_at = now + self._left * self.gap
        self._left = max(0, self._left - 1)
