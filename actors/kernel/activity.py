"""Who works on what and waits for whom: the wait-for graph that finds ask cycles before they close.

An *activity* is one running op. An activity that asks waits for an envelope; an envelope waits for the activity that
serves it, or, while it lies in a mailbox, for the activity that holds that mailbox (a running in-order op). An ask
is refused when following these edges from its recipient leads back to the asking activity. The walk sees every
activity of the process, so two actors that ask each other from two unrelated requests are caught as well as A asks B
asks A, and a self-ask is the shortest case.

A concurrent op and a stream hold no mailbox: a cycle through one of them is no deadlock and is let through, unless
its own asker holds the mailbox it turns to. A parked (deferred) message waits for nobody in particular and ends the
walk.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

import attrs


class Awaited(Protocol):
    """Something an activity waits for: a message on its way or being served."""

    @property
    def blocker(self) -> Activity | None:
        """The activity that must end first, or None when that is not known."""
        ...

    @property
    def label(self) -> str | None:
        """How what must end first is shown, "actor.op"; None when it has ended."""
        ...


@attrs.define(eq=False)
class Activity:
    """One running op of one actor.

    Args:
        actor: the actor's name.
        op: the op's name.
        since: instant on the Trio clock at which it started.
        waits: what it has asked for and not got back.
    """

    actor: str
    op: str
    since: float
    waits: set[Awaited] = attrs.field(factory=set["Awaited"])

    @property
    def label(self) -> str:
        """How it is shown: "actor.op"."""
        return f"{self.actor}.{self.op}"


current_activity: ContextVar[Activity | None] = ContextVar("understudy_activity", default=None)
"""The op this task works for, or None outside of actors and in their background tasks."""


def find_cycle(asking: Activity, holder: Activity | None) -> tuple[str, ...] | None:
    """Return the path an ask would close, or None when it closes none.

    Args:
        asking: the activity that is about to ask.
        holder: the activity that holds the recipient's mailbox, or None when it is free.

    Returns:
        Labels from `asking` through those it would wait for, back to `asking`.
    """
    came_from: dict[Activity, Activity] = {}
    open_ends = [] if holder is None else [holder]
    while open_ends:
        activity = open_ends.pop()
        if activity is asking:
            return _path(asking, came_from)
        for awaited in activity.waits:
            blocker = awaited.blocker
            if blocker is not None and blocker not in came_from:
                came_from[blocker] = activity
                open_ends.append(blocker)
    return None


def awaited_by(activity: Activity | None) -> set[Awaited]:
    """Return all that `activity` waits for, directly or through others; nothing for None."""
    found: set[Awaited] = set()
    seen: set[Activity | None] = {None}
    open_ends = [activity]
    while open_ends:
        reached = open_ends.pop()
        if reached is not None and reached not in seen:
            seen.add(reached)
            found |= reached.waits
            open_ends += [awaited.blocker for awaited in reached.waits]
    return found


def _path(asking: Activity, came_from: dict[Activity, Activity]) -> tuple[str, ...]:
    labels = [asking.label]
    step = came_from.get(asking)
    while step is not None:
        labels.append(step.label)
        step = came_from.get(step)
    return (asking.label, *reversed(labels))
