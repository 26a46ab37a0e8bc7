"""One dimension of a ledger: how much is held by calls under way, and how much was spent and when it leaves.

A ledger asks all its meters and books on all of them or on none. A meter knows nothing of calls,
reservations or settlements; another rule for the return of capacity is another meter.
"""

from __future__ import annotations

import enum
import math
from bisect import bisect_left, bisect_right

import attrs

from actors.policies.limits import Dimension

# Entries that have left stay in front of the lists until they are at least half of them, so that cutting
# them off costs O(1) per entry; below this number cutting is not worth a thought.
_CUT_FROM = 64


class Unknown(enum.Enum):
    """An instant that no clock can tell."""

    UNTIL_SETTLEMENT = "until settlement"
    """Capacity comes back only when a call that is under way is settled; nobody knows when that is."""


@attrs.define(eq=False)
class ExpiringSum:
    """A sum whose parts leave at known instants: a row of candles, and the light they give together.

    The parts stand in the order in which they leave, each beside the running total up to it, so both
    questions are a binary search: what has left by an instant, and by which instant a given amount has
    left. A deque has no fast middle, hence two lists and a `_first` that moves on. Whatever the length of
    the history, a part costs O(1) to add in order and O(1), spread over all, to drop; a question costs
    O(log n) of the parts present. A part that leaves earlier than some present ones is put in its place,
    which costs one step for each of these: the calls that were sent later and settled sooner, on average no
    more than there are calls under way.
    """

    _leaves_at: list[float] = attrs.field(factory=list[float], init=False)
    _running: list[int] = attrs.field(factory=list[int], init=False)
    _first: int = attrs.field(default=0, init=False)
    _gone: int = attrs.field(default=0, init=False)

    @property
    def total(self) -> int:
        """The sum of the parts that have not left."""
        return self._running[-1] - self._gone if self._running else 0

    def add(self, amount: int, leaves_at: float) -> None:
        """Add a part that leaves at an instant; nothing is added for 0."""
        if amount == 0:
            return
        place = len(self._leaves_at)
        while place > self._first and self._leaves_at[place - 1] > leaves_at:
            place -= 1
            self._running[place] += amount
        before = self._running[place - 1] if place > self._first else self._gone
        self._leaves_at.insert(place, leaves_at)
        self._running.insert(place, before + amount)

    def expire(self, now: float) -> None:
        """Drop the parts whose instant has come: a part that leaves at t is gone at t."""
        first = bisect_right(self._leaves_at, now, self._first)
        if first == self._first:
            return
        self._gone = self._running[first - 1]
        self._first = first
        if first >= _CUT_FROM and first * 2 >= len(self._leaves_at):
            self._cut()

    def _cut(self) -> None:
        del self._leaves_at[: self._first]
        self._running = [running - self._gone for running in self._running[self._first :]]
        self._first = 0
        self._gone = 0

    def gone_at(self, amount: int) -> float:
        """The instant at which at least `amount` of what is present has left; infinity if less is present."""
        place = bisect_left(self._running, self._gone + amount, self._first)
        return self._leaves_at[place] if place < len(self._leaves_at) else math.inf


@attrs.define(eq=False)
class Meter:
    """The books of one dimension: what is held by calls under way, and what was spent within the window.

    Args:
        dimension: which of the three things is counted.
        limit: the most that may be held and spent together by grants, or None for no limit.

    Attributes:
        held: the sum of the reservations that are not settled.
        spent: the sum of the settled amounts within the window, each with the instant at which it leaves.
        peak: the most that was ever held and spent together.
    """

    dimension: Dimension
    limit: int | None
    held: int = attrs.field(default=0, init=False)
    spent: ExpiringSum = attrs.field(factory=ExpiringSum, init=False)
    peak: int = attrs.field(default=0, init=False)

    @property
    def in_use(self) -> int:
        """Held and spent together."""
        return self.held + self.spent.total

    @property
    def share(self) -> float | None:
        """The part of the limit that is in use, above 1 when truth was larger; None without a limit."""
        return None if self.limit is None else self.in_use / self.limit

    def lacks(self, amount: int) -> int:
        """How much has to leave before `amount` fits; 0 or less when it fits now."""
        return 0 if self.limit is None else self.in_use + amount - self.limit

    def earliest(self, amount: int, now: float) -> float | Unknown:
        """The instant at which `amount` fits if only time passes; infinity if it is above the limit."""
        lacking = self.lacks(amount)
        if lacking <= 0:
            return now
        if self.limit is not None and amount > self.limit:
            return math.inf
        instant = self.spent.gone_at(lacking)
        return Unknown.UNTIL_SETTLEMENT if instant == math.inf else instant

    def earliest_if_refunded(self, amount: int, now: float) -> float:
        """The instant before which `amount` cannot fit, whatever becomes of the calls under way."""
        lacking = self.lacks(amount) - self.held
        return now if lacking <= 0 else self.spent.gone_at(lacking)

    def hold(self, amount: int) -> None:
        """Book a reservation."""
        self.held += amount
        self.peak = max(self.peak, self.in_use)

    def settle(self, held: int, actual: int, leaves_at: float, now: float) -> None:
        """Turn a reservation into what was really spent: less, more, or nothing; it may have left already."""
        self.held -= held
        if leaves_at > now:
            self.spent.add(actual, leaves_at)
        self.peak = max(self.peak, self.in_use)
