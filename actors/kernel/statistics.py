"""A snapshot of one actor, for looking inside: it holds no user data and changes no more."""

from __future__ import annotations

from typing import Literal

import attrs

from actors.kernel.activity import Activity
from actors.kernel.fates import FateCounts

State = Literal["starting", "running", "stopping", "restarting", "ended"]
"""How far the actor of a slot has got."""


@attrs.frozen
class RunningOp:
    """An op at work: which, since when on the Trio clock, and for what it waits.

    Args:
        op: its name.
        since: the instant at which it began.
        waits_for: the ops that have to end first, as "actor.op"; an actor's name alone where it waits for its end.
    """

    op: str
    since: float
    waits_for: tuple[str, ...]

    @classmethod
    def of(cls, activity: Activity) -> RunningOp:
        """Return the snapshot of one activity."""
        labels = {awaited.label for awaited in activity.waits}
        return cls(activity.op, activity.since, tuple(sorted(label for label in labels if label is not None)))


@attrs.frozen
class ActorStatistics:
    """A snapshot of one actor; it holds no user data.

    Args:
        name: the actor's name.
        state: starting, running, stopping, restarting or ended.
        incarnation: number of the current incarnation, from 1; 0 before the first.
        depth: messages in the mailbox, those of waiting senders included.
        capacity: messages the mailbox holds before senders wait.
        running: ops at work, oldest first.
        parked: messages whose answer is deferred.
        messages: counts by fate.
        is_healthy: False after the actor has reported itself unhealthy.
    """

    name: str
    state: State
    incarnation: int
    depth: int
    capacity: int
    running: tuple[RunningOp, ...]
    parked: int
    messages: FateCounts
    is_healthy: bool = True
