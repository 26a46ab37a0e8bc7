"""A virtual clock for runs in which nothing comes from outside."""

from __future__ import annotations

import math

import attrs
import trio


@attrs.define(eq=False)
class JumpingClock(trio.abc.Clock):
    """Shows the next deadline as soon as every task waits: a book whose pages without text are skipped.

    Trio's `MockClock(autojump_threshold=0)` shows the same instants in the same order. It first goes once more round
    the loop, to see whether a thread or a socket has something to say, and asks the real clock each time it is read:
    3 % of what a soak takes. Here there are none, and so this one is not for tests that have them: it jumps while they
    are at work.
    """

    _now: float = attrs.field(default=0.0, init=False)

    def start_clock(self) -> None:
        """Begin at 0."""

    def current_time(self) -> float:
        """Return the instant that it shows."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Go on to `deadline`, for which Trio asks when no task can run; without any, nothing can ever happen."""
        if deadline == math.inf:
            return math.inf
        self._now += max(0.0, deadline - self._now)  # rounded as by MockClock
        return 0.0
