r"""One child of a supervisor: its slot and how far it has got.

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
from actors.kernel.awaiting import awaiting
from actors.kernel.incarnation import LEAST_TEARDOWN, Incarnation
from actors.kernel.ref import Ref
from actors.kernel.slot import DEFAULT_GRACE, Exit, Slot
from supervisors.backoff import Backoff
from supervisors.child_spec import ChildSpec
from supervisors.failures import Failures
from supervisors.intensity import Intensity
from supervisors.restart import RestartRecord, RestartType

ChildState: TypeAlias = Literal["starting", "running", "stopping", "restarting", "stopped"]
"""How far a child has got."""

Kind: TypeAlias = Literal["worker", "supervisor"]
"""Whether a child has children of its own; what was never made counts as a worker."""


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
        stopped: those that are kept to be started again.
        supervisors: those, of all, that are supervisors.
        workers: those that are not.
    """

    specs: int
    active: int
    restarting: int
    stopped: int
    supervisors: int
    workers: int


@attrs.define(eq=False)
class Child:
    """What a supervisor knows of one child, from a start to the next stop.

    Args:
        spec: what it is made from.
        slot: where it plays.
        record: its restarts.
        failures: its last errors.
        grace: seconds it has to stop.
        kind: whether it is a supervisor.
        restarts: how often it was started again since it was started.
        is_playing: whether an incarnation plays or is about to.
        is_dismissed: whether its supervisor wants it stopped: whatever comes, it is not started again.
        is_recalled: whether it is to end because its group is restarted: it is started again, whatever comes.
        is_unwanted: whether its spec goes with it when it stops.
        is_on_trial: whether its spec goes with it if it never starts.
        is_settled: whether its first start has succeeded or failed.
        has_started: whether any incarnation got as far as serving.
        is_over: whether no incarnation plays and none will.
        up_since: since when this incarnation serves, or None while it does not.
        exit: how the last incarnation ended.
    """

    spec: ChildSpec[Actor]
    slot: Slot
    record: RestartRecord
    failures: Failures
    grace: float = DEFAULT_GRACE
    kind: Kind = "worker"
    restarts: int = 0
    is_playing: bool = False
    is_dismissed: bool = False
    is_recalled: bool = False
    is_unwanted: bool = False
    is_on_trial: bool = False
    is_settled: bool = False
    has_started: bool = False
    is_over: bool = False
    up_since: float | None = None
    exit: Exit = attrs.field(factory=lambda: Exit("cancelled"))
    _change: trio.Event | None = None

    def __attrs_post_init__(self) -> None:
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

    async def play(self, on_started: Callable[[Child, Incarnation], object]) -> Exit:
        """Run one incarnation and return how it ended; call `on_started` when it serves."""
        incarnation = Incarnation(self.slot)

        def started() -> None:
            self.has_started = self.is_settled = True
            self.up_since = trio.current_time()
            on_started(self, incarnation)
            self._tell()

        try:
            self.exit = await incarnation.run(self._make, started)
        except BaseException:
            self.exit = Exit("cancelled", incarnation.error)
            raise
        finally:
            self.is_playing = False
            self._tell()
        return self.exit

    def _make(self) -> Actor:
        actor = self.spec.factory()
        self.kind = getattr(actor, "kind", "worker")
        if self.spec.grace is None:
            self.grace = getattr(actor, "default_grace", DEFAULT_GRACE)
        return actor

    def begin(self) -> None:
        """Note that an incarnation is about to play."""
        self.slot.state = "starting"
        self.is_playing, self.is_recalled, self.up_since = True, False, None

    def rest(self) -> None:
        """Note that it waits for its next incarnation, its messages too."""
        self.slot.leave("restarting")

    def settle(self) -> None:
        """Note that its first start has succeeded or failed."""
        self.is_settled = True
        self._tell()

    def change(self, spec: ChildSpec[Actor], backoff: Backoff, intensity: Intensity) -> None:
        """Go on under another spec: what is about the mailbox holds from the next slot on, all else at once."""
        self.spec = spec
        self.record.restart, self.record.backoff = spec.restart, backoff
        self.record.window.change(intensity, trio.current_time())
        self.failures.restarts = intensity.restarts
        self.slot.keeps_state, self.slot.quarantine_after = spec.keep_state, spec.quarantine_after
        if spec.grace is not None:
            self.grace = spec.grace

    def close(self) -> None:
        """Turn away what waits for it, and tell its watchers."""
        self.slot.close(self.exit)
        self.is_settled = self.is_over = True
        self._tell()

    async def halt(self, *, drain: bool = False) -> bool:
        """Ask its incarnation to end within its grace, after its messages if `drain`; return whether it has ended.

        The wait is bounded by the grace and the least time for a teardown: a child that shields itself from its end
        is left behind.
        """
        self.slot.request_stop(self.grace, drain=drain)
        bound = self.grace + LEAST_TEARDOWN if self.grace < math.inf else math.inf
        with awaiting(self.slot), trio.move_on_after(bound):
            while self.is_playing:
                await self._changed()
        if self.is_playing:
            await trio.lowlevel.checkpoint()  # a teardown that is cut in this very instant may end in it
        return not self.is_playing

    async def settled(self) -> None:
        """Wait until its first start has succeeded or failed."""
        while not self.is_settled:
            await self._changed()

    async def up_or_out(self) -> None:
        """Wait until the incarnation that plays serves, or does not play any more."""
        while self.is_playing and self.up_since is None:
            await self._changed()

    async def _changed(self) -> None:
        if (
            self._change is None
        ):  # most children are never waited for: an event each would be their largest part
            self._change = trio.Event()
        await self._change.wait()

    def _tell(self) -> None:
        if self._change is not None:
            self._change.set()
            self._change = None
