"""One dimension of a ledger: how much is held by calls under way, and how much was spent and when it leaves.

A ledger asks all its meters and books on all of them or on none. A meter knows nothing of calls,
reservations or settlements; another rule for the return of capacity is another meter.
"""

from __future__ import annotations

import enum
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise

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

    The parts stand in the order in which they leave, so what has left by an instant is a binary search, and so
    is the instant by which a given amount has left, over running totals that are made when they are asked for.
    A deque has no fast middle, hence lists and a `_first` that moves on. Whatever the length of the history, a
    part costs O(1) to add and O(1) to drop, spread over all; a question costs O(log n) of the parts present. A
    part that leaves earlier than some present ones is put in its place: these are moved, and their running
    totals made anew at the next question. They are the calls that were sent later and settled sooner, on
    average no more than there are calls under way.

    Attributes:
        total: the sum of the parts that have not left.
    """

    total: int = attrs.field(default=0, init=False)
    _leaves_at: list[float] = attrs.field(factory=list[float], init=False)
    _amounts: list[int] = attrs.field(factory=list[int], init=False)
    _running: list[int] = attrs.field(factory=list[int], init=False)
    _first: int = attrs.field(default=0, init=False)

    def add(self, amount: int, leaves_at: float) -> None:
        """Add a part that leaves at an instant; nothing is added for 0."""
        if amount == 0:
            return
        place = bisect_right(self._leaves_at, leaves_at, self._first)
        self._leaves_at.insert(place, leaves_at)
        self._amounts.insert(place, amount)
        del self._running[place:]
        self.total += amount

    def expire(self, now: float) -> None:
        """Drop the parts whose instant has come: a part that leaves at t is gone at t."""
        first = bisect_right(self._leaves_at, now, self._first)
        if first == self._first:
            return
        self.total -= sum(self._amounts[self._first : first])
        self._first = first
        if first >= _CUT_FROM and first * 2 >= len(self._leaves_at):
            self._cut()

    def gone_at(self, amount: int) -> float:
        """The instant at which at least `amount` of what is present has left; infinity if less is present."""
        self._run_totals()
        gone = self._running[self._first - 1] if self._first else 0
        place = bisect_left(self._running, gone + amount, self._first)
        return self._leaves_at[place] if place < len(self._leaves_at) else math.inf

    def faults(self, now: float, latest: float) -> Iterator[str]:
        """Say what is wrong with the sum at `now`, if no part may leave after `latest`; O(n)."""
        count = len(self._leaves_at)
        if len(self._amounts) != count or not 0 <= self._first <= count:
            yield f"{len(self._amounts)} amounts stand beside {count} instants, from the {self._first}th on"
            return
        present = self._amounts[self._first :]
        if not all(amount > 0 for amount in present):
            yield f"parts must be > 0, got {min(present)}"
        if sum(present) != self.total:
            yield f"total must be {sum(present)}, the sum of its parts, got {self.total}"
        if not all(earlier <= later for earlier, later in pairwise(self._leaves_at)):
            yield "parts must stand in the order in which they leave"
        leave_at = self._leaves_at[self._first :]
        if not all(now < instant <= latest for instant in leave_at):
            yield f"parts must leave after {now} and by {latest}, got {min(leave_at)} to {max(leave_at)}"
        if self._running != list(accumulate(self._amounts))[: len(self._running)]:
            yield "running totals must be those of the parts"

    def _run_totals(self) -> None:
        known = len(self._running)
        if known == len(self._amounts):
            return
        before = self._running.pop() if known else self._amounts[0]
        self._running.extend(accumulate(self._amounts[max(known, 1) :], initial=before))

    def _cut(self) -> None:
        del self._leaves_at[: self._first]
        del self._amounts[: self._first]
        self._running.clear()
        self._first = 0


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
        if self.limit is None or lacking <= 0:
            return now
        if amount > self.limit:
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

    def faults(self, held: int, now: float, latest: float) -> Iterator[str]:
        """Say what is wrong with the books, if `held` is what the reservations come to; O(n)."""
        name = self.dimension
        if self.held != held:
            yield f"{name} held must be {held}, the sum of the reservations, got {self.held}"
        if not self.peak >= self.in_use:
            yield f"{name} peak must be >= {self.in_use}, which is in use, got {self.peak}"
        for fault in self.spent.faults(now, latest):
            yield f"{name} spent: {fault}"
