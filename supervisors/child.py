r"""One child of a supervisor: its slot, its task and how far it has got.

    starting --> running --> restarting --> starting ...
        \__________\_____________\______> stopped

The slot stays over all incarnations, so refs stay good and messages wait in order while the child restarts. When
the child is stopped for good the slot is closed; starting it again by hand takes a new one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import attrs
import trio

from actors.kernel.actor import Actor
from actors.kernel.incarnation import LEAST_TEARDOWN, Incarnation
from actors.kernel.ref import Ref
from actors.kernel.slot import DEFAULT_GRACE, Exit, Slot
from supervisors.child_spec import ChildSpec
from supervisors.failures import Failures
from supervisors.restart import RestartRecord, RestartType

ChildState: TypeAlias = Literal["starting", "running", "stopping", "restarting", "stopped"]
"""How far a child has got."""


@attrs.frozen
class ChildStatus:
    """A snapshot of one child.

    Args:
        id: the child's id.
        state: starting, running, stopping, restarting (waits for its next incarnation) or stopped.
        restart: its restart type.
        incarnation: number of the current or last incarnation, from 1; 0 before the first.
        ref: how it is reached; good over restarts, but not beyond "stopped".
    """

    id: str
    state: ChildState
    restart: RestartType
    incarnation: int
    ref: Ref[Any]


@attrs.frozen
class ChildCounts:
    """How many children a supervisor has.

    Args:
        specs: all of them.
        active: those with an incarnation: starting, running or stopping.
        restarting: those that wait for their next one.
        stopped: those that are kept to be started again by hand.
    """

    specs: int
    active: int
    restarting: int
    stopped: int


@attrs.define(eq=False)
class Child:
    """What a supervisor knows of one child, from a start to the next stop.

    Args:
        spec: what it is made from.
        slot: where it plays.
        record: its restarts.
        failures: its last errors.
        grace: seconds it has to stop.
        is_dismissed: whether its supervisor wants it stopped: whatever comes, it is not started again.
        is_unwanted: whether its spec goes with it when it stops.
        is_on_trial: whether its spec goes with it if it never starts.
        has_started: whether any incarnation got as far as serving.
        up_since: since when this incarnation serves, or None while it does not.
        exit: how the last incarnation ended.
        settled: set once the first start has succeeded or failed.
        over: set when no incarnation plays and none will.
    """

    spec: ChildSpec[Actor]
    slot: Slot
    record: RestartRecord
    failures: Failures
    grace: float = DEFAULT_GRACE
    is_dismissed: bool = False
    is_unwanted: bool = False
    is_on_trial: bool = False
    has_started: bool = False
    up_since: float | None = None
    exit: Exit = attrs.field(factory=lambda: Exit("cancelled"))
    settled: trio.Event = attrs.field(factory=trio.Event)
    over: trio.Event = attrs.field(factory=trio.Event)
    _pause: trio.CancelScope | None = None
    _is_cut: bool = False

    def __attrs_post_init__(self) -> None:
        self.slot.on_stop_request = lambda _grace: self.cut_pause()
        if self.spec.grace is not None:
            self.grace = self.spec.grace

    @property
    def id(self) -> str:
        """The child's id."""
        return self.spec.id

    @property
    def state(self) -> ChildState:
        """How far it has got."""
        return "stopped" if self.slot.state == "ended" else self.slot.state

    @property
    def ran_for(self) -> float:
        """Seconds this incarnation has been serving, 0 when it did not get so far."""
        return 0.0 if self.up_since is None else trio.current_time() - self.up_since

    def status(self) -> ChildStatus:
        """Return a snapshot."""
        return ChildStatus(self.id, self.state, self.spec.restart, self.slot.incarnation, Ref(self.slot))

    async def play(self, on_started: Callable[[Child], object]) -> Exit:
        """Run one incarnation and return how it ended; call `on_started` when it serves."""

        def started() -> None:
            self.has_started = True
            self.up_since = trio.current_time()
            self.settled.set()
            on_started(self)

        self.up_since = None
        incarnation = Incarnation(self.slot)
        try:
            self.exit = await incarnation.run(self._make, started)
        except BaseException:
            self.exit = Exit("cancelled", incarnation.error)
            raise
        return self.exit

    def _make(self) -> Actor:
        actor = self.spec.factory()
        if self.spec.grace is None:
            self.grace = getattr(actor, "default_grace", DEFAULT_GRACE)
        return actor

    async def pause(self, delay: float) -> bool:
        """Wait `delay` seconds, messages waiting too; return whether the wait was not cut."""
        self.slot.leave("restarting")
        self._is_cut = False
        with trio.CancelScope(deadline=trio.current_time() + delay) as self._pause:
            await trio.sleep_forever()
        return not self._is_cut

    def cut_pause(self) -> None:
        """End the wait for the next incarnation, if it waits."""
        self._is_cut = True
        if self._pause is not None:
            self._pause.cancel()

    async def halt(self) -> bool:
        """Stop it for good within its grace; return whether it has stopped.

        The wait is bounded by the grace and the least time for a teardown: a child that shields itself from its end
        is left behind.
        """
        self.is_dismissed = True
        self.slot.request_stop(self.grace)
        with trio.move_on_after(self.grace + LEAST_TEARDOWN if self.grace < math.inf else math.inf):
            await self.over.wait()
        if not self.over.is_set():
            await trio.lowlevel.checkpoint()  # a teardown that is cut in this very instant may end in it
        return self.over.is_set()

    def close(self) -> None:
        """Turn away what waits for it, and tell its watchers."""
        self.slot.close(self.exit)
        self.settled.set()
        self.over.set()
