"""Answers that are longer in coming than usual, and so are longer than usual: what they may have produced by now."""

from __future__ import annotations

import heapq
import math

import attrs

from actors.policies.ledger.records import ReservationId

MEMORY = 128
"""Answers by which the pace is known: one that is older by so many counts for a third of a new one."""


@attrs.define(eq=False)
class _Awaited:
    granted_at: float
    expected: int
    most: int
    is_late: bool = False


@attrs.define(eq=False)
class LateAnswers:
    """A waiting room at a workshop: who is in there for long has ordered something big.

    An answer is produced word by word. One that has not come when the usual one of its kind has is still being
    produced, and by now probably `pace * age` tokens long. It is not known when it ends; that it is late is known.

    Every verb is O(1), or O(log n) of the answers that are awaited.

    Attributes:
        count: how many are late.
    """

    count: int = attrs.field(default=0, init=False)
    _tokens: float = attrs.field(default=0.0, init=False)
    _seconds: float = attrs.field(default=0.0, init=False)
    # By id: when it was granted, what was expected of it, and the most it may be; and whether it is counted as late.
    _awaited: dict[ReservationId, _Awaited] = attrs.field(factory=dict[ReservationId, _Awaited], init=False)
    # By the instant at which each is late. Who is answered before leaves its slip here until then.
    _by_due: list[tuple[float, ReservationId]] = attrs.field(
        factory=list[tuple[float, ReservationId]], init=False
    )
    # Of those that are late: the sums of their grants' instants, of what was expected, and of the most they may be.
    _granted: float = attrs.field(default=0.0, init=False)
    _expected: int = attrs.field(default=0, init=False)
    _most: int = attrs.field(default=0, init=False)

    @property
    def pace(self) -> float:
        """Output tokens per second, from the sending of a request to its answer; 0 before one is known."""
        return self._tokens / self._seconds if self._seconds > 0 else 0.0

    def learn(self, seconds: float, tokens: int) -> None:
        """Note how long an answer took, from its sending to its arrival, and how long it was."""
        kept = 1 - 1 / MEMORY
        self._seconds = self._seconds * kept + seconds
        self._tokens = self._tokens * kept + tokens

    def put(self, reservation_id: ReservationId, granted_at: float, expected: int, most: int) -> None:
        """Await an answer of which `expected` tokens are held, and that may be `most`."""
        if self.pace > 0 and most > expected:
            self._awaited[reservation_id] = _Awaited(granted_at, expected, most)
            heapq.heappush(self._by_due, (granted_at + expected / self.pace, reservation_id))

    def forget(self, reservation_id: ReservationId) -> None:
        """Await it no more, if it is."""
        awaited = self._awaited.pop(reservation_id, None)
        if awaited is not None and awaited.is_late:
            self._count(awaited, -1)

    def beyond(self, now: float) -> int:
        """How many tokens those that are late have probably produced beyond what was expected of them.

        At most what they may be. 0 when none is late.
        """
        while self._by_due and self._by_due[0][0] < now:
            awaited = self._awaited.get(heapq.heappop(self._by_due)[1])
            if awaited is not None:
                awaited.is_late = True
                self._count(awaited, 1)
        if not self.count:
            return 0
        produced = self.pace * (self.count * now - self._granted)
        return max(0, min(self._most, math.ceil(produced)) - self._expected)

    def _count(self, awaited: _Awaited, sign: int) -> None:
        self.count += sign
        # Sums of many instants forget their last bits: they begin anew whenever nobody is late.
        self._granted = self._granted + sign * awaited.granted_at if self.count else 0.0
        self._expected += sign * awaited.expected
        self._most += sign * awaited.most
