"""Open a supervision tree for the length of a block, and the handle on it."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import attrs
import trio

from actors.kernel.actor import Actor
from actors.kernel.fates import current_books, open_books
from actors.kernel.opening import open_actor
from actors.kernel.ref import Ref
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child import ChildCounts, ChildStatus
from supervisors.child_spec import ChildSpec
from supervisors.events import Escalated, LifecycleEvent, OnEvent, unobserved
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity
from supervisors.supervisor import Strategy, Supervisor

ActorT = TypeVar("ActorT", bound=Actor)


@attrs.frozen
class Tree:
    """A handle on a running supervisor: what its ops do, as plain methods.

    For a nested one: `Tree(await tree.child("readers"))`.

    Args:
        ref: the supervisor.
    """

    ref: Ref[Supervisor]

    async def start_child(self, spec: ChildSpec[ActorT]) -> Ref[ActorT]:
        """Start one more child and return its ref when its `setup` has ended.

        If this call is cancelled the start is undone.

        Raises:
            ChildExists: the id is taken.
            StartFailed: it did not start; the cause is chained, and nothing of it stays.
        """
        return await self.ref.ask(Supervisor.start_child(spec))

    async def stop_child(self, child_id: str) -> None:
        """Stop a child within its grace; its spec is kept, unless it is temporary. A stop goes on if cancelled.

        Raises:
            ChildNotFound: there is none with this id.
            ChildStillRunning: it shields itself from its end and was left behind.
        """
        await self.ref.ask(Supervisor.stop_child(child_id))

    async def restart_child(self, child_id: str) -> Ref[Any]:
        """Start a stopped child again and return its new ref when its `setup` has ended.

        Raises:
            ChildNotFound: there is none with this id.
            ChildStillRunning: it has not stopped.
            ChildStillRestarting: it starts again by itself.
            StartFailed: it did not start; its spec is kept.
        """
        return await self.ref.ask(Supervisor.restart_child(child_id))

    async def delete_child(self, child_id: str) -> None:
        """Drop the spec of a stopped child.

        Raises:
            ChildNotFound: there is none with this id.
            ChildStillRunning: it has not stopped.
            ChildStillRestarting: it starts again by itself.
        """
        await self.ref.ask(Supervisor.delete_child(child_id))

    async def child(self, child_id: str) -> Ref[Any]:
        """Return a ref to a child.

        Raises:
            ChildNotFound: there is none with this id.
        """
        return await self.ref.ask(Supervisor.child(child_id))

    async def which_children(self) -> tuple[ChildStatus, ...]:
        """Return a snapshot of every child, in the order in which they started."""
        return await self.ref.ask(Supervisor.which_children())

    async def count_children(self) -> ChildCounts:
        """Return how many children there are."""
        return await self.ref.ask(Supervisor.count_children())

    async def stop(self) -> None:
        """Stop all children in reverse order and then the supervisor; return when it has ended."""
        await self.ref.stop(grace=math.inf)


@asynccontextmanager
async def open_supervisor(
    strategy: Strategy = "one_for_one",
    *,
    name: str = "supervisor",
    children: Sequence[ChildSpec[Actor]] = (),
    intensity: Intensity = SUPERVISOR_INTENSITY,
    backoff: Backoff = DEFAULT_BACKOFF,
    seed: int | None = None,
    rng: random.Random | None = None,
    on_event: OnEvent = unobserved,
) -> AsyncGenerator[Tree]:
    """Run a supervision tree for the length of the block.

        async with open_supervisor(children=[ChildSpec("store", Store)]) as tree:
            counter = await tree.start_child(ChildSpec("counter", Counter, restart="transient"))
            await counter.ask(Counter.add(3))

    When the block ends, also by an error, the children are stopped in reverse order, each within its grace. When it is
    cancelled there is no grace: what runs is cut, and every child has its `teardown`.

    Args:
        strategy: which children start again when one has crashed; "one_for_one": that one alone.
        name: how the supervisor is called in errors and events.
        children: specs of the first children, in the order in which they start.
        intensity: the budget of restarts over all children.
        backoff: how long children wait before a restart that do not say it themselves.
        seed: makes the jitter the same in every run.
        rng: where the jitter comes from instead.
        on_event: called with each lifecycle event, in the task where it happens; it must not raise.

    Raises:
        StartFailed: one of the first children did not start; the cause is chained.
        RestartsExhausted: a budget is spent; the errors behind it are chained as a group. The block is cancelled
            first. If the block raises too, both come in an ExceptionGroup.
        TypeError: a child is no `ChildSpec`.
        ValueError: the strategy is not there, two children share an id, or both seed and rng are given.
    """
    block = trio.CancelScope()

    def tell(event: LifecycleEvent) -> None:
        if isinstance(event, Escalated):
            block.cancel()  # before the children go, lest the block trip over their absence
        on_event(event)

    make = partial(
        Supervisor,
        strategy,
        children=children,
        intensity=intensity,
        backoff=backoff,
        seed=seed,
        rng=rng,
        on_event=tell,
    )
    failure: Exception | None = None
    try:
        with open_books(current_books()):
            async with open_actor(make, name=name, grace=math.inf) as ref:
                with block:
                    try:
                        yield Tree(ref)
                    except Exception as error:  # noqa: BLE001  # raised again below, when the tree has stopped
                        failure = error
    except BaseException as error:
        if failure is None:
            raise
        both = [failure, error]
        raise BaseExceptionGroup(f"the block around {name!r} and its tree both ended badly", both) from None
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # breaks the cycle of error, traceback and frame
