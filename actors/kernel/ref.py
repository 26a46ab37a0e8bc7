"""The handle by which an actor is reached: ask, tell, stream, watch, stop.

A ref addresses the slot, not the incarnation: it stays good over restarts. It is a telephone number, not a line:
holding one keeps nobody alive, and one to an ended actor only says that it has ended.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import trio

from actors.errors import AskCycle
from actors.kernel.activity import Activity, current_activity, find_cycle
from actors.kernel.awaiting import awaiting
from actors.kernel.envelope import Envelope
from actors.kernel.fates import Fate
from actors.kernel.mailbox import Delivery
from actors.kernel.message import Message, StreamMessage
from actors.kernel.reply import Reply
from actors.kernel.slot import DEFAULT_GRACE, Down, Slot
from actors.kernel.statistics import ActorStatistics
from actors.kernel.stream import Feed, Stream

ActorT = TypeVar("ActorT")
ActorT_co = TypeVar("ActorT_co", covariant=True)
R = TypeVar("R")
T = TypeVar("T")


class Ref(Generic[ActorT_co]):
    """A typed handle on an actor; two refs are equal when they reach the same one."""

    __slots__ = ("_slot",)

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    @property
    def name(self) -> str:
        """The actor's name."""
        return self._slot.name

    @property
    def is_ended(self) -> bool:
        """Whether the actor has ended for good."""
        return self._slot.down is not None

    async def ask(self, message: Message[ActorT_co, R]) -> R:
        """Send `message` and wait for its answer.

        There is no timeout parameter: the deadline of the surrounding cancel scopes travels with the message, bounds
        its handler, and a message whose asker has gone is skipped. If this task is cancelled no answer is lost: one
        that was set before is returned, one that comes later goes to the op's `undo`.

        Returns:
            What the op returned, or set on its `Deferred`.

        Raises:
            NotDelivered: it was never handled; sending again is safe. Subclasses say why: `MailboxFull`,
                `ActorStopped`.
            AskCycle: it, or an ask made on its behalf, would wait for itself; the path is in the error.
            Interrupted: its op had started when the actor ended; whether it took effect is unknown.
            Exception: the op's own declared errors, unchanged.
            TypeError: not a message, or not one of this actor.
        """
        if not isinstance(message, Message):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise _no_message(message, "ask")
        reply: Reply[R] = Reply()
        deadline = trio.current_effective_deadline() if message.__carries_deadline__ else math.inf
        mailbox = self._slot.mailbox
        envelope = Envelope(message, mailbox, reply, None, deadline)
        activity = current_activity.get()
        if activity is not None:
            self._refuse_cycle(activity, envelope)
            activity.waits.add(envelope)
        try:
            if mailbox.overflow != "wait":
                await trio.lowlevel.checkpoint_if_cancelled()  # who is gone already pushes nobody out
            delivery = mailbox.post(envelope)
            if delivery is None:
                mailbox.line_up(envelope)
            elif delivery is not Delivery.QUEUED:
                await trio.lowlevel.checkpoint()  # a refusal too lets others run
            # No checkpoint before this one is needed: a task that is cancelled already leaves here at once, and
            # its envelope is settled before the actor can read it.
            return await reply.wait(envelope.abandon)
        finally:
            if activity is not None:
                activity.waits.discard(envelope)

    async def tell(self, message: Message[ActorT_co, object]) -> Delivery:
        """Send `message` without waiting for an answer; wait only for room in the mailbox.

        Returns:
            QUEUED, or why it was not: REFUSED or DROPPED (full), UNDELIVERED (ended). Those are dead letters too.
        """
        if not isinstance(message, Message):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise _no_message(message, "tell")
        await trio.lowlevel.checkpoint()
        envelope = Envelope(message, self._slot.mailbox)
        return self._slot.mailbox.post(envelope) or await self._tell_when_room(envelope)

    async def _tell_when_room(self, envelope: Envelope) -> Delivery:
        activity = current_activity.get()
        if activity is not None:
            if find_cycle(activity, envelope.mailbox.holder):
                return self._slot.mailbox.reject(envelope)  # the room it waits for would never come
            activity.waits.add(envelope)
        room: Reply[None] = Reply()
        self._slot.mailbox.line_up(envelope, room)
        try:
            await room.wait(
                lambda: envelope.mailbox.withdraw(
                    envelope, Fate.EXPIRED if room.is_past_deadline else Fate.CANCELLED
                )
            )
        finally:
            if activity is not None:
                activity.waits.discard(envelope)
        return Delivery.UNDELIVERED if envelope.fate is Fate.UNDELIVERED else Delivery.QUEUED

    def tell_nowait(self, message: Message[ActorT_co, object]) -> Delivery:
        """Send `message` without waiting for anything: for plain `def` ops and callbacks.

        Returns:
            As `tell`; a full mailbox refuses instead of letting the sender wait.
        """
        if not isinstance(message, Message):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise _no_message(message, "tell")
        envelope = Envelope(message, self._slot.mailbox)
        return self._slot.mailbox.post(envelope) or self._slot.mailbox.reject(envelope)

    def tell_regardless(self, message: Message[ActorT_co, object]) -> Delivery:
        """Send `message` without waiting for anything, also where there is no room: then it waits outside by itself.

        It is for what must not be lost and is few by nature, such as the settlement of what was granted before; for
        anything else it would be a way around back-pressure.

        Returns:
            As `tell`; QUEUED also for what waits outside.
        """
        if not isinstance(message, Message):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise _no_message(message, "tell")
        envelope = Envelope(message, self._slot.mailbox)
        delivery = self._slot.mailbox.post(envelope)
        if delivery is None:
            self._slot.mailbox.line_up(envelope)
        return delivery or Delivery.QUEUED

    @asynccontextmanager
    async def stream(self, message: StreamMessage[ActorT_co, T]) -> AsyncGenerator[Stream[T]]:
        """Open a stream of the items that `message` asks for.

            async with ref.stream(Reader.scenes(text)) as scenes:
                async for scene in scenes: ...

        The producer waits until each item is taken, and is cancelled when the block ends.

        Raises:
            NotDelivered, Interrupted, Exception: from the iteration, as for `ask`.
        """
        if not isinstance(message, StreamMessage):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise _no_message(message, "stream")
        await trio.lowlevel.checkpoint_if_cancelled()
        feed = Feed[T]()
        envelope = Envelope(message, self._slot.mailbox, None, feed, trio.current_effective_deadline())
        activity = current_activity.get()
        if activity is not None:
            self._refuse_cycle(activity, envelope)
            activity.waits.add(envelope)
        try:
            if self._slot.mailbox.post(envelope) is None:
                self._slot.mailbox.line_up(envelope)
            yield Stream(feed)
        finally:
            if activity is not None:
                activity.waits.discard(envelope)
            envelope.abandon()
            feed.leave()

    def _refuse_cycle(self, activity: Activity, envelope: Envelope) -> None:
        path = find_cycle(activity, envelope.mailbox.holder)
        if path is not None:
            raise AskCycle(
                f"asking {envelope.message!r} would wait for itself: {' -> '.join(path)}",
                message=envelope.message,
                recipient=self.name,
                path=path,
            )

    async def watch(self) -> Down:
        """Wait until the actor has ended for good; at once if it has.

        Returns:
            Its name, the reason, the error if it crashed, and the number of its last incarnation.
        """
        return await self._slot.wait_down()

    def on_down(self, watcher: Callable[[Down], object]) -> Callable[[], None]:
        """Call `watcher` once when the actor has ended for good, at once if it has; return how to stop watching."""
        return self._slot.watch(watcher)

    async def stop(self, *, grace: float = DEFAULT_GRACE, drain: bool = False) -> None:
        """Ask the actor to end, and wait until it has. The request cannot be held up by queued messages.

        A supervised actor may be started again, as its restart type says.

        Args:
            grace: seconds for what is running to end; after that it is cancelled. 0 cancels at once.
            drain: handle what is queued first, and take nothing new in, instead of turning it away.

        Raises:
            RuntimeError: an actor's own op asks it; `self.finish()` is meant for that.
        """
        if not grace >= 0:
            raise ValueError(f"grace must be >= 0, got {grace}")
        activity = current_activity.get()
        if activity is not None and self._slot.performer and activity in self._slot.performer.activities():
            raise RuntimeError(f"{activity.label} cannot wait for its own actor to end; call self.finish()")
        self._slot.request_stop(grace, drain=drain)
        with awaiting(self._slot):
            await self._slot.wait_exit()

    def statistics(self) -> ActorStatistics:
        """Return a snapshot of the actor, whatever it is doing."""
        return self._slot.statistics()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other._slot is self._slot

    def __hash__(self) -> int:
        return hash(self._slot)

    def __repr__(self) -> str:
        return f"<Ref {self.name!r} {self._slot.state}>"


