"""What every actor with children of its own has in common: it owns them, ends with them, and tells of them.

Theory of operation. Every op answers at once or with a `Deferred`, and what takes time is a task, so a supervisor
answers at any time, also while children start, stop and wait for their next incarnation.

    setup      starts the first children in order; one that fails ends the start, those before it stop in reverse
    running    children crash and start again, alone or in groups; starts and stops by hand run beside that
    wind_down  stops the children in reverse order, each within its grace

Escalation is a `finish` with an error at its end: the children are stopped as in any other stop, then `wind_down`
raises `RestartsExhausted`, which is this supervisor's crash, for its own parent to judge. An auto-shutdown is a
`finish` without one. A supervisor that crashes by itself, is killed or is cancelled takes its children with it at once,
as a nursery does; each still has its `teardown`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar, get_args

import attrs
import trio

from actors.errors import AskCycle, ChildStillRunning, RestartsExhausted, StartFailed
from actors.kernel.activity import Activity, current_activity
from actors.kernel.actor import Actor
from actors.kernel.awaiting import closed_by_end_of
from actors.kernel.fates import current_books
from actors.kernel.ops import op
from actors.kernel.ref import Ref
from actors.kernel.reply import Deferred
from actors.kernel.slot import Exit
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child import Child, ChildCounts, ChildStatus
from supervisors.children import Children
from supervisors.dependencies import STRATEGIES, Strategy
from supervisors.events import OnEvent, unobserved
from supervisors.inside import ChildView, Inside
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity, RestartWindow
from supervisors.owner import AutoShutdown
from supervisors.registry import Registry
from supervisors.reporting import Reporter
from supervisors.scope import scope_of

EventT = TypeVar("EventT")

AUTO_SHUTDOWNS: tuple[str, ...] = get_args(AutoShutdown)


@attrs.frozen
class Manner:
    """How a supervisor goes about its work, whatever its children are.

    Args:
        strategy: which children are restarted when one has failed, besides those that need it.
        intensity: the budget of restarts over all children.
        backoff: how long children wait before a restart that do not say it themselves.
        auto_shutdown: whether the supervisor ends by itself: "never", with the first significant child that does
            ("any"), or with the last ("all").
        seed: makes the jitter the same in every run; it is derived from seed, name and incarnation.
        rng: where the jitter comes from instead.
        on_event: called with each lifecycle event of it and of supervisors nested in it, in the task where it happens;
            it must not raise.

    Raises:
        TypeError: a field is of the wrong kind.
        ValueError: strategy or auto_shutdown is not there, or both seed and rng are given.
    """

    strategy: Strategy = "one_for_one"
    intensity: Intensity = SUPERVISOR_INTENSITY
    backoff: Backoff = DEFAULT_BACKOFF
    auto_shutdown: AutoShutdown = "never"
    seed: int | None = None
    rng: random.Random | None = None
    on_event: OnEvent = unobserved

    def __attrs_post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy must be {' or '.join(STRATEGIES)}, got {self.strategy!r}")
        if self.auto_shutdown not in AUTO_SHUTDOWNS:
            raise ValueError(
                f"auto_shutdown must be {' or '.join(AUTO_SHUTDOWNS)}, got {self.auto_shutdown!r}"
            )
        for name, kind in (("intensity", Intensity), ("backoff", Backoff)):
            if not isinstance(value := getattr(self, name), kind):
                raise TypeError(f"{name} must be of type {kind.__name__}, got {value!r}")
        self._check_kinds()
        if self.seed is not None and self.rng is not None:
            raise ValueError("give a seed or an rng, not both")

    def _check_kinds(self) -> None:
        """Refuse what a type checker would have refused, for callers without one."""
        fields: dict[str, object] = {name: getattr(self, name) for name in ("seed", "rng", "on_event")}
        if self.seed is not None and type(fields["seed"]) is not int:
            raise TypeError(f"seed must be a whole number or None, got {self.seed!r}")
        if not isinstance(fields["rng"], random.Random | None):
            raise TypeError(f"rng must be a random.Random or None, got {self.rng!r}")
        if not callable(fields["on_event"]):
            raise TypeError(f"on_event must be callable with an event, got {self.on_event!r}")

    def dice(self, name: str, incarnation: int) -> random.Random:
        """Return where the jitter of one incarnation of the supervisor called `name` comes from."""
        if self.rng is not None:
            return self.rng
        return random.Random(None if self.seed is None else f"{self.seed}/{name}/{incarnation}")


class Foreman(Actor):
    """An actor with children: base of all supervisors.

    Args:
        manner: how it goes about its work.
    """

    default_grace: ClassVar[float] = math.inf
    """Its children have graces of their own; cutting theirs short would make them worthless."""

    kind: ClassVar[Literal["supervisor"]] = "supervisor"

    stops_at_once: ClassVar[bool] = False
    """Whether its children are stopped in parallel at the end, and not one after the other in reverse start order."""

    _children: Children

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._starting = trio.CancelScope()
        self._fatal: RestartsExhausted | None = None

    def _open(self) -> Children:
        """Make an empty roster of children; called first thing in `setup`."""
        manner = self._manner
        self._children = Children(
            self,
            Reporter(scope_of(self.name, self.guarded(manner.on_event))),
            manner.strategy,
            current_books(),
            RestartWindow(manner.intensity),
            manner.backoff,
            manner.dice(self.name, self.incarnation),
            manner.auto_shutdown,
        )
        return self._children

    def guarded(self, observe: Callable[[EventT], object]) -> Callable[[EventT], object]:
        """Return `observe`, but that an error of it is a crash of this actor, whose observer it is.

        Raises:
            TypeError: it cannot be called.
        """
        if not callable(observe):
            raise TypeError(f"on_event must be callable with an event, got {observe!r}")
        if observe is unobserved:
            return observe

        def told(event: EventT) -> None:
            try:
                observe(event)
            except Exception as error:  # noqa: BLE001  # whatever an observer raises
                error.add_note(f"in on_event of {self.name!r}, told of {type(event).__name__}")
                self.start_soon(_fail, error)

        return told

    async def wind_down(self) -> None:
        """Stop all children.

        Raises:
            RestartsExhausted: they are stopped because a budget is spent.
        """
        await self._children.halt_all(at_once=self.stops_at_once)
        if self._fatal is not None:
            raise self._fatal

    # what the children ask of it

    def revive(self, child: Child, exit_: Exit) -> float | None:
        """Leave it to the rules."""
        del child, exit_
        return None

    def on_exhausted(self, error: RestartsExhausted) -> None:
        """End because a budget is spent: after the current message, or the start that is under way."""
        self._fatal = error
        self._starting.cancel()
        self.finish(grace=math.inf)

    def on_auto_shutdown(self) -> None:
        """End normally, after the current message or the start that is under way."""
        self.finish(grace=math.inf)

    # starts and stops that somebody waits for

    def _start_later(
        self, child: Child, on_abandoned: Callable[[], object] | None = None
    ) -> Deferred[Ref[Any]]:
        """Return the answer to whoever asked for a start: the ref, when the child serves."""
        waiting = Activity(self.name, "start_child", self.now())
        answer: Deferred[Ref[Any]] = Deferred(on_abandoned, waits_for=waiting)
        self.start_soon(self._start_for, child, answer, waiting)
        return answer

    async def _start_for(self, child: Child, answer: Deferred[Ref[Any]], waiting: Activity) -> None:
        current_activity.set(waiting)
        try:
            await self._children.start(child)
        except StartFailed as error:
            answer.fail(error)
        else:
            answer.set(Ref(child.slot))

    def _stop_later(self, child: Child, message: object) -> Deferred[None]:
        """Return the answer to whoever asked for a stop: when the child has stopped.

        One that is asked for by an op of the child itself, or of one that needs it, would wait for itself: it is
        refused, and nobody is stopped.
        """
        waiting = Activity(self.name, "stop_child", self.now())
        answer: Deferred[None] = Deferred(waits_for=waiting)
        self.start_soon(self._stop_for, child, answer, waiting, message)
        return answer

    async def _stop_for(
        self, child: Child, answer: Deferred[None], waiting: Activity, message: object
    ) -> None:
        current_activity.set(waiting)
        for each in self._children.roster.with_dependents(child):
            if (path := closed_by_end_of(each.slot, waiting)) is not None:
                text = f"stopping {child.id!r} would wait for itself: {' -> '.join(path)}"
                answer.fail(AskCycle(text, message=message, recipient=self.name, path=path))
                return
        if await self._children.dismiss(child):
            answer.set(None)
        else:
            text = f"child {child.id!r} ignores its grace of {child.grace:g} s and still runs"
            answer.fail(ChildStillRunning(text, child=child.id))

    def take_back(self, ref: Ref[Any]) -> None:
        """Undo a start whose asker has gone: nobody else knows of the child."""
        child = self._children.by_id.get(ref.name)
        if child is not None and is_child(child, ref):
            self._children.discard(child)

    # what others see and ask of it

    def look_inside(self) -> Inside:
        """Return its children and its place in the tree, for a snapshot: at once, at any moment."""
        children: Children | None = getattr(self, "_children", None)  # there is none before `setup`
        if children is None:
            return Inside(self._manner.strategy)
        scope = children.report.scope
        views = tuple(_view(child, scope.registry) for child in children.by_id.values())
        return Inside(self._manner.strategy, views, scope)

    @op
    def which_children(self) -> tuple[ChildStatus, ...]:
        """Return a snapshot of every child, in start order; one that was restarted keeps its place."""
        return tuple(child.status() for child in self._children.by_id.values())

    @op
    def count_children(self) -> ChildCounts:
        """Return how many children there are."""
        children = self._children.by_id.values()
        states = [child.state for child in children]
        stopped, restarting = states.count("stopped"), states.count("restarting")
        supervisors = sum(child.kind == "supervisor" for child in children)
        return ChildCounts(
            specs=len(states),
            active=len(states) - stopped - restarting,
            restarting=restarting,
            stopped=stopped,
            supervisors=supervisors,
            workers=len(states) - supervisors,
        )

    @op(raises=(TypeError,))
    def change_intensity(self, intensity: Intensity) -> None:
        """Give the supervisor another budget; restarts that were spent stay spent."""
        if not isinstance(intensity, Intensity):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"intensity must be an Intensity, got {intensity!r}")
        self._children.change_intensity(intensity)


async def _fail(error: Exception) -> None:
    await trio.lowlevel.checkpoint()
    raise error


def is_child(child: Child, ref: Ref[Any]) -> bool:
    """Say whether `ref` reaches this very child, and not one that had its id before."""
    return ref == Ref[Any](child.slot)


def _view(child: Child, registry: Registry) -> ChildView:
    name = child.spec.name
    return ChildView(
        child.id,
        child.slot,
        child.spec.restart,
        child.kind,
        name if name is not None and registry.has(name, child.slot) else None,
        child.restarts,
        child.spec.significant,
        "" if child.exit.error is None else type(child.exit.error).__name__,
    )
