"""Run one actor for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NoReturn, TypeVar, cast

import trio

from actors.errors import Interrupted, StartFailed
from actors.kernel.actor import Actor
from actors.kernel.fates import current_books
from actors.kernel.incarnation import Incarnation
from actors.kernel.mailbox import DEFAULT_CAPACITY, Overflow
from actors.kernel.ref import Ref
from actors.kernel.slot import DEFAULT_GRACE, Exit, Slot

ActorT = TypeVar("ActorT", bound=Actor)

LAMBDA = "<lambda>"
"""The name of a function without one: its actor is called by its class, as soon as there is one."""


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
            the block raises too, both come in an ExceptionGroup, but for an `Interrupted` that only tells of that
            crash. When the block raises or is cancelled there is no
            grace: what runs is cut, and `teardown` has a second.
        TypeError, ValueError: `name`, `capacity`, `overflow` or `grace` is of the wrong kind or out of its bounds.
        StartFailed: somebody stopped the actor before its `setup` had ended.
    """
    if type(grace) not in {int, float} or not grace >= 0:
        raise ValueError(f"grace must be a number >= 0, got {grace!r}")
    shown = _name_of(factory) if name is None else name
    slot = Slot.open(shown, current_books(), capacity=capacity, overflow=overflow)
    if shown == LAMBDA:
        factory = _naming(slot, factory)
    started = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_host, slot, factory, started)
            await started.wait()
            yield Ref(slot)
            slot.request_stop(grace)
    except BaseExceptionGroup as group:
        error = _without_needless_group(group)
    else:
        return
    _raise_as_it_is(error)


async def _host(slot: Slot, factory: Callable[[], Actor], started: trio.Event) -> None:
    """Run the slot's only incarnation, and close the slot behind it."""
    incarnation = Incarnation(slot)
    try:
        exit_ = await incarnation.run(factory, started.set)
    except BaseException as left:
        slot.close(Exit("cancelled", incarnation.error))
        if incarnation.error is not None and _is_cancellation(left):
            raise incarnation.error from None  # what went wrong on the way out is not lost
        raise
    slot.close(exit_)
    if exit_.error is not None:
        raise exit_.error
    if not started.is_set():
        raise StartFailed(f"actor {slot.name!r} was stopped before it had started", child=slot.name)


def _is_cancellation(error: BaseException) -> bool:
    match error:
        case BaseExceptionGroup(exceptions=parts):
            return all(_is_cancellation(part) for part in parts)
        case _:
            return isinstance(error, trio.Cancelled)


def _without_needless_group(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return a lone error without the nursery's group; a lone KeyboardInterrupt without any."""
    parts = [part for part in group.exceptions if not _is_echo(part, group.exceptions)]
    if len(parts) > 1:
        return group
    only = next(iter(parts))
    return (
        _without_needless_group(cast("BaseExceptionGroup[BaseException]", only)) if _is_torn(only) else only
    )


def _is_echo(error: BaseException, others: Sequence[BaseException]) -> bool:
    """Say whether this is only how an asker in the block heard of the crash that stands beside it."""
    return isinstance(error, Interrupted) and any(other is error.__cause__ for other in others)


def _is_torn(error: BaseException) -> bool:
    """Say whether this is a group that holds an interrupt, which only a nursery makes."""
    return isinstance(error, BaseExceptionGroup) and not isinstance(error, ExceptionGroup)


def _raise_as_it_is(error: BaseException) -> NoReturn:
    """Raise `error` with the cause and the context it has, as if it had never been in a group."""
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context


def _naming(slot: Slot, factory: Callable[[], ActorT]) -> Callable[[], ActorT]:
    def make() -> ActorT:
        actor = factory()
        slot.name = slot.mailbox.name = type(actor).__name__
        return actor

    return make


def _name_of(factory: Callable[[], Actor]) -> str:
    made: object = factory.func if isinstance(factory, partial) else factory  # pyright: ignore[reportUnknownMemberType]  # a partial of anything
    return getattr(made, "__name__", type(made).__name__)
