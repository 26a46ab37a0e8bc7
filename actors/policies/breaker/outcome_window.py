"""What became of the calls of the last seconds, and how sure a share of them is."""

from __future__ import annotations

import math
from collections import deque

import attrs

from actors.policies.instants import add_up

Z = 1.96
"""Standard deviations of a bound that holds in 95 of 100 cases."""


@attrs.define(eq=False)
class Counted:
    """One call as a window counts it, to be told to the window again if more becomes known of it.

    Attributes:
        leaves_at: instant from which on it counts no more.
        is_failure: whether it failed.
        is_slow: whether it was slow; it may be both.
        is_present: whether it counts.
    """

    leaves_at: float
    is_failure: bool
    is_slow: bool
    is_present: bool = True


@attrs.define(eq=False)
class OutcomeWindow:
    """Outcomes of the last seconds: a guest book from which the pages of yesterday are torn.

    Every outcome has its own instant and leaves `seconds` after it, none early and none late, as it would with buckets.
    An outcome costs O(1) to add and O(1) to drop, spread over all. It decides nothing.

    Args:
        seconds: how long an outcome counts.

    Attributes:
        calls: how many count.
        failures: how many of them failed.
        slow: how many of them were slow.
    """

    seconds: float
    calls: int = attrs.field(default=0, init=False)
    failures: int = attrs.field(default=0, init=False)
    slow: int = attrs.field(default=0, init=False)
    _counted: deque[Counted] = attrs.field(factory=deque[Counted], init=False)

    @property
    def failure_rate(self) -> float:
        """Share of failures, 0 to 1; 0 where nothing counts."""
        return self.failures / self.calls if self.calls else 0.0

    @property
    def slow_rate(self) -> float:
        """Share of slow calls, 0 to 1; 0 where nothing counts."""
        return self.slow / self.calls if self.calls else 0.0

    def add(self, now: float, *, is_failure: bool = False, is_slow: bool = False) -> Counted:
        """Count one call from now on."""
        self.expire(now)
        counted = Counted(add_up(now, self.seconds), is_failure, is_slow)
        self._counted.append(counted)
        self._weigh(counted, 1)
        return counted

    def withdraw(self, counted: Counted) -> None:
        """Count one no more, because it is to be counted anew with more that is known; nothing if it has left."""
        if counted.is_present:
            counted.is_present = False
            self._weigh(counted, -1)

    def expire(self, now: float) -> None:
        """Drop what has left: an outcome of t has left at t + `seconds`."""
        while self._counted and self._counted[0].leaves_at <= now:
            self.withdraw(self._counted.popleft())

    def clear(self) -> None:
        """Forget everything."""
        while self._counted:
            self.withdraw(self._counted.popleft())

    def _weigh(self, counted: Counted, weight: int) -> None:
        self.calls += weight
        self.failures += weight * counted.is_failure
        self.slow += weight * counted.is_slow


def surely(part: int, whole: int) -> float:
    """Return the share that `part` of `whole` shows beyond reasonable doubt: the lower bound of Wilson's interval.

    It takes the place of a smallest number of calls. All of 3 show 0.44, all of 5 show 0.57, all of 100 show 0.96; half
    of 10 show 0.24, half of 1,000 show 0.47. It is 0 for nothing of anything, and for a part of nothing.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", at z = 1.96.
    """
    if part == 0:
        return 0.0
    spread = math.sqrt(part * (whole - part) / whole + Z * Z / 4)
    return (part + Z * Z / 2 - Z * spread) / (whole + Z * Z)
