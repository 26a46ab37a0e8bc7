"""The children of one supervisor: what starts, watches, restarts and stops them.

Every child has one task, `_attend`, from a start to the next stop: it runs an incarnation, has the exit judged, waits
out the delay and runs the next one. A judgement is a plain call that changes state at once: the pure part says what
is to be done (`supervisors.restart`), the task does it. Nobody waits for a task of a sibling.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVarTuple, assert_never

import attrs
import trio

from actors.errors import RestartsExhausted, StartFailed
from actors.kernel.actor import Actor
from actors.kernel.fates import Books
from actors.kernel.slot import Exit, Slot
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.child_spec import ChildSpec
from supervisors.failures import Failures
from supervisors.intensity import CHILD_INTENSITY, Intensity, RestartWindow
from supervisors.reporting import Reporter
from supervisors.restart import (
    VERDICTS,
    Decision,
    Escalate,
    Forget,
    Keep,
    Restart,
    RestartRecord,
)

Ts = TypeVarTuple("Ts")


class StartSoon(Protocol):
    """How a task of the supervisor is started."""

    def __call__(self, run: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        """Run `run(*args)` as a child task of the supervisor."""
        ...


@attrs.define(eq=False)
class Children:
    """Owns the children's state; the supervisor is the actor around it.

    Args:
        report: tells what happens.
        books: where the children's messages are counted.
        intensity: the budget of restarts over all children.
        backoff: how long children wait before a restart that do not say it themselves.
        rng: where the jitter comes from.
        start_soon: starts a task of the supervisor.
        on_exhausted: called once, when a budget is spent.
        by_id: the children in the order in which they were started, stopped ones included.
        is_ending: whether all are to be stopped: whatever ends is not started again.
    """

    report: Reporter
    books: Books
    intensity: Intensity
    backoff: Backoff
    rng: random.Random
    start_soon: StartSoon
    on_exhausted: Callable[[RestartsExhausted], object]
    by_id: dict[str, Child] = attrs.field(factory=dict[str, Child], init=False)
    is_ending: bool = attrs.field(default=False, init=False)
    _window: RestartWindow = attrs.field(init=False)
    _failures: Failures = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._window = RestartWindow(self.intensity)
        self._failures = Failures(self.intensity.restarts)

    def add(self, spec: ChildSpec[Actor]) -> Child:
        """Take a child in, or a stopped one anew in its old place."""
        slot = Slot.open(spec.id, self.books, capacity=spec.capacity, overflow=spec.overflow)
        own = spec.intensity or CHILD_INTENSITY
        record = RestartRecord(spec.restart, spec.backoff or self.backoff, RestartWindow(own), self._window)
        child = Child(spec, slot, record, Failures(own.restarts))
        self.by_id[spec.id] = child
        return child

    async def start(self, child: Child) -> None:
        """Start a child that was added; return when its first incarnation serves.

        Raises:
            StartFailed: it did not start; the cause is chained.
        """
        self.start_soon(self._attend, child)
        await child.settled.wait()
        if not child.has_started:
            cause = child.exit.error
            why = "was stopped first" if cause is None else f"failed with {type(cause).__name__}"
            raise StartFailed(f"child {child.id!r} did not start: it {why}", child=child.id) from cause

    async def halt(self, child: Child) -> bool:
        """Stop a child within its grace; return whether it has stopped."""
        if await child.halt():
            return True
        self.report.overdue(child)
        return False

    async def halt_all(self) -> None:
        """Stop all children in reverse order, one after the other, each within its grace."""
        self.is_ending = True
        for child in self.by_id.values():
            child.cut_pause()  # nobody comes back while the others go
        for child in reversed(tuple(self.by_id.values())):
            await self.halt(child)

    def discard(self, child: Child) -> None:
        """Stop a child, and drop its spec when it has stopped."""
        child.is_unwanted = True
        if child.over.is_set():
            self._forget(child)
        else:
            self.start_soon(self.halt, child)

    def _forget(self, child: Child) -> None:
        if self.by_id.get(child.id) is child:
            del self.by_id[child.id]

    # one child's life

    async def _attend(self, child: Child) -> None:
        """Run a child's incarnations, one after the other, until none is to follow."""
        try:
            is_to_follow = True
            while is_to_follow:
                exit_ = await child.play(self.report.started)
                self.report.ended(child, exit_)
                is_to_follow = await self._is_to_follow(child, exit_)
        finally:
            if child.exit.reason == "cancelled":
                self.report.ended(child, child.exit)
            child.close()
            if child.is_unwanted or (child.is_on_trial and not child.has_started):
                self._forget(child)

    async def _is_to_follow(self, child: Child, exit_: Exit) -> bool:
        """Have an exit judged, wait as long as that says, and return whether another incarnation is to follow."""
        decision = self._judge(child, exit_)
        match decision:
            case Restart(delay):
                self.report.restarting(child, delay)
                return await child.pause(delay) or self._is_to_follow_a_stop(child)
            case Escalate():
                self._escalate(child, decision)
            case Forget():
                child.is_unwanted = True
            case Keep():
                pass
            case _:
                assert_never(decision)
        return False

    def _judge(self, child: Child, exit_: Exit) -> Decision:
        if self.is_ending or child.is_dismissed:
            return Forget() if child.spec.restart == "temporary" else Keep()
        if not child.has_started:
            return Keep()  # a failed first start is the answer to whoever asked for it
        ran_for = child.ran_for
        decision = child.record.decide(exit_.reason, ran_for=ran_for, now=trio.current_time(), rng=self.rng)
        if isinstance(exit_.error, Exception) and isinstance(decision, Restart | Escalate):
            self._remember(child, exit_.error, ran_for, decision)
        return decision

    def _remember(self, child: Child, error: Exception, ran_for: float, decision: Restart | Escalate) -> None:
        """Keep an error that costs a restart, with a note of what it ended, for the post-mortem."""
        then = f"restarted after {decision.delay:g} s" if isinstance(decision, Restart) else "not restarted"
        error.add_note(
            f"incarnation {child.slot.incarnation} of {child.id!r}, which ran {ran_for:g} s; {then}"
        )
        child.failures.add(error)
        self._failures.add(error)

    def _is_to_follow_a_stop(self, child: Child) -> bool:
        """Judge a stop that cut the wait: a permanent child starts at once, without a further restart being spent.

        Whoever asked for the stop need not wait for the next incarnation to end, so the slot is left once more.
        """
        is_wanted = not (self.is_ending or child.is_dismissed)
        if is_wanted and VERDICTS[child.spec.restart]["stopped"] == "again_at_once":
            child.slot.leave("restarting")
            return True
        child.exit = Exit("stopped")
        self.report.ended(child, child.exit)
        return False

    def _escalate(self, child: Child, spent: Escalate) -> None:
        self.is_ending = True
        self.report.escalated(child, spent)
        restarts, period = spent.intensity.restarts, spent.intensity.period
        whose = "its" if spent.budget == "child" else "its supervisor's"
        failures = child.failures if spent.budget == "child" else self._failures
        error = RestartsExhausted(
            f"child {child.id!r} of {self.report.supervisor!r} failed, and {whose} budget of {restarts} restarts"
            f" in {period:g} s is spent",
            child=child.id,
            restarts=restarts,
            period=period,
        )
        error.__cause__ = failures.as_cause("the errors behind the restarts, oldest first")
        self.on_exhausted(error)
