"""A supervisor: an actor that starts other actors, starts them again when they crash, and stops them in order.

Theory of operation. Every op answers at once or with a `Deferred`, and what takes time is a task, so a supervisor
answers at any time, also while children start, stop and wait for their next incarnation.

    setup      starts the first children in order; one that fails ends the start, those before it stop in reverse
    running    children crash and start again, each by itself; starts and stops by hand run beside that
    wind_down  stops the children in reverse order, each within its grace

Escalation is a `finish` with an error at its end: the children are stopped as in any other stop, then `wind_down`
raises `RestartsExhausted`, which is this supervisor's crash, for its own parent to judge. A supervisor that crashes
by itself, is killed or is cancelled takes its children with it at once, as a nursery does; each still has its
`teardown`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import trio

from actors.errors import (
    ChildExists,
    ChildNotFound,
    ChildStillRestarting,
    ChildStillRunning,
    RestartsExhausted,
    StartFailed,
)
from actors.kernel.actor import Actor
from actors.kernel.fates import current_books
from actors.kernel.ops import op
from actors.kernel.ref import Ref
from actors.kernel.reply import Deferred
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child import Child, ChildCounts, ChildStatus
from supervisors.child_spec import ChildSpec
from supervisors.children import Children
from supervisors.events import OnEvent, unobserved
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity
from supervisors.reporting import Reporter

Strategy: TypeAlias = Literal["one_for_one"]

STRATEGIES: tuple[str, ...] = get_args(Strategy)


class Supervisor(Actor):
    """Starts its children in order, starts them again when they crash, and stops them in reverse order.

    It is a foreman: it does none of the work, and holds none of the results. Open one with `open_supervisor`, or nest
    it: `ChildSpec("readers", lambda: Supervisor(children=[...]))`; `Tree(ref)` is the handle.

    Args:
        strategy: which children start again when one has crashed; "one_for_one": that one alone.
        children: specs of the first children, in the order in which they start.
        intensity: the budget of restarts over all children.
        backoff: how long children wait before a restart that do not say it themselves.
        seed: makes the jitter the same in every run; it is derived from seed, name and incarnation.
        rng: where the jitter comes from instead.
        on_event: called with each lifecycle event, in the task where it happens; it must not raise.

    Raises:
        TypeError: a child is no `ChildSpec`.
        ValueError: the strategy is not there, two children share an id, or both seed and rng are given.
    """

    default_grace: ClassVar[float] = math.inf
    """Its children have graces of their own; cutting theirs short would make them worthless."""

    _children: Children

    def __init__(
        self,
        strategy: Strategy = "one_for_one",
        *,
        children: Sequence[ChildSpec[Actor]] = (),
        intensity: Intensity = SUPERVISOR_INTENSITY,
        backoff: Backoff = DEFAULT_BACKOFF,
        seed: int | None = None,
        rng: random.Random | None = None,
        on_event: OnEvent = unobserved,
    ) -> None:
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy must be {' or '.join(STRATEGIES)}, got {strategy!r}")
        if seed is not None and rng is not None:
            raise ValueError("give a seed or an rng, not both")
        self._first = _checked(children)
        self._intensity = intensity
        self._backoff = backoff
        self._seed = seed
        self._rng = rng
        self._on_event = on_event
        self._starting = trio.CancelScope()
        self._fatal: RestartsExhausted | None = None

    async def setup(self) -> None:
        """Start the first children in order.

        Raises:
            StartFailed: one did not start, or crashed too often before the last had; all are stopped again.
        """
        self._children = Children(
            Reporter(self.name, self._on_event),
            current_books(),
            self._intensity,
            self._backoff,
            self._own_rng(),
            self.start_soon,
            self._end_over,
        )
        try:
            with self._starting:
                for spec in self._first:
                    await self._children.start(self._children.add(spec))
            if self._fatal is not None:
                text = f"child {self._fatal.child!r} crashed too often before all children had started"
                raise StartFailed(text, child=self._fatal.child) from self._fatal  # noqa: TRY301  # one end for both
        except StartFailed:
            await self._children.halt_all()
            raise

    def _own_rng(self) -> random.Random:
        if self._rng is not None:
            return self._rng
        return random.Random(None if self._seed is None else f"{self._seed}/{self.name}/{self.incarnation}")

    async def wind_down(self) -> None:
        """Stop all children in reverse order.

        Raises:
            RestartsExhausted: they are stopped because a budget is spent.
        """
        await self._children.halt_all()
        if self._fatal is not None:
            raise self._fatal

    def _end_over(self, error: RestartsExhausted) -> None:
        """End because a budget is spent: after the current message, or the start that is under way."""
        self._fatal = error
        self._starting.cancel()
        self.finish()

    # what others ask: `Tree` has the same as plain methods, and says more of each

    def _unstart(self, ref: Ref[Any]) -> None:
        """Take back a start whose asker has gone: nobody else knows of the child."""
        child = self._children.by_id.get(ref.name)
        if child is not None and ref == Ref[Any](child.slot):
            self._children.discard(child)

    @op(raises=(ChildExists, StartFailed, TypeError), undo=_unstart)
    def start_child(self, spec: ChildSpec[Actor]) -> Deferred[Ref[Any]]:
        """Start one more child; answered when its `setup` has ended. A start nobody waits for any more is undone."""
        (spec,) = _checked((spec,))
        taken = self._children.by_id.get(spec.id)
        if taken is not None:
            hint = "; restart_child or delete_child it" if taken.state == "stopped" else ""
            raise ChildExists(f"child {spec.id!r} exists already and is {taken.state}{hint}", child=spec.id)
        child = self._children.add(spec)
        child.is_on_trial = True
        answer: Deferred[Ref[Any]] = Deferred(lambda: self._children.discard(child))
        self.start_soon(self._start_for, child, answer)
        return answer

    @op(raises=(ChildNotFound, ChildStillRunning))
    def stop_child(self, child_id: str) -> Deferred[None]:
        """Stop a child within its grace and keep its spec, unless it is temporary; answered when it has stopped."""
        child = self._find(child_id)
        answer: Deferred[None] = Deferred()
        self.start_soon(self._halt_for, child, answer)
        return answer

    @op(raises=(ChildNotFound, ChildStillRunning, ChildStillRestarting, StartFailed))
    def restart_child(self, child_id: str) -> Deferred[Ref[Any]]:
        """Start a stopped child again, in a new slot with a new ref; answered when its `setup` has ended."""
        child = self._children.add(self._find_stopped(child_id).spec)
        answer: Deferred[Ref[Any]] = Deferred()
        self.start_soon(self._start_for, child, answer)
        return answer

    @op(raises=(ChildNotFound, ChildStillRunning, ChildStillRestarting))
    def delete_child(self, child_id: str) -> None:
        """Drop the spec of a stopped child."""
        self._children.discard(self._find_stopped(child_id))

    @op(raises=(ChildNotFound,))
    def child(self, child_id: str) -> Ref[Any]:
        """Return a ref to a child."""
        return Ref(self._find(child_id).slot)

    @op
    def which_children(self) -> tuple[ChildStatus, ...]:
        """Return a snapshot of every child, in the order in which they started."""
        return tuple(child.status() for child in self._children.by_id.values())

    @op
    def count_children(self) -> ChildCounts:
        """Return how many children there are."""
        states = [child.state for child in self._children.by_id.values()]
        stopped, restarting = states.count("stopped"), states.count("restarting")
        return ChildCounts(len(states), len(states) - stopped - restarting, restarting, stopped)

    def _find(self, child_id: str) -> Child:
        child = self._children.by_id.get(child_id)
        if child is None:
            raise ChildNotFound(f"no child of {self.name!r} is called {child_id!r}", child=child_id)
        return child

    def _find_stopped(self, child_id: str) -> Child:
        child = self._find(child_id)
        if child.state == "restarting":
            raise ChildStillRestarting(
                f"child {child_id!r} starts again by itself; stop it first", child=child_id
            )
        if child.state != "stopped":
            raise ChildStillRunning(f"child {child_id!r} is {child.state}; stop it first", child=child_id)
        return child

    # what takes time

    async def _start_for(self, child: Child, answer: Deferred[Ref[Any]]) -> None:
        try:
            await self._children.start(child)
        except StartFailed as error:
            answer.fail(error)
        else:
            answer.set(Ref(child.slot))

    async def _halt_for(self, child: Child, answer: Deferred[None]) -> None:
        if await self._children.halt(child):
            answer.set(None)
        else:
            text = f"child {child.id!r} ignores its grace of {child.grace:g} s and still runs"
            answer.fail(ChildStillRunning(text, child=child.id))


def _checked(children: Sequence[ChildSpec[Actor]]) -> tuple[ChildSpec[Actor], ...]:
    ids: set[str] = set()
    for spec in children:
        if not isinstance(spec, ChildSpec):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"a child is given as a ChildSpec, got {type(spec).__name__}")
        if spec.id in ids:
            raise ValueError(f"two children have the id {spec.id!r}")
        ids.add(spec.id)
    return tuple(children)
