"""From when on an answer may have been produced: the reservations whose output is not held yet, by their grants."""

from __future__ import annotations

import math
from collections import deque

import attrs

from actors.policies.ledger.records import ReservationId

# An answer takes the way there and the way back beside the time to produce it, and the next request is counted a way
# later than it is sent: three ways lie between what was seen of the quickest answer and what is certain.
_WAYS = 3


@attrs.define(eq=False)
class Ripening:
    """A shelf of cheeses: what has lain there longer than the quickest ever took may be ripe.

    Args:
        slack: the longest one way over the network takes, seconds.
    """

    slack: float
    _unripe: deque[tuple[float, ReservationId]] = attrs.field(
        factory=deque[tuple[float, ReservationId]], init=False
    )
    _quickest: float = attrs.field(default=math.inf, init=False)

    def put(self, reservation_id: ReservationId, granted_at: float) -> None:
        """Put one on the shelf; grants come in order of time."""
        self._unripe.append((granted_at, reservation_id))

    def learn(self, seconds: float) -> None:
        """Note how long an answer took, from its sending to its arrival."""
        self._quickest = min(self._quickest, seconds)

    @property
    def certain(self) -> float:
        """Seconds from a grant in which no answer can have been produced; 0 as long as none was seen."""
        return max(0.0, self._quickest - _WAYS * self.slack) if self._quickest < math.inf else 0.0

    def first_ripe(self, now: float) -> ReservationId | None:
        """The first on the shelf if it may be ripe."""
        if self._unripe and now > self._unripe[0][0] and now - self._unripe[0][0] > self.certain:
            return self._unripe[0][1]
        return None

    def drop_first(self) -> None:
        """Take the first from the shelf."""
        self._unripe.popleft()
