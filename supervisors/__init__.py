"""Supervision on Trio: trees that restart, fail over and stop in order, and the runtime composed of them."""

from __future__ import annotations

from supervisors.backoff import Backoff
from supervisors.child import ChildCounts, ChildState, ChildStatus
from supervisors.child_spec import ChildSpec
from supervisors.events import (
    ChildCrashed,
    ChildGivenUp,
    ChildOverdue,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    Escalated,
    LifecycleEvent,
)
from supervisors.intensity import Intensity
from supervisors.supervisor import Supervisor
from supervisors.tree import Tree, open_supervisor

__all__ = [
    "Backoff",
    "ChildCounts",
    "ChildCrashed",
    "ChildGivenUp",
    "ChildOverdue",
    "ChildRestarting",
    "ChildSpec",
    "ChildStarted",
    "ChildState",
    "ChildStatus",
    "ChildStopped",
    "Escalated",
    "Intensity",
    "LifecycleEvent",
    "Supervisor",
    "Tree",
    "open_supervisor",
]
