"""What is due in an actor: its timers, and the deadline its policy names.

The agenda is asked before each wait and after each instant; it decides nothing but the order: timers first, earliest
first, then the policy's own deadline.
"""

from __future__ import annotations

import math

import attrs
import trio

from actors.kernel.actor import Actor
from actors.kernel.timers import Timer, Timers


@attrs.define(eq=False)
class Agenda:
    """The due things of one incarnation.

    Args:
        actor: whose `next_deadline` and `on_deadline` count.
    """

    actor: Actor
    _timers: Timers = attrs.field(factory=Timers)

    @staticmethod
    def is_needed_by(actor: Actor) -> bool:
        """Return whether `actor` names deadlines of its own, so that it needs an agenda from the start."""
        return type(actor).next_deadline is not Actor.next_deadline

    def arm(self, timer: Timer) -> None:
        """Add a timer."""
        self._timers.arm(timer)

    def next_due(self) -> float:
        """Return the instant at which something is due next, or infinity.

        Raises:
            ValueError: the actor names no instant.
            Exception: whatever the actor's `next_deadline` raises.
        """
        deadline = self.actor.next_deadline()
        if math.isnan(deadline):
            raise ValueError(f"next_deadline of {self.actor.name!r} must be an instant or infinity, got nan")
        return min(deadline, self._timers.next_due())

    def pop_due(self, now: float) -> Timer | None:
        """Remove and return a timer that is due at `now`; None when none is."""
        return self._timers.pop_due(now)

    def pass_deadline(self, now: float) -> None:
        """Let the actor act on its deadline, if it is due.

        Raises:
            RuntimeError: the deadline does not lie in the future afterwards.
        """
        # Held against the clock as it stands after the answer: a policy may well answer "now", and on a real clock
        # that is later than the `now` from before it was asked.
        if self.actor.next_deadline() > trio.current_time():
            return  # what was due has been moved or cancelled meanwhile
        self.actor.on_deadline()
        following = self.actor.next_deadline()
        if following <= now:
            name = self.actor.name
            raise RuntimeError(f"on_deadline of {name!r} left next_deadline at {following}, not after {now}")
