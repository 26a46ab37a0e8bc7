"""Open a dynamic supervisor for the length of a block, and the handle on it."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Generic, ParamSpec, TypeVar, cast

import attrs

from actors.kernel.actor import Actor
from actors.kernel.ref import Ref
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child import ChildCounts, ChildStatus
from supervisors.child_template import ChildTemplate
from supervisors.dynamic import DynamicSupervisor
from supervisors.events import OnEvent, unobserved
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity
from supervisors.owner import AutoShutdown
from supervisors.root import open_root
from supervisors.tree_handle import TreeHandle

P = ParamSpec("P")
ActorT = TypeVar("ActorT", bound=Actor)


@attrs.frozen
class DynamicTree(TreeHandle[DynamicSupervisor], Generic[P, ActorT]):
    """A handle on a running dynamic supervisor: what its ops do, as plain methods, and what `TreeHandle` has.

    For a nested one: `DynamicTree[[str], Session](await tree.child("sessions"))`.

    Args:
        ref: the supervisor.
    """

    async def start_child(self, *args: P.args, **kwargs: P.kwargs) -> Ref[ActorT]:
        """Start a child from these arguments of the template's factory; return its ref when its `setup` has ended.

        If this call is cancelled the start is undone. The ref of a child that declined to start (`NotNow`) has ended.

        Raises:
            StartFailed: it did not start; the cause is chained, and nothing of it stays.
            TooManyChildren: the supervisor has as many as it may.
        """
        return await self.ref.ask(DynamicSupervisor.start_child(args, kwargs))

    async def stop_child(self, child: Ref[ActorT]) -> None:
        """Stop a child within its grace and forget it. A stop goes on if this call is cancelled.

        Raises:
            ChildNotFound: it is no child of this supervisor, or has ended.
            ChildStillRunning: it shields itself from its end and was left behind.
            TypeError: it is no ref.
        """
        await self.ref.ask(DynamicSupervisor.stop_child(child))

    async def which_children(self) -> tuple[ChildStatus, ...]:
        """Return a snapshot of every child, in the order in which they started."""
        return await self.ref.ask(DynamicSupervisor.which_children())

    async def count_children(self) -> ChildCounts:
        """Return how many children there are."""
        return await self.ref.ask(DynamicSupervisor.count_children())

    async def change_intensity(self, intensity: Intensity) -> None:
        """Give the supervisor another budget over all children; restarts that were spent stay spent.

        Raises:
            TypeError: it is no intensity.
        """
        await self.ref.ask(DynamicSupervisor.change_intensity(intensity))

    async def get_template(self) -> ChildTemplate[P, ActorT]:
        """Return what new children are started from."""
        template = await self.ref.ask(DynamicSupervisor.get_template())
        return cast("ChildTemplate[P, ActorT]", template)

    async def change_template(self, template: ChildTemplate[P, ActorT]) -> None:
        """Start children from another template from now on; those there are stay what they are.

        Raises:
            TypeError: it is no template.
            ValueError: it is significant for nothing.
        """
        await self.ref.ask(DynamicSupervisor.change_template(template))

    async def stop(self) -> None:
        """Stop all children at once and then the supervisor; return when it has ended."""
        await self.ref.stop(grace=math.inf)


@asynccontextmanager
async def open_dynamic_supervisor(
    template: ChildTemplate[P, ActorT],
    *,
    name: str = "supervisor",
    intensity: Intensity = SUPERVISOR_INTENSITY,
    backoff: Backoff = DEFAULT_BACKOFF,
    auto_shutdown: AutoShutdown = "never",
    max_children: int | None = None,
    seed: int | None = None,
    rng: random.Random | None = None,
    on_event: OnEvent = unobserved,
) -> AsyncGenerator[DynamicTree[P, ActorT]]:
    """Run a supervisor of many alike children for the length of the block.

        async with open_dynamic_supervisor(ChildTemplate(Session)) as sessions:
            ada = await sessions.start_child("ada")

    When the block ends, all children are stopped in parallel, each within its grace.

    Args:
        template: what the children have in common.
        name: how the supervisor is called in errors and events.
        intensity: the budget of restarts over all children.
        backoff: how long children wait before a restart, unless the template says it.
        auto_shutdown: whether the supervisor ends by itself: "never", with the first significant child that does
            ("any"), or with the last ("all").
        max_children: how many it may have at a time; None for any number.
        seed: makes the jitter the same in every run.
        rng: where the jitter comes from instead.
        on_event: called with each lifecycle event of the whole tree, in the task where it happens; it must not raise.

    Raises:
        RestartsExhausted: a budget is spent; it is the group of the errors behind it. The block is cancelled first. If
            the block raises too, both come in an ExceptionGroup.
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its bounds, the template is significant for nothing, or both seed and rng are
            given.
    """

    def make(on_event: OnEvent) -> DynamicSupervisor:
        return DynamicSupervisor(
            template,
            intensity=intensity,
            backoff=backoff,
            auto_shutdown=auto_shutdown,
            max_children=max_children,
            seed=seed,
            rng=rng,
            on_event=on_event,
        )

    make(on_event)  # a wrong argument is refused here, not in the task of the tree
    async with open_root(make, name=name, on_event=on_event) as ref:
        yield DynamicTree[P, ActorT](ref)
