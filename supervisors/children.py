"""The children of one supervisor: what starts, watches, restarts and stops them.

Every incarnation is a task, `_play`, that runs it and has its end judged. A judgement is a plain call that changes
state at once: the pure parts say what is to be done (`supervisors.restart`) and with whom (`supervisors.dependencies`),
and what takes time is a `Recovery`. Recoveries that share nobody run side by side; one that is asked for a child of
another becomes one with it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import assert_never

import attrs
import trio

from actors.errors import NeedsStopped, StartFailed
from actors.kernel.actor import Actor
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
from supervisors.post_mortem import post_mortem, what_ended
from supervisors.recoveries import Recoveries
from supervisors.recovery import Recovery
from supervisors.reporting import Reporter
from supervisors.restart import VERDICTS, Decision, Escalate, Forget, Keep, Restart
from supervisors.roster import Roster
from supervisors.scope import enter_scope


@attrs.define(eq=False)
class Children:
    """Owns the children's state; the supervisor is the actor around it.

    Args:
        owner: the supervisor.
        report: tells what happens.
        strategy: who is restarted with whom besides what the specs declare.
        books: where the children's messages are counted.
        intensity: the budget of restarts over all children.
        backoff: how long children wait before a restart that do not say it themselves.
        rng: where the jitter comes from.
        auto_shutdown: when the supervisor ends by itself.
        is_ending: whether all are to be stopped: whatever ends is not started again.
        is_forgetful: whether children that are not started again are forgotten, whatever their type.
    """

    owner: Owner
    report: Reporter
    strategy: Strategy
    books: Books
    intensity: Intensity
    backoff: Backoff
    rng: random.Random
    auto_shutdown: AutoShutdown = "never"
    is_ending: bool = attrs.field(default=False, init=False)
    is_forgetful: bool = attrs.field(default=False, init=False)
    roster: Roster = attrs.field(init=False)
    _failures: Failures = attrs.field(init=False)
    _recoveries: Recoveries = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        window = RestartWindow(self.intensity)
        self.roster = Roster(
            self.strategy, self.books, self.backoff, window, self.report.scope.registry, self._cut
        )
        self._failures = Failures(self.intensity.restarts)
        self._recoveries = Recoveries(
            lambda: Recovery(self.by_id.values, self._recall, self.roster.next_of, self.launch, self._retire),
            self.owner.start_soon,
        )

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
            await need.settled()
        if not child.is_over and (unmet := self.roster.unmet_need(child.spec)) is not None:
            child.exit = Exit("crashed", NeedsStopped(unmet, child=child.id))
            self._retire(child)
        elif not child.is_over:
            self._launch_behind_needs(child)
        await self.started(child)

    def _launch_behind_needs(self, child: Child) -> None:
        waiting = [need for need in self.roster.needs_of(child) if need in self._recoveries]
        if waiting:
            self._recoveries.join(child, waiting)
        else:
            self.launch(child)

    async def started(self, child: Child) -> None:
        """Wait for the first start of a child that was launched.

        Raises:
            StartFailed: it did not start; the cause is chained.
        """
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
        for each in reversed(self.roster.with_dependents(child)):
            each.is_dismissed = True
            has_stopped = await self.halt(each, drain=drain) and each.is_over
        return has_stopped

    async def halt_all(self, *, at_once: bool = False) -> None:
        """Stop all children in reverse order, one after the other, each within its grace, or all `at_once`."""
        self.is_ending = True
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
        decision = self._decide(child, killed)
        child.is_dismissed = True
        if child.spec.name is not None:
            self.roster.registry.release(child.spec.name, child.slot)
        successor = self.add(child.spec)
        successor.record, successor.failures = child.record, child.failures
        successor.settle()
        self._do(successor, killed, decision)
        return successor

    # one incarnation, and what becomes of its child

    async def _play(self, child: Child) -> None:
        enter_scope(self.report.scope)
        try:
            exit_ = await child.play(self._on_started)
        except BaseException:
            self.report.ended(child, child.exit)
            self._retire(child)
            raise
        self.report.ended(child, exit_)
        self._judge(child, exit_)

    def _on_started(self, child: Child, incarnation: Incarnation) -> None:
        if not child.is_recalled:  # one that is to end again is still to be started
            self._recoveries.leave(child)
        self.report.started(child, incarnation.heritage)

    def _judge(self, child: Child, exit_: Exit) -> None:
        """Decide what becomes of a child whose incarnation has ended, and begin to do it."""
        if self.is_ending or child.is_dismissed:
            self._retire(child)
        elif child.is_recalled:
            self._rest(child)
        elif not child.is_settled:
            self._fail_first_start(child, exit_)
        else:
            self._do(child, exit_, self._decide(child, exit_))

    def _fail_first_start(self, child: Child, exit_: Exit) -> None:
        """Give up a child that never started: that is the answer to whoever asked for it."""
        delay = self.owner.revive(child, exit_)
        if delay is None:
            self._retire(child)
        else:
            child.settle()
            self._do(child, exit_, Restart(delay))

    def _decide(self, child: Child, exit_: Exit) -> Decision:
        ran_for, now = child.ran_for, trio.current_time()
        decision: Decision = child.record.decide(
            exit_.reason, ran_for=ran_for, now=now, rng=self.rng, is_free=exit_.is_quarantine
        )
        if isinstance(decision, Restart | Escalate):
            error = what_ended(child, exit_, ran_for, decision)
            child.failures.add(error)
            self._failures.add(error)
        if isinstance(decision, Escalate) or exit_.reason == "declined":
            delay = self.owner.revive(child, exit_)
            if delay is not None:
                if isinstance(decision, Escalate):
                    self.report.given_up(child, decision)
                return Restart(delay)
        return decision

    def _do(self, child: Child, exit_: Exit, decision: Decision) -> None:
        match decision:
            case Restart(delay):
                child.restarts += 1
                self.report.restarting(child, delay)
                is_retry = child in self._recoveries  # its group is down, or up without it: it alone is late
                child.rest()
                group = [child] if is_retry else self.roster.restart_group(child)
                self._recoveries.bring_up(group, trio.current_time() + delay)
            case Escalate():
                self._escalate(child, decision)
                self._retire(child)
            case Keep() | Forget():
                self._retire(child)
                self._has_ended_by_itself(child, exit_)
            case _:
                assert_never(decision)

    async def _recall(self, child: Child) -> None:
        """End the incarnation of a member of a group; one that does not end in time comes back when it has."""
        if not await self.halt(child):
            self._recoveries.leave(child)

    def _rest(self, child: Child) -> None:
        """Have a recalled child wait for its next incarnation; a temporary one is not brought back."""
        if child.spec.restart == "temporary":
            self._retire(child)
            return
        child.rest()
        if child not in self._recoveries:  # it ended so late that its group is up without it
            self._recoveries.bring_up((child,), trio.current_time())

    def _cut(self, child: Child) -> None:
        """Judge a stop that was asked of a child while it waits for its next incarnation.

        A permanent one is started as soon as possible, without a further restart being spent. Whoever asked for the
        stop need not wait for the next incarnation to end, so the slot is left once more.
        """
        if child.is_playing or child.is_over:
            return
        if child not in self._recoveries:  # its first start waits for what it needs
            child.exit = Exit("stopped")
            self._retire(child)
            return
        is_wanted = not (self.is_ending or child.is_dismissed)
        if is_wanted and VERDICTS[child.spec.restart]["stopped"] == "again_at_once":
            child.rest()
            self._recoveries.hasten(child)
            return
        child.exit = Exit("stopped")
        self.report.ended(child, child.exit)
        self._recoveries.withdraw(child)
        self._retire(child)
        if is_wanted:
            self._has_ended_by_itself(child, child.exit)

    def _retire(self, child: Child) -> None:
        """Close a child that plays no more."""
        self._recoveries.leave(child)
        never_was = child.is_on_trial and not child.has_started and child.exit.reason != "declined"
        self.roster.close(child)
        if child.is_unwanted or never_was or self.is_forgetful or child.spec.restart == "temporary":
            self.roster.forget(child)

    # the end of the supervisor

    def _has_ended_by_itself(self, child: Child, exit_: Exit) -> None:
        """End the supervisor if that is what a significant child's end means."""
        if self.is_ending or not child.spec.significant or exit_.reason == "declined":
            return
        if self.auto_shutdown == "any" or (self.auto_shutdown == "all" and not self.roster.significant):
            self.is_ending = True
            self.report.auto_shutdown(child)
            self.owner.on_auto_shutdown()

    def _escalate(self, child: Child, spent: Escalate) -> None:
        self.is_ending = True
        self.report.given_up(child, spent)
        self.report.escalated(child)
        failures = child.failures if spent.budget == "child" else self._failures
        self.owner.on_exhausted(post_mortem(child, spent, failures, self.report.supervisor))

    # change at run time

    def change_intensity(self, intensity: Intensity) -> None:
        """Give the supervisor another budget; what was spent stays spent."""
        self.intensity = intensity
        self.roster.window.change(intensity, trio.current_time())
        self._failures.restarts = intensity.restarts

    def change_specs(self, specs: Sequence[ChildSpec[Actor]]) -> None:
        """Put `specs` in the place of those with the same ids, and first in the row; new ones wait to be started.

        Raises:
            ValueError: a need is not there, or children need each other in a circle; nothing was changed.
        """
        self.roster.change(specs)