def slot_of(ref: Ref[Any]) -> Slot:
    """Return the slot that `ref` addresses: for those who keep actors, not for those who ask them.

    Raises:
        TypeError: it is no ref.
    """
    if not isinstance(ref, Ref):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"a handle is made from a Ref, got {type(ref).__name__}")
    return ref._slot  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the kernel's own view of a ref


async def tell_at_once(ref: Ref[ActorT], message: Message[ActorT, object]) -> Delivery:
    """Send as `ref.tell` does, with no checkpoint before: between choosing `ref` and this, nothing can happen.

    Returns:
        As `Ref.tell`.
    """
    if not isinstance(message, Message):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise _no_message(message, "tell")
    envelope = Envelope(message, slot_of(ref).mailbox)
    posted = slot_of(ref).mailbox.post(envelope)
    return posted or await ref._tell_when_room(envelope)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above


def _no_message(value: object, verb: str) -> TypeError:
    """Say what is wrong with what is no message, for callers without a type checker."""
    if isinstance(value, type):
        return TypeError(
            f"{verb} takes a message, got {value.__qualname__} itself; call it with its arguments"
        )
    if isinstance(value, Message | StreamMessage):
        right = "stream" if isinstance(value, StreamMessage) else "ask or tell"
        return TypeError(f"{verb} does not take {value!r}; use {right}")
    return TypeError(f"{verb} takes a message, such as Counter.add(3), got {type(value).__name__}")
