"""Timers of one incarnation: messages due at an instant, in a heap."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count

import attrs

SWEEP_FROM = 64
"""Cancelled timers below which a sweep is not worth its cost."""


@attrs.define(eq=False)
class Timer:
    """A message due at `when`; `cancel` it if it is no longer wanted. It ends with its incarnation."""

    when: float
    message: object
    interval: float | None = None
    is_cancelled: bool = False
    on_cancel: Callable[[], object] | None = None

    def cancel(self) -> None:
        """Let it not fire. Cancelling twice, or after it fired, changes nothing."""
        if not self.is_cancelled:
            self.is_cancelled = True
            if self.on_cancel is not None:
                self.on_cancel()


@attrs.define(eq=False)
class Timers:
    """The due messages, earliest first, in order of arming where they are due together."""

    _heap: list[tuple[float, int, Timer]] = attrs.field(factory=list[tuple[float, int, Timer]])
    _order: count[int] = attrs.field(factory=count)
    _cancelled: int = 0

    def arm(self, timer: Timer) -> None:
        """Add `timer`."""
        timer.on_cancel = self._count_cancelled
        heapq.heappush(self._heap, (timer.when, next(self._order), timer))

    def next_due(self) -> float:
        """Return the instant of the earliest timer that is not cancelled, or infinity."""
        while self._heap and self._heap[0][2].is_cancelled:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0][0] if self._heap else math.inf

    def pop_due(self, now: float) -> Timer | None:
        """Remove and return the earliest timer due at `now`, rearmed if it is periodic; None when none is due.

        A periodic timer that is late by more than its interval skips what it missed.
        """
        if self.next_due() > now:
            return None
        timer = heapq.heappop(self._heap)[2]
        timer.on_cancel = None
        if timer.interval is not None:
            timer.when += timer.interval
            if timer.when <= now:
                timer.when = now + timer.interval
            self.arm(timer)
        return timer

    def _count_cancelled(self) -> None:
        """Sweep once half of the heap is cancelled: timers that are always cancelled must not pile up."""
        self._cancelled += 1
        if self._cancelled > len(self._heap) // 2 and self._cancelled > SWEEP_FROM:
            self._heap = [entry for entry in self._heap if not entry[2].is_cancelled]
            heapq.heapify(self._heap)
            self._cancelled = 0
