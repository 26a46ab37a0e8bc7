"""The children of one supervisor: starts and stops, and the tasks they play in.

Every incarnation is a task, `_play`. What becomes of its child when it has ended, and of the supervisor over it, is
judged in `supervisors.succession`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import attrs
import trio

from actors.errors import NeedsStopped, StartFailed
from actors.kernel.activity import Activity
from actors.kernel.actor import Actor
from actors.kernel.awaiting import awaiting
from actors.kernel.fates import Books
from actors.kernel.incarnation import Incarnation
from actors.kernel.slot import Exit
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.child_spec import ChildSpec
from supervisors.dependencies import Strategy
from supervisors.failures import Failures
from supervisors.intensity import Intensity, RestartWindow
from supervisors.owner import AutoShutdown, Owner
from supervisors.recoveries import Recoveries
from supervisors.recovery import Recovery
from supervisors.reporting import Reporter
from supervisors.roster import Roster
from supervisors.scope import enter_scope
from supervisors.succession import Succession


@attrs.define(eq=False)
class Children:
    """Owns the children's state; the supervisor is the actor around it.

    Args:
        owner: the supervisor.
        report: tells what happens.
        strategy: who is restarted with whom besides what the specs declare.
        books: where the children's messages are counted.
        window: the budget of restarts over all children.
        backoff: how long children wait before a restart that do not say it themselves.
        rng: where the jitter comes from.
        auto_shutdown: when the supervisor ends by itself.
    """

    owner: Owner
    report: Reporter
    strategy: Strategy
    books: Books
    window: RestartWindow
    backoff: Backoff
    rng: random.Random
    auto_shutdown: AutoShutdown = "never"
    roster: Roster = attrs.field(init=False)
    _succession: Succession = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        registry = self.report.scope.registry
        self.roster = Roster(self.strategy, self.books, self.backoff, self.window, registry, self._cut)
        recoveries = Recoveries(self._recovery, self.owner.start_soon)
        failures = Failures(self.window.intensity.restarts)
        self._succession = Succession(
            self.owner, self.report, self.roster, recoveries, self.rng, self.auto_shutdown, failures
        )

    def _recovery(self) -> Recovery:
        return Recovery(
            self.by_id.values,
            self._recall,
            self.roster.next_of,
            self.launch,
            Activity(self.report.supervisor, "restart", trio.current_time()),
            self._abandon,
        )

    @property
    def is_ending(self) -> bool:
        """Whether all are to be stopped: whatever ends is not started again."""
        return self._succession.is_ending

    def be_forgetful(self) -> None:
        """Forget children that are not started again, whatever their type."""
        self._succession.is_forgetful = True

    def _cut(self, child: Child) -> None:
        self._succession.cut(child)

    def _abandon(self, members: Sequence[Child]) -> None:
        """Close those that wait, as the supervisor is cancelled; those that still play are closed when they end."""
        self._succession.is_ending = True
        for child in members:
            if not child.is_playing:
                self._succession.retire(child)

    @property
    def by_id(self) -> Mapping[str, Child]:
        """The children in start order, stopped ones included."""
        return self.roster.by_id

    # starts and stops

    def add(self, spec: ChildSpec[Actor]) -> Child:
        """Take a child in, or a stopped one anew in its old place, under its name.

        Raises:
            NameTaken: another actor has the name; nothing was changed.
        """
        return self.roster.add(spec)

    def launch(self, child: Child) -> None:
        """Begin the next incarnation of a child."""
        child.begin()
        self.owner.start_soon(self._play, child)

    async def start(self, child: Child) -> None:
        """Start a child that was added; return when its first incarnation serves, or has declined to.

        It waits for what it needs: until that has started, or, while that restarts, as a member of its group.

        Raises:
            StartFailed: it did not start; the cause is chained.
        """
        for need in self.roster.needs_of(child):
            with awaiting(need.slot):
                await need.settled()
        if not child.is_over and (unmet := self.roster.unmet_need(child.spec)) is not None:
            child.exit = Exit("crashed", NeedsStopped(unmet, child=child.id))
            self._succession.retire(child)
        elif not child.is_over:
            self._launch_behind_needs(child)
        await self.started(child)

    def _launch_behind_needs(self, child: Child) -> None:
        waiting = [need for need in self.roster.needs_of(child) if need in self._succession.recoveries]
        if waiting:
            self._succession.recoveries.join(child, waiting)
        else:
            self.launch(child)

    async def started(self, child: Child) -> None:
        """Wait for the first start of a child that was launched.

        Raises:
            StartFailed: it did not start; the cause is chained.
        """
        with awaiting(child.slot):
            await child.settled()
        if not child.has_started and child.exit.reason != "declined":
            cause = child.exit.error
            why = "was stopped first" if cause is None else f"failed with {type(cause).__name__}"
            raise StartFailed(f"child {child.id!r} did not start: it {why}", child=child.id) from cause

    async def halt(self, child: Child, *, drain: bool = False) -> bool:
        """End a child's incarnation within its grace, after its messages if `drain`; return whether it has ended."""
        if await child.halt(drain=drain):
            return True
        self.report.overdue(child)
        return False

    async def dismiss(self, child: Child, *, drain: bool = False) -> bool:
        """Stop a child for good, those that need it first; return whether it has stopped."""
        has_stopped = True
        group = self.roster.with_dependents(child)
        for each in group:
            each.is_dismissed = True  # all at once: one that fails meanwhile brings none of the others back
        for each in reversed(group):
            has_stopped = await self.halt(each, drain=drain) and each.is_over
        return has_stopped

    async def halt_all(self, *, at_once: bool = False) -> None:
        """Stop all children in reverse order, one after the other, each within its grace, or all `at_once`."""
        self._succession.is_ending = True
        everybody = tuple(self.by_id.values())
        for child in everybody:
            self._cut(child)  # nobody comes back while the others go
        if at_once:
            for child in everybody:
                child.slot.request_stop(child.grace)
        for child in reversed(everybody):
            await self.halt(child)

    def discard(self, child: Child) -> None:
        """Stop a child, and drop its spec when it has stopped."""
        child.is_unwanted = True
        if child.is_over:
            self.roster.forget(child)
        else:
            self.owner.start_soon(self.dismiss, child)

    def replace(self, child: Child) -> Child:
        """Put a new child with a new slot in the place of one that is left behind, as if that had been killed.

        What the old one has spent is the new one's, and the replacement costs a restart; where no budget pays for it,
        the supervisor ends and the new one is closed at once. Whatever becomes of the old one touches nothing any more.
        """
        killed = Exit("killed")
        decision = self._succession.decide(child, killed)
        child.is_dismissed = True
        if child.spec.name is not None:
            self.roster.registry.release(child.spec.name, child.slot)
        successor = self.add(child.spec)
        successor.record, successor.failures = child.record, child.failures
        successor.settle()
        self._succession.carry_out(successor, killed, decision)
        return successor

    # one incarnation

    async def _play(self, child: Child) -> None:
        enter_scope(self.report.scope)
        try:
            exit_ = await child.play(self._on_started)
        except BaseException:
            self.report.ended(child, child.exit)
            self._succession.retire(child)
            raise
        self.report.ended(child, exit_)
        self._succession.judge(child, exit_)

    def _on_started(self, child: Child, incarnation: Incarnation) -> None:
        if not child.is_recalled:  # one that is to end again is still to be started
            self._succession.recoveries.leave(child)
        self.report.started(child, incarnation.heritage)

    async def _recall(self, child: Child) -> None:
        """End the incarnation of a member of a group; one that does not end in time comes back when it has."""
        if not await self.halt(child):
            self._succession.recoveries.leave(child)

    # change at run time

    def change_intensity(self, intensity: Intensity) -> None:
        """Give the supervisor another budget; what was spent stays spent."""
        self._succession.change_intensity(intensity)

    def change_specs(self, specs: Sequence[ChildSpec[Actor]]) -> None:
        """Put `specs` in the place of those with the same ids, and first in the row; new ones wait to be started.

        Raises:
            ValueError: a need is not there, or children need each other in a circle; nothing was changed.
        """
        self.roster.change(specs)
