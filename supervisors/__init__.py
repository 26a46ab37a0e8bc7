"""Supervision on Trio: trees that restart, fail over and stop in order, and the runtime composed of them.

A name is imported when it is first asked for, so that the command, which lives further down, can tell of its options
or of a Ctrl-C without waiting for Trio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisors.backoff import Backoff
    from supervisors.child import ChildCounts, ChildState, ChildStatus
    from supervisors.child_spec import ChildSpec
    from supervisors.child_template import ChildTemplate
    from supervisors.dependencies import Strategy
    from supervisors.dynamic import DynamicSupervisor
    from supervisors.dynamic_tree import DynamicTree, open_dynamic_supervisor
    from supervisors.event_feed import EventsMissed, EventStream
    from supervisors.events import (
        AutoShutDown,
        ChildCrashed,
        ChildGivenUp,
        ChildOverdue,
        ChildRestarting,
        ChildStarted,
        ChildStopped,
        Escalated,
        LifecycleEvent,
    )
    from supervisors.failover.events import (
        FailedBack,
        FailoverEvent,
        LastKept,
        MemberDown,
        MemberFit,
        MemberPromoted,
        ProbeFailed,
    )
    from supervisors.failover.group import FailoverGroup
    from supervisors.failover.ref import FailoverRef, open_failover_group
    from supervisors.failover.statistics import FailoverStatistics, MemberStatistics
    from supervisors.intensity import Intensity
    from supervisors.owner import AutoShutdown
    from supervisors.pool.events import PoolEvent, PoolResized, WorkerReplaced, WorkerStuck
    from supervisors.pool.handle import PoolHandle, open_pool
    from supervisors.pool.pool import Pool
    from supervisors.pool.table import PoolStatistics, WorkerStatistics
    from supervisors.registry import Registry
    from supervisors.scope import current_registry
    from supervisors.snapshot import ActorSnapshot, OpSnapshot, TreeSnapshot
    from supervisors.supervisor import Supervisor
    from supervisors.tree import Tree, open_supervisor
    from supervisors.tree_handle import TreeHandle

__all__ = [
    "ActorSnapshot",
    "AutoShutDown",
    "AutoShutdown",
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
    "ChildTemplate",
    "DynamicSupervisor",
    "DynamicTree",
    "Escalated",
    "EventStream",
    "EventsMissed",
    "FailedBack",
    "FailoverEvent",
    "FailoverGroup",
    "FailoverRef",
    "FailoverStatistics",
    "Intensity",
    "LastKept",
    "LifecycleEvent",
    "MemberDown",
    "MemberFit",
    "MemberPromoted",
    "MemberStatistics",
    "OpSnapshot",
    "Pool",
    "PoolEvent",
    "PoolHandle",
    "PoolResized",
    "PoolStatistics",
    "ProbeFailed",
    "Registry",
    "Strategy",
    "Supervisor",
    "Tree",
    "TreeHandle",
    "TreeSnapshot",
    "WorkerReplaced",
    "WorkerStatistics",
    "WorkerStuck",
    "current_registry",
    "open_dynamic_supervisor",
    "open_failover_group",
    "open_pool",
    "open_supervisor",
]

_HOMES = {
    "ActorSnapshot": "snapshot",
    "AutoShutDown": "events",
    "AutoShutdown": "owner",
    "Backoff": "backoff",
    "ChildCounts": "child",
    "ChildCrashed": "events",
    "ChildGivenUp": "events",
    "ChildOverdue": "events",
    "ChildRestarting": "events",
    "ChildSpec": "child_spec",
    "ChildStarted": "events",
    "ChildState": "child",
    "ChildStatus": "child",
    "ChildStopped": "events",
    "ChildTemplate": "child_template",
    "DynamicSupervisor": "dynamic",
    "DynamicTree": "dynamic_tree",
    "Escalated": "events",
    "EventStream": "event_feed",
    "EventsMissed": "event_feed",
    "FailedBack": "failover.events",
    "FailoverEvent": "failover.events",
    "FailoverGroup": "failover.group",
    "FailoverRef": "failover.ref",
    "FailoverStatistics": "failover.statistics",
    "Intensity": "intensity",
    "LastKept": "failover.events",
    "LifecycleEvent": "events",
    "MemberDown": "failover.events",
    "MemberFit": "failover.events",
    "MemberPromoted": "failover.events",
    "MemberStatistics": "failover.statistics",
    "OpSnapshot": "snapshot",
    "Pool": "pool.pool",
    "PoolEvent": "pool.events",
    "PoolHandle": "pool.handle",
    "PoolResized": "pool.events",
    "PoolStatistics": "pool.table",
    "ProbeFailed": "failover.events",
    "Registry": "registry",
    "Strategy": "dependencies",
    "Supervisor": "supervisor",
    "Tree": "tree",
    "TreeHandle": "tree_handle",
    "TreeSnapshot": "snapshot",
    "WorkerReplaced": "pool.events",
    "WorkerStatistics": "pool.table",
    "WorkerStuck": "pool.events",
    "current_registry": "scope",
    "open_dynamic_supervisor": "dynamic_tree",
    "open_failover_group": "failover.ref",
    "open_pool": "pool.handle",
    "open_supervisor": "tree",
}


if not TYPE_CHECKING:  # a type checker that saw it would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value  # asked for once
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
