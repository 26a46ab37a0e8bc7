"""A failover group: ordered members behind one ref, of which one is active.

Theory of operation. All members are started, the standbys hot beside the primary, and started again when they crash, as
any supervisor does. The group's ref goes to the active member. Who that is `supervisors.failover.policy` decides, from
what happens to the members; this actor hears it, asks the policy, and performs the decision:

    a member serves, crashes, spends its budget, calls itself unwell      told by the children and by its slot
    a member under test answers a probe or does not                       told by the prober
    decision: give the role to another member                             its mailbox moves along, then refs go there

A change of the active member is one step without a checkpoint in it: no message can be sent between the move of the
mailbox and the change of the table, so none is lost, none overtakes another, and none is handled twice. A message that
has begun ends where it began; if that member crashes over it, its asker is told `Interrupted`, or it waits again at the
head of the mailbox, if its op is idempotent, and moves along.

The group does not escalate. A member whose budget is spent is started again all the same, after the longest delay of
its backoff, and has to prove itself; while no other is any better it stays active, and messages wait for it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar, assert_never

import attrs
import trio

from actors.errors import NameTaken, NotNow, StartFailed
from actors.kernel.actor import Actor
from actors.kernel.ops import op
from actors.kernel.ref import Ref
from actors.kernel.slot import Exit
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child import Child
from supervisors.child_spec import ChildSpec
from supervisors.events import ChildRestarting, ChildStarted, LifecycleEvent, unobserved
from supervisors.failover.events import FailoverEvent, OnFailoverEvent
from supervisors.failover.options import HEALTHY_FOR, PROBE_EVERY, FailoverOptions
from supervisors.failover.policy import (
    Cause,
    Decision,
    FailBack,
    FailoverPolicy,
    Fit,
    KeepLast,
    Promote,
    Stay,
)
from supervisors.failover.prober import Prober
from supervisors.failover.reporting import FailoverReporter
from supervisors.failover.statistics import FailoverStatistics, MemberStatistics
from supervisors.foreman import Foreman, Manner
from supervisors.inside import Inside
from supervisors.intensity import Intensity

ActorT = TypeVar("ActorT", bound=Actor)

LEAST_REVIVAL = 1.0
"""Seconds before a member whose budget is spent is started again at least, whatever its backoff."""

NO_BUDGET = Intensity(restarts=10**9, period=1.0)
"""Members have budgets of their own; one for all of them together would let one that limps take the others down."""


class FailoverGroup(Foreman, Generic[ActorT]):
    """Keeps ordered members, the first one active as long as it is fit, and the next fit one when it is not.

    They are the cast of one role: the lead, and its understudies, dressed and ready. It is not a load balancer: one
    member has all the work. Open one with `open_failover_group`, or keep it in a tree:
    `ChildSpec("models", lambda: FailoverGroup([ChildSpec("first", First), ChildSpec("second", Second)]))`;
    `FailoverRef(ref)` is how its active member is reached.

    Args:
        members: their specs, the best first; all permanent, as the role has to be filled.
        probe: asks a member something that only a healthy one answers; any error is a failure. Without one, a member
            proves itself by serving and calling itself well.
        probe_every: seconds from the answer of a member under test to its next probe.
        probe_timeout: seconds for one probe.
        standby_probe_every: seconds between probes of standbys that are fit, so that one that only looks it is found
            before it is needed; None for none: where nothing is under suspicion nothing is asked.
        healthy_for: seconds without interruption for which a member has to be well before it is fit again.
        backoff: how long members wait before a restart that do not say it themselves.
        seed: makes the jitter the same in every run; it is derived from seed, name and incarnation.
        rng: where the jitter comes from instead.
        on_event: called with each event of the group and its members, in the task where it happens; it must not raise.

    Raises:
        TypeError: a member is no `ChildSpec`.
        ValueError: there is none, one is not permanent or has needs, two share an id, a number is out of its bounds, or
            both seed and rng are given.
    """

    def __init__(
        self,
        members: Sequence[ChildSpec[ActorT]],
        *,
        probe: Callable[[Ref[ActorT]], Awaitable[object]] | None = None,
        probe_every: float = PROBE_EVERY,
        probe_timeout: float = PROBE_EVERY,
        standby_probe_every: float | None = None,
        healthy_for: float = HEALTHY_FOR,
        backoff: Backoff = DEFAULT_BACKOFF,
        seed: int | None = None,
        rng: random.Random | None = None,
        on_event: OnFailoverEvent = unobserved,
    ) -> None:
        super().__init__(
            Manner(intensity=NO_BUDGET, backoff=backoff, seed=seed, rng=rng, on_event=self._hear)
        )
        if not isinstance(members, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"members are given as a sequence of ChildSpec, got {type(members).__name__}")
        has_probe = probe is not None
        if has_probe and not callable(probe):
            raise TypeError(f"probe must be callable with a ref or None, got {probe!r}")
        self._options = FailoverOptions(
            tuple(members), has_probe, probe_every, probe_timeout, standby_probe_every, healthy_for
        )
        self._specs = self._options.members
        self._ranks = {spec.id: rank for rank, spec in enumerate(self._specs)}
        self._policy = FailoverPolicy(len(self._specs), healthy_for, has_probe)
        self._prober = None if probe is None else Prober(self, probe, probe_every, probe_timeout)
        self._on_event = self.guarded(on_event)
        self._members: tuple[Child, ...] = ()
        self._refs: tuple[Ref[ActorT], ...] = ()
        self._promotions = self._fail_backs = self._moved = 0

    # the start

    async def setup(self) -> None:
        """Start the members in order; one that does not start is down, and is tried again.

        Raises:
            StartFailed: none has started, or the name of one is taken; the causes are chained.
        """
        children = self._open()
        ids = tuple(spec.id for spec in self._specs)
        self._report = FailoverReporter(children.report.supervisor, ids, self._policy, self._tell)
        try:
            failures = [failure for spec in self._specs if (failure := await self._start(spec)) is not None]
            if not any(member.has_started for member in self._members):
                text = f"no member of {self.name!r} started, {ids[0]!r} first of all"
                raise StartFailed(text, child=ids[0]) from ExceptionGroup("why none started", failures)  # noqa: TRY301  # one end for both
        except StartFailed:
            await children.halt_all()
            raise
        every = self._options.standby_probe_every
        if self._prober is not None and every is not None:
            self.start_soon(self._watch_standbys, self._prober, every)

    async def _start(self, spec: ChildSpec[ActorT]) -> Exception | None:
        """Take a member in and start it; return why it has not started, or None."""
        try:
            member = self._children.add(spec)
        except NameTaken as error:
            raise StartFailed(f"member {spec.id!r} did not start: {error}", child=spec.id) from error
        member.slot.on_health = partial(self._hear_of_health, len(self._members))
        self._members += (member,)
        self._refs += (Ref[ActorT](member.slot),)
        try:
            await self._children.start(member)
        except StartFailed as failure:
            return failure
        return member.exit.error if isinstance(member.exit.error, NotNow) else None

    # what happens to the members

    def _tell(self, event: FailoverEvent | LifecycleEvent) -> None:
        """Tell the observer, and whoever follows the tree, of more than the lifecycle."""
        self._children.report.scope.feed.publish(event)
        self._on_event(event)

    def _hear(self, event: LifecycleEvent) -> None:
        """Pass an event on, and judge what it says of a member."""
        self._on_event(event)
        if not isinstance(event, ChildStarted | ChildRestarting):
            return
        if event.supervisor != self._children.report.supervisor:
            return  # of a supervisor that is nested in a member
        rank = self._ranks[event.child]
        if isinstance(event, ChildRestarting):
            self._perform(self._policy.crashes(rank))
        else:
            is_well = self._members[rank].slot.is_healthy
            self._perform(self._policy.serves(rank, self.now(), is_well=is_well))
            self._look_at_the_clock()

    def _hear_of_health(self, rank: int) -> None:
        """Judge what a member says of itself, at once: what is sent after its word goes by it."""
        if self._policy.is_up(rank):  # what it says while it starts is heard when it serves
            is_well = self._members[rank].slot.is_healthy
            self._perform(self._policy.feels(rank, self.now(), is_well=is_well))
            self._look_at_the_clock()

    def revive(self, child: Child, exit_: Exit) -> float | None:
        """Take a member's role, if another can have it, and have the member started again after its longest delay."""
        rank = self._ranks[child.id]
        self._perform(self._policy.falls(rank, _cause(child, exit_)))
        if rank != self._policy.active:
            self._move(rank, self._policy.active)  # what came back to its mailbox when it ended
        return max((child.spec.backoff or self._manner.backoff).cap, LEAST_REVIVAL)

    def next_deadline(self) -> float:
        """Return the instant at which time alone completes a member's proof, or infinity."""
        return self._policy.next_deadline()

    def on_deadline(self) -> None:
        """Trust whoever has been well for long enough."""
        self._perform(self._policy.advance(self.now()))

    @op
    def review(self: FailoverGroup[Any]) -> None:
        """Trust whoever has been well for long enough. The group sends it to itself."""
        self._perform(self._policy.advance(self.now()))

    def _look_at_the_clock(self) -> None:
        """Have the next deadline looked at anew: a member's task may have begun a proof while the group sleeps."""
        if self.next_deadline() < math.inf:
            self.after(0, FailoverGroup.review())

    # probes

    def on_answer(self, rank: int) -> None:
        """Take note that a member answered a probe as it should."""
        self._perform(self._policy.answers(rank, self.now()))

    def on_failure(self, rank: int, error: Exception) -> None:
        """Take note that a member did not answer a probe as it should."""
        self._report.probe_failed(rank, error, self.now())
        self._perform(self._policy.fails_probe(rank))

    async def _watch_standbys(self, prober: Prober[ActorT], every: float) -> None:
        while True:
            await trio.sleep(every)
            for rank, ref in enumerate(self._refs):
                if rank != self._policy.active and isinstance(self._policy.standing(rank), Fit):
                    error = await prober.ask(ref)
                    if error is not None:
                        self.on_failure(rank, error)

    # what is decided

    def _perform(self, decision: Decision) -> None:
        """Do what was decided, tell of it, and probe whoever is under test now.

        What waits is moved first: an observer may send a message, and it must not overtake it.
        """
        moved = 0
        match decision:
            case Promote(member, demoted):
                self._promotions += 1
                moved = self._move(demoted, member)
            case FailBack(member, demoted):
                self._fail_backs += 1
                moved = self._move(demoted, member)
            case KeepLast() | Stay():
                pass
            case _:
                assert_never(decision)
        self._report.changed(decision, moved, self.now())
        self._see_to_tests()

    def _move(self, source: int, target: int) -> int:
        """Move what waits for one member to another; return how many messages that are."""
        taker = self._members[target].slot.mailbox
        before = taker.tally.sent
        self._members[source].slot.mailbox.move_to(taker)
        moved = taker.tally.sent - before
        self._moved += moved
        return moved

    def _see_to_tests(self) -> None:
        if self._prober is None:
            return
        for rank, ref in enumerate(self._refs):
            if self._policy.is_under_test(rank):
                self._prober.test(rank, ref)
            else:
                self._prober.leave(rank)

    # what others ask

    @property
    def active(self) -> Ref[ActorT] | None:
        """The active member, or None before there is one. Refs of the group read it with every message."""
        return self._refs[self._policy.active] if self._refs else None

    @op
    def statistics(self: FailoverGroup[Any]) -> FailoverStatistics:
        """Return a snapshot of the group."""
        return FailoverStatistics(
            self._specs[self._policy.active].id,
            tuple(
                MemberStatistics(member.id, self._policy.standing(rank), member.slot.incarnation)
                for rank, member in enumerate(self._members)
            ),
            self._promotions,
            self._fail_backs,
            self._moved,
        )

    def look_inside(self) -> Inside:
        """Return its members, who of them is active, and its place in the tree, for a snapshot."""
        inside, active = super().look_inside(), self._specs[self._policy.active].id
        views = (
            attrs.evolve(view, role="active" if view.id == active else "standby") for view in inside.children
        )
        return attrs.evolve(inside, strategy="failover", children=tuple(views))


def _cause(child: Child, exit_: Exit) -> Cause:
    if exit_.reason == "declined":
        return "declined"
    return "budget spent" if child.is_settled else "not started"
