"""What every handle on a supervisor offers of the tree around it: names, events, and a look inside.

None of it asks an actor, so it works while the tree starts, stops or is stuck.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar, overload

import attrs

from actors.kernel.actor import Actor
from actors.kernel.ref import Ref, slot_of
from supervisors.event_feed import DEFAULT_BUFFER, EventStream
from supervisors.inside import scope_within
from supervisors.scope import Scope
from supervisors.snapshot import TreeSnapshot, take_snapshot

ActorT = TypeVar("ActorT", bound=Actor)
KeeperT_co = TypeVar("KeeperT_co", bound=Actor, covariant=True)


@attrs.frozen
class TreeHandle(Generic[KeeperT_co]):
    """A handle on a running supervisor: base of `Tree` and its like.

    Args:
        ref: the supervisor.
    """

    ref: Ref[KeeperT_co]
    _scope: Scope | None = attrs.field(
        default=attrs.Factory(lambda handle: scope_within(slot_of(handle.ref)), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )

    def snapshot(self) -> TreeSnapshot:
        """Return what the supervisor and all below it look like now. It waits for nobody."""
        scope = self._scope or scope_within(slot_of(self.ref))
        return take_snapshot(slot_of(self.ref), "" if scope is None else scope.above)

    @asynccontextmanager
    async def events(self, *, buffer: int = DEFAULT_BUFFER) -> AsyncGenerator[EventStream]:
        """Follow what happens in the whole tree, from here to the end of the block.

            async with tree.events() as events:
                async for event in events: ...

        The iteration ends when the tree has ended. Whoever reads too slowly loses the oldest events and finds an
        `EventsMissed` in their place; the tree never waits for its readers.

        Args:
            buffer: events kept while nobody reads.

        Raises:
            TypeError, ValueError: `buffer` is no whole number above 0.
            RuntimeError: this is a handle on a nested supervisor that has not run since the handle was made.
        """
        with self._whole().feed.follow(buffer) as events:
            yield events

    @overload
    def find(self, name: str) -> Ref[Any]: ...
    @overload
    def find(self, name: str, kind: type[ActorT]) -> Ref[ActorT]: ...
    def find(self, name: str, kind: type[Actor] = Actor) -> Ref[Any]:
        """Return a ref to the actor of the whole tree that has this name: `tree.find("limiter", Limiter)`.

        Args:
            name: what its spec says.
            kind: its class, for the type checker; checked where an incarnation plays.

        Raises:
            NameNotFound: no actor has it now.
            TypeError: the actor is of another kind, or `name` is no text.
            ValueError: `name` is empty or would not print on one line.
            RuntimeError: as `events`.
        """
        return self._whole().registry.find(name, kind)

    @overload
    async def wait_for(self, name: str) -> Ref[Any]: ...
    @overload
    async def wait_for(self, name: str, kind: type[ActorT]) -> Ref[ActorT]: ...
    async def wait_for(self, name: str, kind: type[Actor] = Actor) -> Ref[Any]:
        """Wait until an actor of the whole tree has this name and return its ref; bounded by the deadline around it.

        Raises:
            NameNotFound: the tree has ended.
            TypeError, ValueError, RuntimeError: as `find`.
        """
        return await self._whole().registry.wait_for(name, kind)

    def names(self) -> tuple[str, ...]:
        """Return all names of the whole tree, sorted.

        Raises:
            RuntimeError: as `events`.
        """
        return self._whole().registry.names()

    def _whole(self) -> Scope:
        scope = self._scope or scope_within(slot_of(self.ref))
        if scope is None:
            raise RuntimeError(
                f"supervisor {self.ref.name!r} does not run now; ask the handle on the root of its tree instead"
            )
        return scope
