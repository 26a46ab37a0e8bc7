"""How many restarts are too many: budgets, and the sliding window they are spent in. Pure: `now` comes as a value."""

from __future__ import annotations

import math
from collections import deque

import attrs


@attrs.frozen
class Intensity:
    """A budget: how many restarts any window of `period` seconds may hold.

    Args:
        restarts: restarts within one window; the next one is refused. 0 allows none.
        period: length of the window in seconds. A restart counts for less than `period`: one that is exactly
            `period` old has left the window.

    Raises:
        TypeError: `restarts` is no whole number, or `period` no number.
        ValueError: `restarts` is negative, or `period` is not a positive, finite number.
    """

    restarts: int = 3
    period: float = 30.0

    def __attrs_post_init__(self) -> None:
        if type(self.restarts) is not int:
            raise TypeError(f"restarts must be a whole number, got {self.restarts!r}")
        if self.restarts < 0:
            raise ValueError(f"restarts must be >= 0, got {self.restarts}")
        if type(self.period) not in (int, float):
            raise TypeError(f"period must be a number of seconds, got {self.period!r}")
        if not 0 < self.period < math.inf:
            raise ValueError(f"period must be > 0 and finite, got {self.period}")


CHILD_INTENSITY = Intensity(restarts=3, period=30.0)
"""A child's own budget: enough to ride out a hiccup, too little to hide a fault."""

SUPERVISOR_INTENSITY = Intensity(restarts=10, period=30.0)
"""A supervisor's budget over all its children: one bad child does not spend it, a bad neighbourhood does."""


@attrs.define(eq=False)
class RestartWindow:
    """The restarts of the last `period` seconds, each counted from its own instant: a true sliding window.

    Args:
        intensity: the budget.
    """

    intensity: Intensity
    # Of most children none ever restarts: an empty deque would be the largest thing in its record.
    _instants: deque[float] | None = attrs.field(default=None, init=False)

    def count(self, now: float) -> int:
        """Return how many restarts the window that ends `now` holds. Amortized constant time."""
        if self._instants is None:
            return 0
        while self._instants and now - self._instants[0] >= self.intensity.period:
            self._instants.popleft()
        return len(self._instants)

    def has_room(self, now: float) -> bool:
        """Whether one more restart is within the budget."""
        return self.count(now) < self.intensity.restarts

    def change(self, intensity: Intensity, now: float) -> None:
        """Go on with another budget. What has left the window by now does not come back into a longer one."""
        self.count(now)
        self.intensity = intensity

    def add(self, now: float) -> None:
        """Note a restart.

        Raises:
            ValueError: the budget is spent, or `now` lies before the last restart; nothing is noted.
        """
        if self._instants and now < self._instants[-1]:
            raise ValueError(f"now must be >= {self._instants[-1]}, got {now}")
        if not self.has_room(now):
            raise ValueError(f"the window holds its {self.intensity.restarts} restarts already")
        if self._instants is None:
            self._instants = deque()
        self._instants.append(now)
