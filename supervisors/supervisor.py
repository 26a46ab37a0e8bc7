"""A supervisor: an actor that starts other actors, starts them again when they crash, and stops them in order.

How it lives and ends is told in `supervisors.foreman`; here is what it is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, cast

from actors.errors import (
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildError,
    ChildExists,
    ChildNotFound,
    ChildStillRestarting,
    ChildStillRunning,
    NameTaken,
    NeedsStopped,
    StartFailed,
    StillNeeded,
)
from actors.kernel.actor import Actor
from actors.kernel.ops import op
from actors.kernel.ref import Ref
from actors.kernel.reply import Deferred
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child import Child
from supervisors.child_spec import ChildSpec
from supervisors.dependencies import Strategy
from supervisors.events import OnEvent, unobserved
from supervisors.foreman import Foreman, Manner
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity
from supervisors.owner import AutoShutdown
from supervisors.roster import order_of


class Supervisor(Foreman):
    """Starts its children in order, starts them again when they crash, and stops them in reverse order.

    It is a foreman: it does none of the work, and holds none of the results. Open one with `open_supervisor`, or nest
    it: `ChildSpec("readers", lambda: Supervisor(children=[...]))`; `Tree(ref)` is the handle.

    Args:
        strategy: which children are restarted when one has failed: that one alone ("one_for_one"), all
            ("one_for_all"), or that one and those that were started after it ("rest_for_one"); and always those that
            need it.
        children: specs of the first children, in the order in which they start, but for what their needs demand.
        intensity: the budget of restarts over all children.
        backoff: how long children wait before a restart that do not say it themselves.
        auto_shutdown: whether the supervisor ends by itself: "never", with the first significant child that does
            ("any"), or with the last ("all").
        seed: makes the jitter the same in every run; it is derived from seed, name and incarnation.
        rng: where the jitter comes from instead.
        on_event: called with each lifecycle event of it and of supervisors nested in it, in the task where it happens;
            it must not raise.

    Raises:
        TypeError: a child is no `ChildSpec`, or an argument is of the wrong kind.
        ValueError: strategy or auto_shutdown is not there, two children share an id, a need is not there or is
            temporary, children need each other in a circle, a child is significant for nothing, or both seed and rng
            are given.
    """

    def __init__(
        self,
        strategy: Strategy = "one_for_one",
        *,
        children: Sequence[ChildSpec[Actor]] = (),
        intensity: Intensity = SUPERVISOR_INTENSITY,
        backoff: Backoff = DEFAULT_BACKOFF,
        auto_shutdown: AutoShutdown = "never",
        seed: int | None = None,
        rng: random.Random | None = None,
        on_event: OnEvent = unobserved,
    ) -> None:
        super().__init__(Manner(strategy, intensity, backoff, auto_shutdown, seed, rng, on_event))
        first = {spec.id: spec for spec in _checked(children, auto_shutdown)}
        self._first = [first[child] for child in order_of(first.values())]

    async def setup(self) -> None:
        """Start the first children in order.

        Raises:
            StartFailed: one did not start, or crashed too often before the last had; all are stopped again.
        """
        children = self._open()
        try:
            with self._starting:
                for spec in self._first:
                    await children.start(self._added(spec))
            if self._fatal is not None:
                text = f"child {self._fatal.child!r} crashed too often before all children had started"
                raise StartFailed(text, child=self._fatal.child) from self._fatal  # noqa: TRY301  # one end for both
        except StartFailed:
            await children.halt_all()
            raise

    def _added(self, spec: ChildSpec[Actor]) -> Child:
        try:
            return self._children.add(spec)
        except NameTaken as error:
            raise StartFailed(f"child {spec.id!r} did not start: {error}", child=spec.id) from error

    # what others ask: `Tree` has the same as plain methods, and says more of each

    @op(
        raises=(ChildExists, NameTaken, NeedsStopped, StartFailed, TypeError, ValueError),
        undo=Foreman.take_back,
    )
    def start_child(self, spec: ChildSpec[Actor]) -> Deferred[Ref[Any]]:
        """Start one more child; answered when its `setup` has ended. A start nobody waits for any more is undone."""
        (spec,) = _checked((spec,), self._manner.auto_shutdown)
        taken = self._children.by_id.get(spec.id)
        if taken is not None and taken.state == "stopped":
            text = f"child {spec.id!r} exists already and is stopped; restart_child or delete_child it"
            raise ChildAlreadyPresent(text, child=spec.id)
        if taken is not None:
            raise ChildAlreadyStarted(f"child {spec.id!r} exists already and is {taken.state}", child=spec.id)
        if spec.needs:
            self._children.roster.check((spec,))
            self._check_needs(spec)
        child = self._children.add(spec)
        child.is_on_trial = True
        return self._start_later(child, lambda: self._children.discard(child))

    @op(raises=(ChildError, TypeError))
    def stop_child(self, child_id: str) -> Deferred[None]:
        """Stop a child within its grace and keep its spec, unless it is temporary; answered when it has stopped."""
        return self._stop_later(self._find(child_id), Supervisor.stop_child(child_id))

    @op(raises=(ChildError, NameTaken, StartFailed, TypeError))
    def restart_child(self, child_id: str) -> Deferred[Ref[Any]]:
        """Start a stopped child again, in a new slot with a new ref; answered when its `setup` has ended."""
        spec = self._find_stopped(child_id).spec
        self._check_needs(spec)
        child = self._children.add(spec)
        return self._start_later(child)

    @op(raises=(ChildError, TypeError))
    def delete_child(self, child_id: str) -> None:
        """Drop the spec of a stopped child."""
        child = self._find_stopped(child_id)
        if dependents := self._children.roster.needed_by(child):
            text = f"child {child_id!r} is needed by {', '.join(map(repr, dependents))}"
            raise StillNeeded(text, child=child_id)
        self._children.discard(child)

    @op(raises=(ChildError, TypeError))
    def child(self, child_id: str) -> Ref[Any]:
        """Return a ref to a child."""
        return Ref(self._find(child_id).slot)

    @op(raises=(ChildError, TypeError))
    def get_child_spec(self, child_id: str) -> ChildSpec[Any]:
        """Return the spec of a child."""
        return self._find(child_id).spec

    @op(raises=(TypeError, ValueError))
    def change_specs(self, specs: Sequence[ChildSpec[Actor]]) -> None:
        """Put `specs` in the place of those with the same ids, and first in the row; new ones wait to be started."""
        self._children.change_specs(_checked(specs, self._manner.auto_shutdown))

    def _find(self, child_id: str) -> Child:
        if not isinstance(child_id, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"child_id must be a string, got {child_id!r}")
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
            advice = "wait until it has stopped" if child.state == "stopping" else "stop it first"
            raise ChildStillRunning(f"child {child_id!r} is {child.state}; {advice}", child=child_id)
        return child

    def _check_needs(self, spec: ChildSpec[Actor]) -> None:
        """Refuse a start whose needs are down."""
        if (unmet := self._children.roster.unmet_need(spec)) is not None:
            raise NeedsStopped(unmet, child=spec.id)


def _checked(children: object, auto_shutdown: AutoShutdown) -> tuple[ChildSpec[Actor], ...]:
    """Return the specs, each of which and all of which are sound.

    Raises:
        TypeError: they are no sequence, or one is no spec.
        ValueError: two share an id, or one is significant where that means nothing.
    """
    if not isinstance(children, Sequence) or isinstance(children, str):
        raise TypeError(f"children are given as a sequence of ChildSpec, got {type(children).__name__}")
    checked: dict[str, ChildSpec[Actor]] = {}
    for spec in cast("Sequence[object]", children):
        if not isinstance(spec, ChildSpec):
            raise TypeError(f"a child is given as a ChildSpec, got {type(spec).__name__}")
        spec = cast("ChildSpec[Actor]", spec)  # the same, by its whole type
        if spec.id in checked:
            raise ValueError(f"two children have the id {spec.id!r}")
        if spec.significant and auto_shutdown == "never":
            raise ValueError(f"child {spec.id!r} is significant, but auto_shutdown is 'never'")
        checked[spec.id] = spec
    return tuple(checked.values())
