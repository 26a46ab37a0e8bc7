"""How a failover group is reached, and run for the length of a block."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from actors.kernel.actor import Actor
from actors.kernel.ref import Ref, slot_of
from actors.kernel.slot import Slot
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child_spec import ChildSpec
from supervisors.events import unobserved
from supervisors.failover.events import OnFailoverEvent
from supervisors.failover.group import FailoverGroup
from supervisors.failover.options import HEALTHY_FOR, PROBE_EVERY
from supervisors.root import open_root
from supervisors.routed_ref import RoutedRef

ActorT = TypeVar("ActorT", bound=Actor)
ActorT_co = TypeVar("ActorT_co", bound=Actor, covariant=True)


class FailoverRef(RoutedRef[ActorT_co]):
    """A typed handle on the active member of a group, whichever that is: messages go straight to it.

        models = FailoverRef(await tree.start_child(ChildSpec("models", lambda: FailoverGroup([...]))))
        await models.ask(Model.complete(request))

    Everything but messages is the group's, as in `RoutedRef`.

    Args:
        group: a ref to the group itself.
    """

    __slots__ = ("group",)

    def __init__(self, group: Ref[FailoverGroup[ActorT_co]]) -> None:
        slot = slot_of(group)
        super().__init__(slot, lambda _message: _active_in(slot))
        self.group = group
        """The group itself, for its own ops: `await ref.group.ask(FailoverGroup.statistics())`."""


def _active_in(slot: Slot) -> Ref[Any] | None:
    group = slot.actor
    return group.active if isinstance(group, FailoverGroup) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # a group of anything


@asynccontextmanager
async def open_failover_group(
    members: Sequence[ChildSpec[ActorT]],
    *,
    name: str = "failover",
    probe: Callable[[Ref[ActorT]], Awaitable[object]] | None = None,
    probe_every: float = PROBE_EVERY,
    probe_timeout: float = PROBE_EVERY,
    standby_probe_every: float | None = None,
    healthy_for: float = HEALTHY_FOR,
    backoff: Backoff = DEFAULT_BACKOFF,
    seed: int | None = None,
    rng: random.Random | None = None,
    on_event: OnFailoverEvent = unobserved,
) -> AsyncGenerator[FailoverRef[ActorT]]:
    """Run a failover group for the length of the block; its ref is that of whichever member is active.

        async with open_failover_group([ChildSpec("opus", Opus), ChildSpec("sonnet", Sonnet)], probe=ping) as model:
            await model.ask(Model.complete(request))

    When the block ends the members are stopped in reverse order, each within its grace.

    Args:
        members: specs of the members, the best first; all permanent.
        name: how the group is called in errors and events.
        probe: asks a member something that only a healthy one answers; None if serving is proof enough.
        probe_every: seconds from the answer of a member under test to its next probe.
        probe_timeout: seconds for one probe.
        standby_probe_every: seconds between probes of standbys that are fit; None for none.
        healthy_for: seconds without interruption for which a member has to be well before it is fit again.
        backoff: how long members wait before a restart that do not say it themselves.
        seed: makes the jitter the same in every run.
        rng: where the jitter comes from instead.
        on_event: called with each event of the group and its members; it must not raise.

    Raises:
        StartFailed: no member has started; the causes are chained.
        TypeError, ValueError: as for `FailoverGroup`.
    """
    async with open_root(
        lambda _tell: FailoverGroup(
            members,
            probe=probe,
            probe_every=probe_every,
            probe_timeout=probe_timeout,
            standby_probe_every=standby_probe_every,
            healthy_for=healthy_for,
            backoff=backoff,
            seed=seed,
            rng=rng,
            on_event=on_event,
        ),
        name=name,
        on_event=unobserved,  # the group tells its observer itself, of more than the lifecycle
    ) as group:
        yield FailoverRef(group)
