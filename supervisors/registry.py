"""The names of the actors of one tree.

It is the board in a lobby that says who sits where: one for the whole house, the root supervisor and everything nested
in it. A name belongs to a slot, not to an incarnation. It is taken when the child is added, before its `setup`, so that
others find it while it starts and their messages wait for it; it stays over restarts; and it is free again in the
instant in which the slot is closed, which is the one thing that happens on every way out: a normal end, a crash, a
spent budget, a start that failed or was declined or that nobody waits for any more, a stop, a cancelled tree.

It is not a service: looking a name up is a plain call, and holding a ref found here keeps nobody alive.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

import attrs
import trio

from actors.errors import NameNotFound, NameTaken
from actors.kernel.actor import Actor
from actors.kernel.ref import Ref
from actors.kernel.slot import Slot

ActorT = TypeVar("ActorT", bound=Actor)


@attrs.define(eq=False)
class Registry:
    """Which slot has which name."""

    _slots: dict[str, Slot] = attrs.field(factory=dict[str, Slot], init=False)
    _awaited: dict[str, trio.Event] = attrs.field(factory=dict[str, trio.Event], init=False)
    _is_closed: bool = attrs.field(default=False, init=False)

    def register(self, name: str, slot: Slot) -> None:
        """Give `slot` a name until it is closed. One slot may have several names.

        Raises:
            NameTaken: another actor has it; nothing is changed.
            TypeError: `name` is no text.
            ValueError: `name` is empty or would not print on one line, or the slot's actor has ended.
        """
        self.check_free(name)
        if slot.down is not None:
            raise ValueError(f"actor {slot.name!r} has ended and cannot be named {name!r}")
        self._slots[name] = slot
        slot.watch(lambda _down: self.release(name, slot))
        if (awaited := self._awaited.pop(name, None)) is not None:
            awaited.set()

    def check_free(self, name: str) -> None:
        """Check that `name` can be registered now.

        Raises:
            NameTaken, TypeError, ValueError: as `register`.
        """
        check_name(name)
        holder = self._slots.get(name)
        if holder is not None:
            raise NameTaken(f"the name {name!r} is taken by actor {holder.name!r}", name=name)

    def release(self, name: str, slot: Slot) -> None:
        """Free a name before its slot is closed, for one that takes its place; a later holder's name stays."""
        if self.has(name, slot):
            del self._slots[name]

    def has(self, name: str, slot: Slot) -> bool:
        """Say whether it is `slot` that has this name."""
        return self._slots.get(name) is slot

    @overload
    def find(self, name: str) -> Ref[Any]: ...
    @overload
    def find(self, name: str, kind: type[ActorT]) -> Ref[ActorT]: ...
    def find(self, name: str, kind: type[Actor] = Actor) -> Ref[Any]:
        """Return a ref to the actor of this name, whatever it is doing: it may be starting or between incarnations.

        Args:
            name: what it was registered as.
            kind: the class of the actor, so that a type checker knows what may be asked of it. It is checked where
                an incarnation plays; where none does, a foreign message is refused when it is handled.

        Raises:
            NameNotFound: no actor has this name at this moment.
            TypeError: the actor is of another kind, or `name` is no text.
            ValueError: `name` is empty or would not print on one line.
        """
        check_name(name)
        slot = self._slots.get(name)
        if slot is None:
            raise NameNotFound(f"no actor of this tree has the name {name!r}", name=name)
        return _ref_to(name, slot, kind)

    @overload
    async def wait_for(self, name: str) -> Ref[Any]: ...
    @overload
    async def wait_for(self, name: str, kind: type[ActorT]) -> Ref[ActorT]: ...
    async def wait_for(self, name: str, kind: type[Actor] = Actor) -> Ref[Any]:
        """Wait until an actor has this name, and return a ref to it; bounded by the deadline around it alone.

        It need not have started: what it is asked then waits in its mailbox. A name that is taken and freed again
        before this task has come to look is waited for anew. In a `setup`, do not wait for a sibling that starts
        later: the supervisor waits for this one first. Let the spec say what it `needs` instead.

        Raises:
            NameNotFound: the tree has ended.
            TypeError, ValueError: as `find`.
        """
        check_name(name)
        await trio.lowlevel.checkpoint()
        while (slot := self._slots.get(name)) is None:
            if self._is_closed:
                raise NameNotFound(f"no actor has the name {name!r}: the tree has ended", name=name)
            await self._wait_for_change(name)
        return _ref_to(name, slot, kind)

    async def _wait_for_change(self, name: str) -> None:
        awaited = self._awaited.setdefault(name, trio.Event())
        try:
            await awaited.wait()
        finally:
            if not awaited.is_set() and not awaited.statistics().tasks_waiting:
                del self._awaited[name]  # nobody is left who waits for it

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        return tuple(sorted(self._slots))

    def close(self) -> None:
        """End with the tree: whoever still waits for a name is told that none will come."""
        self._is_closed = True
        awaited, self._awaited = self._awaited, {}
        for event in awaited.values():
            event.set()


def check_name(name: str) -> None:
    """Refuse what cannot be a name.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty or would not print on one line.
    """
    if type(name) is not str:
        raise TypeError(f"name must be a string, got {name!r}")
    if not name or not name.isprintable():
        raise ValueError(f"name must be printable text on one line, got {name!r}")


def _ref_to(name: str, slot: Slot, kind: type[Actor]) -> Ref[Any]:
    actor = slot.actor
    if actor is not None and not isinstance(actor, kind):
        raise TypeError(f"the actor named {name!r} is a {type(actor).__name__}, not a {kind.__name__}")
    return Ref(slot)
