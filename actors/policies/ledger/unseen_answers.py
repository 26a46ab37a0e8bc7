"""The answers that may have been produced and have not been seen: how many, and how long the latest of them may be."""

from __future__ import annotations

import math
from collections import OrderedDict

import attrs

from actors.policies.ledger.records import ReservationId

MEMORY = 128
"""Answers after which a pace that was not reached again counts for a third of its excess: it follows in minutes."""

PATIENCE = 2.0
"""Times that the longest answer would have taken, after which what has not come is no answer but a dead line."""


@attrs.frozen
class _Awaited:
    granted_at: float
    expected: int
    foreseen: int


@attrs.define(eq=False)
class UnseenAnswers:
    """A waiting room at a workshop: who is in there for long has ordered something big, or nobody will call.

    An answer is produced word by word. One that is out for longer than the usual one is longer than the usual one, and
    by now perhaps `pace * age` tokens long, up to what is foreseen of any. When it ends is not known; that it is late
    is. One that is out for `PATIENCE` times as long as the longest would take is not late, but lost: nobody waits for
    it any more, though what was held for it stays held.

    Of several that are late the one that is out for longest is taken for all: that two of them end in the same instant
    is rare. Every verb is O(1).

    Attributes:
        pace: output tokens per second of the quickest recent answer, from its sending to its arrival; 0 before there
            was one.
    """

    pace: float = attrs.field(default=0.0, init=False)
    # In the order in which they became so, which is that of their grants but for a few.
    _awaited: OrderedDict[ReservationId, _Awaited] = attrs.field(
        factory=OrderedDict[ReservationId, _Awaited], init=False
    )

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._awaited)

    @property
    def next_lost(self) -> float:
        """The instant at which the oldest is given up; infinity where there is none, or no pace is known."""
        if not self._awaited or not self.pace:
            return math.inf
        first = next(iter(self._awaited.values()))
        return first.granted_at + PATIENCE * first.foreseen / self.pace

    def learn(self, seconds: float, tokens: int) -> None:
        """Note how long an answer took, from its sending to its arrival, and its length; an empty one says nothing."""
        if seconds > 0 and tokens:
            self.pace = max(self.pace * (1 - 1 / MEMORY), tokens / seconds)

    def seconds_for(self, tokens: int) -> float:
        """How long an answer of so many tokens takes at that pace; infinity where none is known."""
        return tokens / self.pace if self.pace else math.inf

    def put(self, reservation_id: ReservationId, granted_at: float, expected: int, foreseen: int) -> None:
        """Await an answer.

        Args:
            reservation_id: its call.
            granted_at: when that was granted.
            expected: output tokens that are held for it.
            foreseen: output tokens that it will not exceed, by all that is known.
        """
        self._awaited[reservation_id] = _Awaited(granted_at, expected, max(expected, foreseen))

    def forget(self, reservation_id: ReservationId) -> None:
        """Await it no more, if it is."""
        self._awaited.pop(reservation_id, None)

    def give_up(self, now: float) -> bool:
        """Await those no more that are lost by `now`; whether there were any."""
        count = len(self._awaited)
        while self.next_lost <= now:
            self._awaited.popitem(last=False)
        return len(self._awaited) < count

    def beyond(self, now: float) -> int:
        """How many tokens the one that is out for longest may be longer than is held for it. Call `give_up` before."""
        if not self._awaited:
            return 0
        first = next(iter(self._awaited.values()))
        produced = math.ceil(self.pace * (now - first.granted_at))
        return max(0, min(first.foreseen, produced) - first.expected)
