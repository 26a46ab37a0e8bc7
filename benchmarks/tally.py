"""What became of the calls of one run, whoever made them: the runtime or the yardstick."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import attrs

Ending = Literal["completed", "failed", "refused", "lost"]
"""Answered; given up after it was sent; turned away for want of capacity; or without any end."""


@attrs.define(eq=False)
class Tally:
    """Notes when each call was wanted, when its first request left, and how it ended.

    The wait of a call is the time between the first two: what happens on the way to an answer is not waiting.
    """

    sent: int = 0
    endings: Counter[Ending] = attrs.field(factory=Counter[Ending])
    last_completed_at: float = -math.inf
    waits: list[float] = attrs.field(factory=list[float])
    _wanted_at: dict[int, float] = attrs.field(factory=dict[int, float])
    _waited: dict[int, float] = attrs.field(factory=dict[int, float])

    @property
    def ended(self) -> int:
        """How many calls have come to an end."""
        return self.endings.total()

    def want(self, number: int, now: float) -> None:
        """Note that a call is wanted."""
        self._wanted_at[number] = now

    def send(self, number: int, now: float) -> None:
        """Note that a request of a call leaves."""
        self.sent += 1
        if number not in self._waited:
            self._waited[number] = now - self._wanted_at[number]

    def end(self, number: int, ending: Ending, now: float) -> None:
        """Note how a call ended."""
        self.endings[ending] += 1
        self._wanted_at.pop(number)
        waited = self._waited.pop(number, None)
        if ending == "completed":
            assert waited is not None
            self.waits.append(waited)
            self.last_completed_at = now


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that at least `share` of them do not exceed, 0 for none of them."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
