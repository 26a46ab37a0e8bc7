"""What is due in an actor: its timers, and the deadline its policy names.

The agenda is asked before each wait and after each instant; it decides nothing but the order: timers first, earliest
first, then the policy's own deadline.
"""

from __future__ import annotations

import math

import attrs
import trio

from actors.kernel.actor import Actor
from actors.kernel.envelope import Envelope
from actors.kernel.mailbox import Mailbox
from actors.kernel.post_mortem import annotate
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

    async def next(self, mailbox: Mailbox) -> Envelope | None:
        """Return what is to be served next: a timer's message or one that arrives. None after a nudge or a deadline.

        Raises:
            ValueError, RuntimeError: the actor names no instant, or one that does not lie in the future afterwards.
            Exception: whatever the actor's `next_deadline` and `on_deadline` raise.
        """
        due = self._next_due()
        if due == math.inf:
            return mailbox.taken(await mailbox.arrival())
        if due <= trio.current_time():
            await trio.lowlevel.checkpoint()
            return self._fire(mailbox, trio.current_time())
        with trio.CancelScope(deadline=due):
            return mailbox.taken(await mailbox.arrival())
        return None

    def _next_due(self) -> float:
        try:
            deadline = self.actor.next_deadline()
        except Exception as error:
            annotate(error, "in next_deadline")
            raise
        if math.isnan(deadline):
            raise ValueError(f"next_deadline of {self.actor.name!r} must be an instant or infinity, got nan")
        return min(deadline, self._timers.next_due())

    def _fire(self, mailbox: Mailbox, now: float) -> Envelope | None:
        timer = self._timers.pop_due(now)
        if timer is not None:
            mailbox.tally.sent += 1
            return Envelope(timer.message, mailbox)
        try:
            self._pass_deadline(now)
        except Exception as error:
            annotate(error, "in on_deadline")
            raise
        return None

    def _pass_deadline(self, now: float) -> None:
        """Let the actor act on its deadline, if it is due; afterwards it must lie in the future."""
        # Held against the clock as it stands after the answer: a policy may well answer "now", and on a real clock
        # that is later than the `now` from before it was asked.
        if self.actor.next_deadline() > trio.current_time():
            return  # what was due has been moved or cancelled meanwhile
        self.actor.on_deadline()
        following = self.actor.next_deadline()
        if following <= now:
            name = self.actor.name
            raise RuntimeError(f"on_deadline of {name!r} left next_deadline at {following}, not after {now}")
