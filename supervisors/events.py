"""What happens to children, as values: for a log, a board or a test to follow. They hold no user data.

The `reason` of a stop is the kernel's: "normal" (it finished), "stopped" (as asked), "killed" (its grace ran out),
"declined" (it did not want to start now), "cancelled" (with the block around the tree).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from actors.kernel.heritage import Heritage
from supervisors.restart import Budget, ExitReason


@attrs.frozen
class ChildStarted:
    """A child's `setup` has ended and it serves messages.

    Args:
        supervisor: the supervisor's path from the root: "supervisor/readers".
        child: the child's id.
        incarnation: number of the incarnation, from 1.
        state: "new"; or, where the spec asks to keep the state over restarts, "kept" or "cold".
        at: instant on the Trio clock, seconds.
    """

    supervisor: str
    child: str
    incarnation: int
    state: Heritage
    at: float


@attrs.frozen
class ChildCrashed:
    """A child ended by an error nobody declared, or did not start. `error` is the name of the error's type."""

    supervisor: str
    child: str
    incarnation: int
    error: str
    at: float


@attrs.frozen
class ChildStopped:
    """A child ended otherwise. `error` names the type of what went wrong while it stopped, or is empty."""

    supervisor: str
    child: str
    incarnation: int
    reason: ExitReason
    error: str
    at: float


@attrs.frozen
class ChildRestarting:
    """A child will be started again in `delay` seconds; its messages wait. `incarnation` is the one that ended."""

    supervisor: str
    child: str
    incarnation: int
    delay: float
    at: float


@attrs.frozen
class ChildOverdue:
    """A child has not ended although its grace and the time for its teardown are over: it shields itself.

    Nobody waits for it any longer but the end of the tree, which cannot be reached without it.
    """

    supervisor: str
    child: str
    incarnation: int
    grace: float
    at: float


@attrs.frozen
class ChildGivenUp:
    """A child is not started again by the rules, because a budget is spent: its own or its supervisor's."""

    supervisor: str
    child: str
    incarnation: int
    budget: Budget
    restarts: int
    period: float
    at: float


@attrs.frozen
class Escalated:
    """The supervisor stops all its children and ends with an error, because of `child`."""

    supervisor: str
    child: str
    at: float


@attrs.frozen
class AutoShutDown:
    """The supervisor stops all its children and ends normally, since significant ones have ended, `child` last."""

    supervisor: str
    child: str
    at: float


LifecycleEvent: TypeAlias = (
    ChildStarted
    | ChildCrashed
    | ChildStopped
    | ChildRestarting
    | ChildOverdue
    | ChildGivenUp
    | Escalated
    | AutoShutDown
)
"""Whatever a supervisor tells of."""

OnEvent: TypeAlias = Callable[[LifecycleEvent], object]


def unobserved(_event: object) -> None:
    """Let the event pass by."""
