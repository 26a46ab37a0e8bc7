"""The rules of supervision, once more, as plainly as they can be said: what a supervisor is held to.

It is the rule book and not the game: it knows children by id, instants and lists, imports nothing of what it judges,
and nothing in it is quick. Nothing takes time in it but the delay before a restart, so whenever one looks every child
is running, restarting or stopped; or starting, if it was started by hand while what it needs restarts.

    a child ends by itself     restarted, kept or forgotten, as its restart type says        `crash`, `finish`, ...
    a restart                  is paid out of two windows, takes others along, and waits      `_pays`, `_recover`
    the wait is over           the members start in order, as far as they start at all        `_resume`
    something is done by hand  stop, restart, delete, start: done or refused                  `stop_child`, ...

The dice always show one half, so a delay is half its bound.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping

from reference_child import (
    DELAYS,
    HEALTHY_AFTER,
    Account,
    AutoShutdown,
    Budget,
    Child,
    Cue,
    Spec,
    Strategy,
)

Recovery = dict[str, float]
"""Children that come up together: the ids of those who still wait, and the instant before which each is not started."""


class Refused(Exception):
    """What was asked for is refused; the argument is the name of the error."""


class Model:
    """A supervisor as the rules have it.

    Args:
        strategy: who is restarted with a failed child, besides those that need it.
        auto_shutdown: whether the ends of significant children end it.
        budget: for restarts of all children.
        specs: of the first children.
        cues: for each id, how its next starts go; when there are none left, it starts.
    """

    def __init__(
        self,
        strategy: Strategy,
        auto_shutdown: AutoShutdown,
        budget: Budget,
        specs: Iterable[Spec],
        cues: Mapping[str, list[Cue]],
    ) -> None:
        self.strategy, self.auto_shutdown = strategy, auto_shutdown
        self.account = Account(budget)
        self.cues = {child_id: list(each) for child_id, each in cues.items()}
        self.now = 0.0
        self.children: dict[str, Child] = {}  # in start order
        self.recoveries: list[Recovery] = []
        self.end: str | None = None
        self.post_mortem: list[str] = []
        self.acts: list[tuple[str, str, float]] = []  # who was made or torn down, when
        self.heard: list[tuple[str, int, float]] = []  # who handled which message, when
        self.events: list[tuple[str, ...]] = []
        self._line_up({spec.id: spec for spec in specs})
        for child in tuple(self.children.values()):
            if not self._starts(child):
                self._shut("failed start")
                break

    def _line_up(self, specs: Mapping[str, Spec]) -> None:
        """Let children stand in the order given, but for those that others need, who stand before them."""

        def place(spec: Spec) -> None:
            for need in spec.needs:
                place(specs[need])
            self.children.setdefault(spec.id, Child(spec))

        for spec in specs.values():
            place(spec)

    # what children do by themselves

    def crash(self, child: Child) -> None:
        """An error nobody declared: the end of an incarnation that all but temporary children survive."""
        error = "ExceptionGroup" if child.spec.is_rough else "RuntimeError"
        self._leave(child)
        self._tell(child, "crashed", error)
        self._ends(child, error, is_again=child.spec.restart != "temporary")

    def finish(self, child: Child) -> None:
        """A normal end, unless the teardown spoils it. Only permanent children are restarted after one."""
        self._leave(child)
        if child.spec.is_rough:
            self._tell(child, "crashed", "OSError")
            self._ends(child, "OSError", is_again=child.spec.restart != "temporary")
        else:
            self._tell(child, "stopped", "normal")
            self._ends(child, "EndedUnasked", is_again=child.spec.restart == "permanent")

    def stop_through_ref(self, child: Child) -> None:
        """A stop that somebody else than the supervisor asked for: a normal end; what is restarted is so at once."""
        is_again = child.spec.restart == "permanent"
        child.is_missed = not is_again
        if child.state == "running":
            self._halt(child, is_kept=True)
            error = "OSError" if child.spec.is_rough else "EndedUnasked"
            self._ends(child, error, is_again=is_again, is_at_once=True)
        elif child.state == "starting":
            self._drop(child)  # it never was, so nothing follows from its end
        elif is_again:
            self._recovery_of(child)[child.id] = self.now  # the restart it waits for is paid for already
        else:
            self._drop(child)
            self._shut_if_significant(child)

    def send(self, child: Child, number: int) -> None:
        """A message: handled now, or, by a child that waits, when it is up again."""
        child.mail.append(number)
        if child.state == "running":
            self._reads(child)

    def _ends(self, child: Child, error: str, *, is_again: bool, is_at_once: bool = False) -> None:
        if not is_again:
            self._keep_or_forget(child)
            self._shut_if_significant(child)
        elif self._pays(child, error):
            self._recover(child, self._delayed(child, is_at_once=is_at_once))

    def _shut_if_significant(self, child: Child) -> None:
        others = [other for other in self.children.values() if other.spec.significant]
        is_last = all(other.state == "stopped" for other in others)
        if child.spec.significant and (self.auto_shutdown == "any" or is_last):
            self.events.append(("autoshutdown", child.id, str(self.now)))
            self._shut("normal")

    # restarts

    def _pays(self, child: Child, error: str) -> bool:
        """Pay for a restart out of both accounts, or escalate; return whether it is paid for."""
        accounts = {"child": child.account, "supervisor": self.account}
        for account in accounts.values():
            account.remember(error)
        for whose, account in accounts.items():
            if len(account.within(self.now)) >= account.budget[0]:
                child.state = "stopped"
                self._tell(child, "givenup", whose)
                self.events.append(("escalated", child.id, str(self.now)))
                self.post_mortem = account.errors
                self._shut("exhausted")
                return False
        for account in accounts.values():
            account.instants.append(self.now)
        return True

    def _delayed(self, child: Child, *, is_at_once: bool = False) -> float:
        """Return when the next incarnation is due: later after each failure in a row."""
        if child.up_since is not None and self.now - child.up_since >= HEALTHY_AFTER:
            child.failures_in_a_row = 0
        child.failures_in_a_row += not is_at_once
        delay = 0.0 if is_at_once else DELAYS[min(child.failures_in_a_row, len(DELAYS)) - 1]
        self._tell(child, "restarting", delay)
        return self.now + delay

    def restart_set(self, failed: Child) -> set[str]:
        """Who is restarted together: the strategy's share, and whoever needs one of them."""
        row = list(self.children)
        behind = row[row.index(failed.id) :]
        shares = {"one_for_one": [failed.id], "one_for_all": row, "rest_for_one": behind}
        return self.dependents(shares[self.strategy])

    def dependents(self, ids: Iterable[str]) -> set[str]:
        """These, and whoever needs one of them, directly or through others."""
        found = set(ids)
        for child in self.children.values():  # whoever needs somebody stands behind them
            if found.intersection(child.spec.needs):
                found.add(child.id)
        return found

    def _recover(self, failed: Child, due: float) -> None:
        """Halt whoever is restarted with it, in reverse order, and let all of them wait; the stopped begin anew."""
        together = self._brought_back_with(failed)
        recovery = self._joined(together)
        failed.state = "restarting"
        for child in reversed(tuple(self.children.values())):
            if child.id in together:
                if child.state == "stopped":
                    self.children[child.id] = Child(child.spec)
                self._halt(child)
        for each in together.intersection(self.children):
            recovery[each] = max(due, recovery.get(each, due))
            if self.children[each].state != "starting":
                self.children[each].state = "restarting"

    def _brought_back_with(self, failed: Child) -> set[str]:
        """The restart set, but for those that are stopped and need another that stays so."""
        together: set[str] = set()
        for child in self.children.values():
            missed = {need for need in child.spec.needs if self.children[need].is_missed} - together
            if child.id in self.restart_set(failed) and not (child.state == "stopped" and missed):
                together.add(child.id)
        return together

    def _joined(self, ids: Container[str]) -> Recovery:
        """Return one recovery for all of these, made of those in which any of them waits."""
        recovery = Recovery()
        for other in tuple(self.recoveries):
            if any(each in ids for each in other):
                recovery.update(other)
                self.recoveries.remove(other)
        self.recoveries.append(recovery)
        return recovery

    def _next(self, recovery: Recovery) -> tuple[float, str]:
        """Return when who is started next: who is due first, of those that wait for none of the others."""
        waiting = [each for each in self.children if each in recovery]
        if self.strategy != "one_for_one":
            waiting = waiting[:1]  # the others wait for the one before them, whether they need it or not
        free = [each for each in waiting if recovery.keys().isdisjoint(self.children[each].spec.needs)]
        return min((recovery[each], place, each) for place, each in enumerate(free))[::2]

    def _resume(self, recovery: Recovery) -> None:
        """Start the next who waits. If that fails it waits again, and those that wait for it do."""
        child = self.children[self._next(recovery)[1]]
        if child.state == "starting":
            self._leaves(recovery, child)
            self._starts_first(child)
        elif self._starts(child):
            self._leaves(recovery, child)
        elif self._pays(child, "OSError"):
            child.state = "restarting"
            recovery[child.id] = self._delayed(child)

    def _leaves(self, recovery: Recovery, child: Child) -> None:
        del recovery[child.id]
        if not recovery:
            self.recoveries.remove(recovery)

    def pass_until(self, instant: float) -> None:
        """Let time pass; what is due now is due without that."""
        while self.recoveries:
            recovery = min(self.recoveries, key=self._next)
            due, _ = self._next(recovery)
            if due > instant:
                break
            self.now = max(self.now, due)
            self._resume(recovery)
        self.now = instant

    # by hand

    def start_child(self, spec: Spec) -> Child:
        """Take one more child in."""
        if spec.significant and self.auto_shutdown == "never":
            raise Refused("ValueError")
        if spec.id in self.children:
            is_stopped = self.children[spec.id].state == "stopped"
            raise Refused("ChildAlreadyPresent" if is_stopped else "ChildAlreadyStarted")
        for need in spec.needs:
            if need not in self.children or self.children[need].spec.restart == "temporary":
                raise Refused("ValueError")
        self._check_needs(spec)
        return self._starts_by_hand(Child(spec, is_on_trial=True))

    def stop_child(self, child_id: str) -> None:
        """Stop a child, and those that need it first."""
        together = self.dependents([self._find(child_id).id])
        for child in reversed(tuple(self.children.values())):
            if child.id in together and child.state != "stopped":
                child.is_missed = True
                self._halt(child)
                self._drop(child)

    def restart_child(self, child_id: str) -> Child:
        """Start a stopped child anew."""
        spec = self._find_stopped(child_id).spec
        self._check_needs(spec)
        return self._starts_by_hand(Child(spec))

    def _starts_by_hand(self, child: Child) -> Child:
        """Start a child now, or behind those that it needs and that wait themselves."""
        self.children[child.id] = child
        if any(need in recovery for recovery in self.recoveries for need in child.spec.needs):
            child.state = "starting"
            self._joined(child.spec.needs)[child.id] = -math.inf
        else:
            self._starts_first(child)
        return child

    def delete_child(self, child_id: str) -> None:
        """Drop the spec of a stopped child that nobody needs."""
        self._find_stopped(child_id)
        if self.dependents([child_id]) != {child_id}:
            raise Refused("StillNeeded")
        del self.children[child_id]

    def change_intensity(self, budget: Budget) -> None:
        """Change the budget over all; what has left its window does not come back into a longer one."""
        self.account.instants = self.account.within(self.now)
        self.account.budget = budget

    def stop(self) -> None:
        """Stop them all."""
        self._shut("normal")

    def _check_needs(self, spec: Spec) -> None:
        if any(self.children[need].is_missed for need in spec.needs):
            raise Refused("NeedsStopped")

    def _find(self, child_id: str) -> Child:
        if child_id not in self.children:
            raise Refused("ChildNotFound")
        return self.children[child_id]

    def _find_stopped(self, child_id: str) -> Child:
        child = self._find(child_id)
        if child.state != "stopped":
            raise Refused("ChildStillRestarting" if child.state == "restarting" else "ChildStillRunning")
        return child

    # one child

    def _starts(self, child: Child) -> bool:
        """Make one incarnation; return whether it did not fail. One that declines is kept stopped or forgotten."""
        cues = self.cues.get(child.id)
        cue = cues.pop(0) if cues else "starts"
        child.incarnation += 1
        child.up_since = None
        self.acts.append((child.id, "made", self.now))
        if cue == "starts":
            child.state, child.up_since = "running", self.now
            self._tell(child, "started", "new")
            self._reads(child)
        elif cue == "declines":
            self._tell(child, "stopped", "declined")
            self._keep_or_forget(child)
        else:
            self._tell(child, "crashed", "OSError")
        return cue != "fails"

    def _starts_first(self, child: Child) -> None:
        """Start a child for whoever asked for it; a failure costs nothing and is the answer."""
        if self._starts(child):
            child.answer = "done"
        else:
            self._gives_up(child)

    def _gives_up(self, child: Child) -> None:
        child.state, child.is_missed, child.answer = "stopped", True, "StartFailed"
        if child.is_on_trial or child.spec.restart == "temporary":
            del self.children[child.id]

    def _reads(self, child: Child) -> None:
        self.heard += [(child.id, number, self.now) for number in child.mail]
        child.mail.clear()

    def _halt(self, child: Child, *, is_kept: bool = False) -> None:
        """Stop a child if it runs. However that goes, it costs nothing and has stopped."""
        if child.state == "running":
            self._leave(child)
            self._tell(child, "stopped", "stoppedOSError" if child.spec.is_rough else "stopped")
            if not is_kept:
                self._keep_or_forget(child)

    def _drop(self, child: Child) -> None:
        """Let a child wait no longer if it waits: it is stopped."""
        if child.state == "starting":
            self._leaves(self._recovery_of(child), child)
            self._gives_up(child)
        elif child.state == "restarting":
            self._tell(child, "stopped", "stopped")
            self._leaves(self._recovery_of(child), child)
            self._keep_or_forget(child)

    def _recovery_of(self, child: Child) -> Recovery:
        return next(recovery for recovery in self.recoveries if child.id in recovery)

    def _leave(self, child: Child) -> None:
        self.acts.append((child.id, "gone", self.now))

    def _keep_or_forget(self, child: Child) -> None:
        child.state = "stopped"
        child.mail.clear()  # turned away
        if child.spec.restart == "temporary":
            del self.children[child.id]

    def _shut(self, how: str) -> None:
        """End: nobody waits any longer, and those who run are stopped in reverse order."""
        for child in tuple(self.children.values()):
            self._drop(child)
        for child in reversed(tuple(self.children.values())):
            self._halt(child)
        self.recoveries.clear()
        self.children.clear()
        self.end = how

    def _tell(self, child: Child, what: str, fact: object) -> None:
        self.events.append((child.id, what, str(child.incarnation), str(fact), str(self.now)))
