"""The states that a breaker has gone through, each with a number, and the changes from one to the next."""

from __future__ import annotations

from collections import deque

import attrs

from actors.policies.breaker.records import BreakerChange, BreakerState

CHANGES_KEPT = 100
"""Changes that are kept for whoever takes them: many more than one verb makes, so only who never does loses any."""


@attrs.define(eq=False)
class Generations:
    """A ship's log: which watch it is, and an entry for every change of the watch.

    Attributes:
        state: the present state.
        number: the present generation.
    """

    state: BreakerState = attrs.field(default="closed", init=False)
    number: int = attrs.field(default=0, init=False)
    _changes: deque[BreakerChange] = attrs.field(
        factory=lambda: deque[BreakerChange](maxlen=CHANGES_KEPT), init=False
    )

    def begin(self) -> None:
        """Begin a generation in the same state: what was sent before is late from now on."""
        self.number += 1

    def enter(self, state: BreakerState, now: float, reason: str, retry_at: float | None) -> BreakerChange:
        """Go to another state, and begin a generation with it."""
        self.begin()
        change = BreakerChange(now, self.state, state, self.number, reason, retry_at)
        self.state = state
        self._changes.append(change)
        return change

    def take_changes(self) -> tuple[BreakerChange, ...]:
        """Return the changes since the last time, oldest first."""
        changes = tuple(self._changes)
        self._changes.clear()
        return changes
