"""What happens to a pool beyond what happens to any supervisor's children, as values. They hold no user data.

A pool tells them to its own observer and to whoever follows the events of the tree; observers above it hear of its
workers' starts and ends alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from supervisors.events import LifecycleEvent


@attrs.frozen
class WorkerStuck:
    """An op of a worker has been at work too long; the worker is killed in this instant.

    Args:
        supervisor: the pool's path from the root: "supervisor/readers".
        child: the worker's id.
        incarnation: number of its incarnation, from 1.
        op: the name of the op.
        since: instant on the Trio clock at which the op began, seconds.
        at: this instant.
    """

    supervisor: str
    child: str
    incarnation: int
    op: str
    since: float
    at: float


@attrs.frozen
class WorkerReplaced:
    """The place of a worker that was stuck serves again, and handles what waited for it, in order.

    `is_left_behind` says whether the stuck one still runs, since it shields itself: then its successor plays in a new
    slot, whose incarnations count from 1. `took` is the time from the kill to this instant, in seconds.
    """

    supervisor: str
    child: str
    incarnation: int
    is_left_behind: bool
    took: float
    at: float


@attrs.frozen
class PoolResized:
    """A pool has as many workers as was asked for: the new ones serve, the surplus ones have ended."""

    supervisor: str
    before: int
    after: int
    at: float


PoolEvent: TypeAlias = WorkerStuck | WorkerReplaced | PoolResized
"""Whatever a pool tells of besides the starts, crashes and stops of its workers."""

OnPoolEvent: TypeAlias = Callable[[PoolEvent | LifecycleEvent], object]
"""Who is told by a pool."""
