"""Run one actor for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import trio

from actors.kernel.actor import Actor
from actors.kernel.fates import current_books
from actors.kernel.incarnation import Incarnation
from actors.kernel.mailbox import DEFAULT_CAPACITY, Overflow
from actors.kernel.ref import Ref
from actors.kernel.slot import DEFAULT_GRACE, Exit, Slot

ActorT = TypeVar("ActorT", bound=Actor)


@asynccontextmanager
async def open_actor(
    factory: Callable[[], ActorT],
    *,
    name: str | None = None,
    capacity: int = DEFAULT_CAPACITY,
    overflow: Overflow = "wait",
    grace: float = DEFAULT_GRACE,
) -> AsyncGenerator[Ref[ActorT]]:
    """Run one actor, without supervision, for the length of the block.

        async with open_actor(Counter) as counter:
            await counter.ask(Counter.add(3))

    When the block ends the actor is stopped: what is running may end, what is queued is turned away.

    Args:
        factory: makes the actor; a class without arguments, a `functools.partial` or a lambda.
        name: how it is called in errors and snapshots; the class name if None.
        capacity: messages its mailbox holds before senders wait.
        overflow: what a full mailbox does: "wait", "refuse", "drop_oldest" or "drop_newest".
        grace: seconds it has to end at the end of the block.

    Raises:
        Exception: the actor's crash, which also cancels the block, as a child task's crash would in a nursery. If
            the block raises too, both come in an ExceptionGroup.
    """
    slot = Slot.open(name or _name_of(factory), current_books(), capacity=capacity, overflow=overflow)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_host, slot, factory)
            try:
                yield Ref(slot)
            finally:
                slot.request_stop(grace)
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None  # a lone error needs no group around it
        raise


async def _host(
    slot: Slot, factory: Callable[[], Actor], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Run the slot's only incarnation, and close the slot behind it."""
    incarnation = Incarnation(slot)
    try:
        exit_ = await incarnation.run(factory, task_status.started)
    except BaseException:
        slot.close(Exit("cancelled", incarnation.error))
        raise
    slot.close(exit_)
    if exit_.error is not None:
        raise exit_.error


def _name_of(factory: Callable[[], Actor]) -> str:
    made: object = factory.func if isinstance(factory, partial) else factory  # pyright: ignore[reportUnknownMemberType]  # a partial of anything
    return getattr(made, "__name__", type(made).__name__)
