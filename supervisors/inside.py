"""What a supervisor shows of its inside to whoever takes a snapshot of the tree.

It is a window, not a door: nothing can be changed through it, and what is seen is passed on only as plain values. The
window is open at any moment, also while its supervisor starts, stops or is stuck, since nobody has to answer.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import attrs

from actors.kernel.slot import Slot
from supervisors.child import Kind
from supervisors.restart import RestartType
from supervisors.scope import Scope


@attrs.frozen
class ChildView:
    """One child as its supervisor sees it.

    Args:
        id: the child's id.
        slot: where it plays.
        restart: its restart type.
        kind: whether its last actor kept children; between two incarnations nothing else tells.
        name: under which the registry has it, or None.
        restarts: how often it was started again since it was started.
        is_significant: whether its end may end the supervisor.
        error: the name of the type of its last error, empty without one.
        role: what it is among its siblings, such as "primary", empty where all are alike.
    """

    id: str
    slot: Slot
    restart: RestartType
    kind: Kind = "worker"
    name: str | None = None
    restarts: int = 0
    is_significant: bool = False
    error: str = ""
    role: str = ""


@attrs.frozen
class Inside:
    """What a supervisor keeps.

    Args:
        strategy: how it keeps them: "one_for_one", "dynamic", "failover", "pool" and so on.
        children: in start order.
        scope: where it stands in its tree, or None before it has begun to start.
    """

    strategy: str
    children: tuple[ChildView, ...] = ()
    scope: Scope | None = None


@runtime_checkable
class Supervising(Protocol):
    """An actor that keeps other actors."""

    def look_inside(self) -> Inside:
        """Return what it keeps: at once, at any moment of its life, and without changing anything."""
        ...


def inside_of(slot: Slot) -> Inside | None:
    """Return what the actor in `slot` keeps, or None where none plays that keeps any."""
    actor = slot.actor
    if not hasattr(actor, "look_inside"):
        return None  # most actors: to hold one against the whole protocol takes as long as all else of a snapshot
    return actor.look_inside() if isinstance(actor, Supervising) else None


def scope_within(slot: Slot) -> Scope | None:
    """Return where the supervisor in `slot` stands in its tree, or None where none has got so far."""
    inside = inside_of(slot)
    return None if inside is None else inside.scope
