"""Run an actor with children as the root of a tree, for the length of a block."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from actors.kernel.actor import Actor
from actors.kernel.fates import current_books, open_books
from actors.kernel.opening import open_actor
from actors.kernel.ref import Ref
from supervisors.events import Escalated, LifecycleEvent, OnEvent
from supervisors.scope import Scope, enter_scope

ActorT = TypeVar("ActorT", bound=Actor)


@asynccontextmanager
async def open_root(
    make: Callable[[OnEvent], ActorT], *, name: str, on_event: OnEvent
) -> AsyncGenerator[Ref[ActorT]]:
    """Run an actor that owns children, without supervision, for the length of the block.

    It is stopped without limit when the block ends. When it escalates the block is cancelled.

    Args:
        make: makes the actor, which tells the observer that it is given of its events.
        name: how it is called in errors and events.
        on_event: called with each lifecycle event of the whole tree.

    Raises:
        Exception: how the actor ended. If the block raises too, both come in an ExceptionGroup.
        TypeError: the name is no text, or the observer cannot be called.
    """
    if type(name) is not str:
        raise TypeError(f"name must be a string, got {name!r}")
    if not callable(on_event):
        raise TypeError(f"on_event must be callable with an event, got {on_event!r}")
    block = trio.CancelScope()
    scope = Scope()

    def begin() -> ActorT:
        enter_scope(scope)  # the root's own task makes it
        return make(tell)

    def tell(event: LifecycleEvent) -> None:
        if isinstance(event, Escalated) and event.supervisor == name:
            block.cancel()  # before the children go, lest the block trip over their absence
        on_event(event)

    failure: Exception | None = None
    try:
        with open_books(current_books()):
            async with open_actor(begin, name=name, grace=math.inf) as ref:
                with block:
                    try:
                        yield ref
                    except Exception as error:  # noqa: BLE001  # raised again below, when the tree has stopped
                        failure = error
    except BaseException as error:
        if failure is None:
            raise
        both = [failure, error]
        raise BaseExceptionGroup(f"the block around {name!r} and its tree both ended badly", both) from None
    finally:
        scope.close()
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # breaks the cycle of error, traceback and frame
