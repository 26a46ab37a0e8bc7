"""What all supervisors of one tree share, and where in it each of them stands.

The root makes it; those nested in the root find it through a context variable, as actors find their books, so there
is no global state and no argument that every constructor would have to pass on. Every child's task carries the scope
of the supervisor that keeps it. A tree opened inside an actor of another tree is a tree of its own.
"""

from __future__ import annotations

from contextvars import ContextVar

import attrs

from supervisors.event_feed import EventFeed
from supervisors.events import LifecycleEvent, OnEvent, unobserved
from supervisors.registry import Registry


@attrs.frozen(eq=False)
class Scope:
    """One tree as one of its supervisors sees it.

    Args:
        path: the supervisor's place, from the root: "supervisor/readers"; empty above the root.
        above: the path of the supervisor that keeps it; empty for the root.
        registry: the names of the whole tree.
        feed: the events of the whole tree.
        observers: who is called with each event of this supervisor: the root's `on_event` first, its own last.
    """

    path: str = ""
    above: str = ""
    registry: Registry = attrs.field(factory=Registry)
    feed: EventFeed = attrs.field(factory=EventFeed)
    observers: tuple[OnEvent, ...] = ()

    def below(self, name: str, on_event: OnEvent = unobserved) -> Scope:
        """Return the scope of a supervisor called `name` that is kept by this one."""
        own = () if on_event is unobserved else (on_event,)
        path = f"{self.path}/{name}" if self.path else name
        return Scope(path, self.path, self.registry, self.feed, self.observers + own)

    def tell(self, event: LifecycleEvent) -> None:
        """Pass an event of this supervisor on to all who want to know; those who may act on it come last."""
        self.feed.publish(event)
        for observer in self.observers:
            observer(event)

    def close(self) -> None:
        """End with the tree."""
        self.feed.close()
        self.registry.close()


_ambient: ContextVar[Scope | None] = ContextVar("understudy_scope", default=None)


def enter_scope(scope: Scope) -> None:
    """Let what runs in this task, and in tasks it starts, find `scope`. The task is one of the tree's own."""
    _ambient.set(scope)


def scope_of(name: str, on_event: OnEvent = unobserved) -> Scope:
    """Return the scope of the supervisor that runs in this task; outside of any tree it is the root of its own."""
    above = _ambient.get()
    return (Scope() if above is None else above).below(name, on_event)


def current_registry() -> Registry:
    """Return the names of the tree that this actor lives in.

    Raises:
        RuntimeError: this is no actor of a tree. The block around a tree has `tree.find` instead.
    """
    scope = _ambient.get()
    if scope is None:
        raise RuntimeError("there is no tree here; only actors that a supervisor keeps find names this way")
    return scope.registry
