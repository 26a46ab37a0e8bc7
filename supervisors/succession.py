"""What becomes of a child whose incarnation has ended, and of its supervisor over it.

A judgement is a plain call that changes state at once. The pure parts say what is to be done (`supervisors.restart`)
and with whom (`supervisors.dependencies`); what takes time is a `Recovery`. Recoveries that share nobody run side by
side; one that is asked for a child of another becomes one with it.
"""

from __future__ import annotations

import random
from typing import assert_never

import attrs
import trio

from actors.kernel.slot import Exit
from supervisors.child import Child
from supervisors.failures import Failures
from supervisors.intensity import Intensity
from supervisors.owner import AutoShutdown, Owner
from supervisors.post_mortem import post_mortem, what_ended
from supervisors.recoveries import Recoveries
from supervisors.reporting import Reporter
from supervisors.restart import VERDICTS, Decision, Escalate, Forget, Keep, Restart
from supervisors.roster import Roster


@attrs.define(eq=False)
class Succession:
    """Judges the ends of the children of one supervisor.

    Args:
        owner: the supervisor.
        report: tells what happens.
        roster: the children.
        recoveries: who is on the way back up.
        rng: where the jitter comes from.
        auto_shutdown: when the supervisor ends by itself.
        failures: what was paid for out of the supervisor's budget.
        is_ending: whether all are to be stopped: whatever ends is not started again.
        is_forgetful: whether children that are not started again are forgotten, whatever their type.
    """

    owner: Owner
    report: Reporter
    roster: Roster
    recoveries: Recoveries
    rng: random.Random
    auto_shutdown: AutoShutdown
    failures: Failures
    is_ending: bool = attrs.field(default=False, init=False)
    is_forgetful: bool = attrs.field(default=False, init=False)

    def judge(self, child: Child, exit_: Exit) -> None:
        """Decide what becomes of a child whose incarnation has ended, and begin to do it."""
        if self.is_ending or child.is_dismissed:
            self.retire(child)
        elif child.is_recalled:
            self._rest(child)
        elif not child.is_settled:
            self._fail_first_start(child, exit_)
        else:
            self.carry_out(child, exit_, self.decide(child, exit_))

    def _fail_first_start(self, child: Child, exit_: Exit) -> None:
        """Give up a child that never started: that is the answer to whoever asked for it."""
        delay = self.owner.revive(child, exit_)
        if delay is None:
            self.retire(child)
        else:
            child.settle()
            self.carry_out(child, exit_, Restart(delay))

    def _rest(self, child: Child) -> None:
        """Have a recalled child wait for its next incarnation; a temporary one is not brought back."""
        if child.spec.restart == "temporary":
            self.retire(child)
            return
        child.rest()
        if child in self.recoveries:
            self.recoveries.hold(child)
        else:  # it ended so late that its group is up without it
            self.recoveries.bring_up((child,), trio.current_time())

    def decide(self, child: Child, exit_: Exit) -> Decision:
        """Say what is to be done by the rules, or by the owner's own; what costs a restart is paid and remembered."""
        ran_for, now = child.ran_for, trio.current_time()
        decision: Decision = child.record.decide(
            exit_.reason, ran_for=ran_for, now=now, rng=self.rng, is_free=exit_.is_quarantine
        )
        if isinstance(decision, Restart | Escalate):
            error = what_ended(child, exit_, ran_for, decision)
            child.failures.add(error)
            self.failures.add(error)
        if isinstance(decision, Escalate) or exit_.reason == "declined":
            delay = self.owner.revive(child, exit_)
            if delay is not None:
                if isinstance(decision, Escalate):
                    self.report.given_up(child, decision)
                return Restart(delay)
        return decision

    def carry_out(self, child: Child, exit_: Exit, decision: Decision) -> None:
        """Begin to do what was decided."""
        match decision:
            case Restart(delay):
                child.restarts += 1
                self.report.restarting(child, delay)
                is_retry = child in self.recoveries  # its group is down, or up without it: it alone is late
                child.rest()
                group = [child] if is_retry else self.roster.restart_group(child)
                self.recoveries.bring_up(group, trio.current_time() + delay)
            case Escalate():
                self._escalate(child, decision)
                self.retire(child)
            case Keep() | Forget():
                self.retire(child)
                self._has_ended_by_itself(child, exit_)
            case _:
                assert_never(decision)

    def cut(self, child: Child) -> None:
        """Judge a stop that was asked of a child while it waits for its next incarnation.

        A permanent one is started as soon as possible, without a further restart being spent. Whoever asked for the
        stop need not wait for the next incarnation to end, so the slot is left once more.
        """
        if child.is_playing or child.is_over:
            return
        if not child.is_settled:  # its first start waits for what it needs: it fails
            child.exit = Exit("stopped")
            if child in self.recoveries:
                self.recoveries.withdraw(child)
            self.retire(child)
            return
        is_wanted = not (self.is_ending or child.is_dismissed)
        if is_wanted and VERDICTS[child.spec.restart]["stopped"] == "again_at_once":
            child.rest()
            self.recoveries.hasten(child)
            return
        child.exit = Exit("stopped")
        self.report.ended(child, child.exit)
        self.recoveries.withdraw(child)
        self.retire(child)
        if is_wanted:
            self._has_ended_by_itself(child, child.exit)

    def retire(self, child: Child) -> None:
        """Close a child that plays no more."""
        self.recoveries.leave(child)
        never_was = child.is_on_trial and not child.has_started and child.exit.reason != "declined"
        self.roster.close(child)
        if child.is_unwanted or never_was or self.is_forgetful or child.spec.restart == "temporary":
            self.roster.forget(child)

    def change_intensity(self, intensity: Intensity) -> None:
        """Give the supervisor another budget; what was spent stays spent."""
        self.roster.window.change(intensity, trio.current_time())
        self.failures.restarts = intensity.restarts

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
        failures = child.failures if spent.budget == "child" else self.failures
        self.owner.on_exhausted(post_mortem(child, spent, failures, self.report.supervisor))
