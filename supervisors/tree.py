"""Open a supervision tree for the length of a block, and the handle on it."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import attrs

from actors.kernel.actor import Actor
from actors.kernel.ref import Ref
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child import ChildCounts, ChildStatus
from supervisors.child_spec import ChildSpec
from supervisors.dependencies import Strategy
from supervisors.events import OnEvent, unobserved
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity
from supervisors.owner import AutoShutdown
from supervisors.root import open_root
from supervisors.supervisor import Supervisor
from supervisors.tree_handle import TreeHandle

ActorT = TypeVar("ActorT", bound=Actor)


@attrs.frozen
class Tree(TreeHandle[Supervisor]):
    """A handle on a running supervisor: what its ops do, as plain methods, and what `TreeHandle` has.

    For a nested one: `Tree(await tree.child("readers"))`.

    Args:
        ref: the supervisor.
    """

    async def start_child(self, spec: ChildSpec[ActorT]) -> Ref[ActorT]:
        """Start one more child and return its ref when its `setup` has ended.

        If this call is cancelled the start is undone.

        The ref of a child that declined to start (`NotNow`) has ended.

        Raises:
            ChildAlreadyStarted: a child with this id runs, or is about to.
            ChildAlreadyPresent: a child with this id was stopped and is kept.
            NameTaken: another actor of the tree has its name.
            NeedsStopped: a child it needs was stopped.
            StartFailed: it did not start; the cause is chained, and nothing of it stays.
            TypeError: it is no spec.
            ValueError: a need is not there, or it is significant for nothing.
        """
        return await self.ref.ask(Supervisor.start_child(spec))

    async def stop_child(self, child_id: str) -> None:
        """Stop a child within its grace, those that need it first; a stop goes on if this call is cancelled.

        Its spec is kept, unless it is temporary. It is started again by `restart_child`, or with its group.

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
            NameTaken: another actor of the tree has its name by now.
            NeedsStopped: a child it needs was stopped.
            StartFailed: it did not start; its spec is kept.
        """
        return await self.ref.ask(Supervisor.restart_child(child_id))

    async def delete_child(self, child_id: str) -> None:
        """Drop the spec of a stopped child.

        Raises:
            ChildNotFound: there is none with this id.
            ChildStillRunning: it has not stopped.
            ChildStillRestarting: it starts again by itself.
            StillNeeded: the spec of another child needs it.
        """
        await self.ref.ask(Supervisor.delete_child(child_id))

    async def child(self, child_id: str) -> Ref[Any]:
        """Return a ref to a child.

        Raises:
            ChildNotFound: there is none with this id.
        """
        return await self.ref.ask(Supervisor.child(child_id))

    async def get_child_spec(self, child_id: str) -> ChildSpec[Any]:
        """Return the spec of a child.

        Raises:
            ChildNotFound: there is none with this id.
        """
        return await self.ref.ask(Supervisor.get_child_spec(child_id))

    async def change_specs(self, specs: Sequence[ChildSpec[Actor]]) -> None:
        """Put `specs` in the place of those with the same ids, and first in the row, all or none.

        Children that run go on: factory, name and mailbox hold from their next start, restart type, budget, backoff,
        grace and needs at once. New ones are stopped until `restart_child`. Specs that are not named stay, behind
        these.

        Raises:
            TypeError: one is no spec.
            ValueError: two share an id, a need is not there, children need each other in a circle, or one is
                significant for nothing.
        """
        await self.ref.ask(Supervisor.change_specs(specs))

    async def change_intensity(self, intensity: Intensity) -> None:
        """Give the supervisor another budget over all children; restarts that were spent stay spent.

        Raises:
            TypeError: it is no intensity.
        """
        await self.ref.ask(Supervisor.change_intensity(intensity))

    async def which_children(self) -> tuple[ChildStatus, ...]:
        """Return a snapshot of every child, in start order; one that was restarted keeps its place."""
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
    auto_shutdown: AutoShutdown = "never",
    seed: int | None = None,
    rng: random.Random | None = None,
    on_event: OnEvent = unobserved,
) -> AsyncGenerator[Tree]:
    """Run a supervision tree for the length of the block.

        async with open_supervisor(children=[ChildSpec("store", Store)]) as tree:
            counter = await tree.start_child(ChildSpec("counter", Counter, restart="transient"))
            await counter.ask(Counter.add(3))

    When the block ends, also by an error, the children are stopped in reverse order, each within its grace. When it is
    cancelled there is no grace: what runs is cut, and every child has its `teardown`. After an auto-shutdown the block
    goes on; `await tree.ref.watch()` waits for it.

    Args:
        strategy: which children are restarted when one has failed: that one alone ("one_for_one"), all
            ("one_for_all"), or that one and those that were started after it ("rest_for_one"); and always those that
            need it.
        name: how the supervisor is called in errors and events.
        children: specs of the first children, in the order in which they start, but for what their needs demand.
        intensity: the budget of restarts over all children.
        backoff: how long children wait before a restart that do not say it themselves.
        auto_shutdown: whether the supervisor ends by itself: "never", with the first significant child that does
            ("any"), or with the last ("all").
        seed: makes the jitter the same in every run.
        rng: where the jitter comes from instead.
        on_event: called with each lifecycle event of the whole tree, in the task where it happens; it must not raise.

    Raises:
        StartFailed: one of the first children did not start; the cause is chained.
        RestartsExhausted: a budget is spent; it is the group of the errors behind it. The block is cancelled first. If
            the block raises too, both come in an ExceptionGroup.
        TypeError: a child is no `ChildSpec`, or an argument is of the wrong kind.
        ValueError: strategy or auto_shutdown is not there, two children share an id, a need is not there, children
            need each other in a circle, a child is significant for nothing, or both seed and rng are given.
    """

    def make(on_event: OnEvent) -> Supervisor:
        return Supervisor(
            strategy,
            children=children,
            intensity=intensity,
            backoff=backoff,
            auto_shutdown=auto_shutdown,
            seed=seed,
            rng=rng,
            on_event=on_event,
        )

    make(on_event)  # a wrong argument is refused here, not in the task of the tree
    async with open_root(make, name=name, on_event=on_event) as ref:
        yield Tree(ref)
