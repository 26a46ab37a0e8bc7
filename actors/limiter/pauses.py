"""A limiter's side of the pauses of its pool: what it tells their keeper, and what it does at its word."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from actors.cooldown import Cooldown
from actors.kernel import Ref
from actors.limiter.memory import LimiterMemory
from actors.policies.cooldown.ramp import Outcome
from actors.policies.cooldown.records import Pause, Trouble


@attrs.define(eq=False)
class Pauses:
    """The line to the lighthouse: what happens out here is reported to it, and its signal is obeyed.

    A refusal shuts the gate in the same instant, before what it frees can be granted to the next one; for how long is
    the word of the keeper: the cooldown that the pool's users share, or the limiter's own where it has none.

    Args:
        memory: where the gate is, and the limiter's own cooldown.
        pool: the name of the pool for the keeper.
        shared: the keeper, or None.
        listener: is told of the keeper's pauses.
        name: of the listener.
    """

    memory: LimiterMemory
    pool: str
    shared: Ref[Cooldown] | None
    listener: Callable[[Pause], object]
    name: str

    def subscribe(self) -> None:
        """Ask to be told of every pause, again and again: a keeper that has lost its books has lost us with them."""
        if self.shared is not None:
            self.shared.tell_regardless(Cooldown.subscribe(self.pool, self.listener, self.name))

    def settled(self, outcome: Outcome, granted_at: float, now: float) -> None:
        """Take in how a call went that was no trouble; a success ends a row of them."""
        if self.memory.ramp.settled(outcome, granted_at=granted_at, now=now):
            self.memory.cooldown.succeeded(now, granted_at)
            if self.shared is not None:
                self.shared.tell_regardless(Cooldown.succeeded(self.pool, granted_at))

    def refused(self, trouble: Trouble, granted_at: float, now: float) -> None:
        """Shut the gate at once, and ask for how long."""
        if trouble.kind == "spend_cap":
            return  # no waiting cures it, and it is not tried again
        if trouble.kind == "rate":
            self.memory.unlearn(now)
        if self.shared is None:
            self.obey(self.memory.cooldown.hear(trouble, now), now)
            return
        self.memory.ramp.settled("trouble", granted_at=granted_at, now=now)
        self.subscribe()
        self.shared.tell_regardless(Cooldown.hear(self.pool, trouble))

    def obey(self, pause: Pause, now: float) -> None:
        """Keep the gate shut until a pause is over, or open it."""
        if pause.kind == "cleared":
            self.memory.ramp.lift(now)
        elif pause.until > now:
            self.memory.ramp.pause(pause.until, now)
