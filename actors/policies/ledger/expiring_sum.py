"""A sum whose parts leave at known instants: what is still there, and when how much will have left."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise

import attrs

# Entries that have left stay in front of the lists until they are at least half of them, so that cutting
# them off costs O(1) per entry; below this number cutting is not worth a thought.
_CUT_FROM = 64


@attrs.define(eq=False)
class ExpiringSum:
    """A sum whose parts leave at known instants: a row of candles, and the light they give together.

    The parts stand in the order in which they leave, so what has left by an instant is a binary search, and so
    is the instant by which a given amount has left, over running totals that are made when they are asked for.
    What leaves at the same instant is one part. A deque has no fast middle, hence lists and a `_first` that moves
    on. Whatever the length of the history, a part costs O(1) to add and O(1) to drop, spread over all; a question
    and a change cost O(log n) of the parts present. A part that leaves earlier than some present ones is put in its
    place: these are moved, and their running totals made anew at the next question; the same for a part that is
    changed. They are the calls that were sent later and settled sooner, on average no more than there are calls
    under way.

    Attributes:
        total: the sum of the parts that have not left.
    """

    total: int = attrs.field(default=0, init=False)
    _leaves_at: list[float] = attrs.field(factory=list[float], init=False)
    _amounts: list[int] = attrs.field(factory=list[int], init=False)
    _running: list[int] = attrs.field(factory=list[int], init=False)
    _first: int = attrs.field(default=0, init=False)
    # What had left before it was added, later than some that had: beside the row, so that nothing has to move.
    _late: list[tuple[float, int]] = attrs.field(factory=list[tuple[float, int]], init=False)
    _cut_until: float = attrs.field(default=-math.inf, init=False)

    def add(self, amount: int, leaves_at: float) -> None:
        """Add a part that leaves at an instant; nothing is added for 0.

        One that leaves no later than others have left is remembered as left, and no part of the total.
        """
        if amount == 0:
            return
        if self._first and leaves_at <= self._leaves_at[self._first - 1]:
            self._remember(amount, leaves_at)
            return
        place = bisect_left(self._leaves_at, leaves_at, self._first)
        if place < len(self._leaves_at) and self._leaves_at[place] == leaves_at:
            self._amounts[place] += amount
        else:
            self._leaves_at.insert(place, leaves_at)
            self._amounts.insert(place, amount)
        del self._running[place:]
        self.total += amount

    def amend(self, leaves_at: float, before: int, after: int) -> None:
        """Change a part where it stands: `before` of what leaves at `leaves_at` becomes `after`, 0 for nothing.

        Raises:
            ValueError: not that much leaves at that instant, or it has left; nothing is changed.
        """
        place = bisect_left(self._leaves_at, leaves_at, self._first)
        is_present = place < len(self._leaves_at) and self._leaves_at[place] == leaves_at
        present = self._amounts[place] if is_present else 0
        if not 0 <= before <= present:
            raise ValueError(
                f"before must be >= 0 and <= {present}, which leaves at {leaves_at}, got {before}"
            )
        if after < 0:
            raise ValueError(f"after must be >= 0, got {after}")
        if present == 0:
            self.add(after, leaves_at)
            return
        left = present - before + after
        if left:
            self._amounts[place] = left
        else:
            del self._leaves_at[place], self._amounts[place]
        del self._running[place:]
        self.total += after - before

    def expire(self, now: float) -> None:
        """Drop the parts whose instant has come: a part that leaves at t is gone at t."""
        leaves_at, first = self._leaves_at, self._first
        if first == len(leaves_at) or leaves_at[first] > now:
            return
        first = bisect_right(leaves_at, now, first)
        self.total -= sum(self._amounts[self._first : first])
        self._first = first
        if first >= _CUT_FROM and first * 2 >= len(leaves_at):
            self._cut()

    def gone_at(self, amount: int) -> float:
        """The instant at which at least `amount` of what is present has left; infinity if less is present."""
        self._run_totals()
        gone = self._running[self._first - 1] if self._first else 0
        place = bisect_left(self._running, gone + amount, self._first)
        return self._leaves_at[place] if place < len(self._leaves_at) else math.inf

    def left_since(self, instant: float) -> int | None:
        """How much has left after an instant; None when that was too long ago to be remembered."""
        if instant < self._cut_until:
            return None
        first = bisect_right(self._leaves_at, instant, 0, self._first)
        late = sum(amount for left_at, amount in self._late if left_at > instant)
        return sum(self._amounts[first : self._first]) + late

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
        if not all(earlier < later for earlier, later in pairwise(self._leaves_at)):
            yield "parts must stand in the order in which they leave"
        leave_at = self._leaves_at[self._first :]
        if not all(now < instant <= latest for instant in leave_at):
            yield f"parts must leave after {now} and by {latest}, got {min(leave_at)} to {max(leave_at)}"
        if self._running != list(accumulate(self._amounts))[: len(self._running)]:
            yield "running totals must be those of the parts"

    def _remember(self, amount: int, left_at: float) -> None:
        if left_at <= self._cut_until:
            return
        self._late.append((left_at, amount))
        if len(self._late) >= 2 * _CUT_FROM:
            self._late.sort()
            self._cut_until = self._late[_CUT_FROM - 1][0]
            self._late = [part for part in self._late if part[0] > self._cut_until]

    def _run_totals(self) -> None:
        known = len(self._running)
        if known == len(self._amounts):
            return
        before = self._running.pop() if known else self._amounts[0]
        self._running.extend(accumulate(self._amounts[max(known, 1) :], initial=before))

    def _cut(self) -> None:
        self._cut_until = max(self._cut_until, self._leaves_at[self._first - 1])
        self._late = [part for part in self._late if part[0] > self._cut_until]
        del self._leaves_at[: self._first]
        del self._amounts[: self._first]
        self._running.clear()
        self._first = 0
