"""A sum over the last so many seconds, kept up to date in amortised constant time."""

from __future__ import annotations

import math
from bisect import bisect_left

import attrs

COMPACT_FROM = 256
"""Entries that may lie dead at the front before the lists are cut: few to keep, and rarely reached."""


@attrs.define(eq=False)
class RollingSum:
    """The total of what was added within a period, and the highest it ever was.

    Like a belt in a canteen: what is put on it rides for `period` seconds and then drops off. The window is
    half open: what was added at `t` counts at every instant before `t + period`, and at `t + period` no
    longer.

    Every entry carries the sum of everything up to it, so that the question "when has so much dropped off"
    is one binary search rather than a walk. Instants must not go backwards.

    Args:
        period: how long an amount counts, seconds.
    """

    period: float
    peak: int = attrs.field(default=0, init=False)
    _ends: list[float] = attrs.field(factory=list[float], init=False)
    _sums: list[int] = attrs.field(factory=list[int], init=False)
    _head: int = attrs.field(default=0, init=False)
    _added: int = attrs.field(default=0, init=False)
    _dropped: int = attrs.field(default=0, init=False)

    def add(self, now: float, amount: int) -> None:
        """Put `amount` on the belt; an amount of 0 leaves no trace."""
        if amount == 0:
            return
        self._added += amount
        self._ends.append(now + self.period)
        self._sums.append(self._added)
        self.peak = max(self.peak, self.total(now))

    def total(self, now: float) -> int:
        """Return the sum of what was added within the period that ends now."""
        while self._head < len(self._ends) and self._ends[self._head] <= now:
            self._dropped = self._sums[self._head]
            self._head += 1
        if self._head > COMPACT_FROM and self._head * 2 > len(self._ends):
            del self._ends[: self._head], self._sums[: self._head]
            self._head = 0
        return self._added - self._dropped

    def relieved_at(self, now: float, amount: int) -> float:
        """Return the instant by which `amount` of the present total has dropped off, infinity for more."""
        if amount > self.total(now):
            return math.inf
        if amount <= 0:
            return now
        return self._ends[bisect_left(self._sums, self._dropped + amount, lo=self._head)]

    def empty_at(self, now: float) -> float:
        """Return the instant at which everything has dropped off: now, if it is empty."""
        return self._ends[-1] if self.total(now) else now
