"""A ref to a group of like actors: its messages go straight to the member that is to have them.

To whoever holds it, it is the ref of one actor. It is a switchboard, not an operator: the call is put through before
the first word is spoken, and nobody stands in the line. So a message costs what it costs without the group, one
mailbox each way, and only a look at a table more. The table belongs to the group's actor, which alone writes it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from actors.kernel.mailbox import Delivery
from actors.kernel.message import Message, StreamMessage
from actors.kernel.ref import Ref, tell_at_once
from actors.kernel.slot import Exit, Slot
from actors.kernel.stream import Stream

ActorT_co = TypeVar("ActorT_co", covariant=True)
R = TypeVar("R")
T = TypeVar("T")


class RoutedRef(Ref[ActorT_co]):
    """A typed handle on a group: messages go to a member, everything else is the group's.

    `name`, `is_ended`, `watch`, `on_down`, `stop` and `statistics` are those of the group. A group that has ended, or
    has no member at this moment, turns messages away as any ended actor does: `ActorStopped`, safe to send again.

    Args:
        slot: the group's.
        route: returns the member that is to have a message, or None when there is none. It is asked in the sender's
            task, with a message that is one, in the very step in which that is posted; it must not wait or raise.
    """

    __slots__ = ("_route",)

    def __init__(self, slot: Slot, route: Callable[[object], Ref[ActorT_co] | None]) -> None:
        super().__init__(slot)
        self._route = route

    async def ask(self, message: Message[ActorT_co, R]) -> R:
        """Send `message` to the member that is to have it, and wait for its answer: as `Ref.ask`."""
        return await self._member(message).ask(message)

    async def tell(self, message: Message[ActorT_co, object]) -> Delivery:
        """Send `message` to the member that is to have it, without waiting for an answer: as `Ref.tell`."""
        await trio.lowlevel.checkpoint()  # before the member is chosen: it may be another one afterwards
        return await tell_at_once(self._member(message), message)

    def tell_nowait(self, message: Message[ActorT_co, object]) -> Delivery:
        """Send `message` to the member that is to have it, without waiting for anything: as `Ref.tell_nowait`."""
        return self._member(message).tell_nowait(message)

    def tell_regardless(self, message: Message[ActorT_co, object]) -> Delivery:
        """Send `message` to the member that is to have it, room or no room: as `Ref.tell_regardless`."""
        return self._member(message).tell_regardless(message)

    @asynccontextmanager
    async def stream(self, message: StreamMessage[ActorT_co, T]) -> AsyncGenerator[Stream[T]]:
        """Open a stream of the items that `message` asks the member for: as `Ref.stream`."""
        async with self._member(message).stream(message) as items:
            yield items

    def _member(self, message: object) -> Ref[ActorT_co]:
        """Return where `message` goes: to a member, or to the ended actor that stands for a group without one."""
        if self.is_ended or not _is_message(message):
            return Ref(self._slot)  # which says what is wrong
        member = self._route(message)
        return Ref(_ended_like(self._slot)) if member is None else member

    def __eq__(self, other: object) -> bool:
        return _is_routed(other) and super().__eq__(other)

    def __hash__(self) -> int:
        return hash((RoutedRef, self._slot))

    def __repr__(self) -> str:
        return f"<RoutedRef {self.name!r} {self._slot.state}>"


def _is_message(value: object) -> bool:
    return isinstance(value, Message | StreamMessage)


def _is_routed(value: object) -> bool:
    return isinstance(value, RoutedRef)


def _ended_like(slot: Slot) -> Slot:
    """Return an ended slot of the same name and books: it turns away, and counts, whatever is sent to it."""
    twin = Slot.open(slot.name, slot.mailbox.books, capacity=1)
    twin.close(Exit("stopped"))
    return twin
