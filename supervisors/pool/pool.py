"""A pool: equal workers behind one ref, each message to whoever has least to do, or to the owner of its key.

Theory of operation. The pool is a supervisor of its workers: it starts them, starts them again when they crash, within
their budgets, and ends when a budget is spent. It handles no message of theirs and sees none: whoever sends one looks
up a place in the pool's table and posts it there (`RoutedRef`). The table is written here alone.

    a worker crashes      its slot stays, and with it what waits there; a restart like under any supervisor
    a worker is stuck     it is killed, without grace, and its place serves again:
      it ends               in its slot, by a restart
      it shields itself     in a new slot; it is left behind, what waits moves over, the asker of its op is told
    resize, upwards       new places are written into the table when all new workers serve, or none is
    resize, downwards     surplus places leave the table at once; their workers handle what they have, within their
                          grace, and what is left then moves, message by message, to those that stay

Resizes are done one after the other. When to look whether a worker is stuck is decided in `supervisors.pool.stuckness`;
a sender who gives a message to a worker at which nobody looks says so through the pool's system lane, so an idle pool
has no timer, and a busy one no more than one per worker.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import attrs

from actors.errors import StartFailed
from actors.kernel.actor import Actor
from actors.kernel.mailbox import DEFAULT_CAPACITY, Overflow
from actors.kernel.ops import op
from actors.kernel.ref import Ref, slot_of
from actors.kernel.reply import Deferred
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child import Child
from supervisors.child_spec import DEFAULT_QUARANTINE_AFTER, ChildSpec
from supervisors.events import ChildStarted, LifecycleEvent, unobserved
from supervisors.foreman import Foreman, Manner
from supervisors.inside import Inside
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity
from supervisors.pool.events import OnPoolEvent, PoolEvent, PoolResized
from supervisors.pool.replacement import Replacements
from supervisors.pool.staff import Staff, checked_size
from supervisors.pool.stuckness import StuckWatch
from supervisors.pool.table import KeyOf, PoolStatistics, Table

ActorT_co = TypeVar("ActorT_co", bound=Actor, covariant=True)


class Pool(Foreman, Generic[ActorT_co]):
    """Keeps `size` equal workers and says which of them is to have a message.

    It is a row of counters with an usher at the door: nobody stands in a common line. Open one with `open_pool`, or
    nest it, `ChildSpec("readers", partial(Pool, Reader, 4))`; `PoolHandle(ref)` is the handle.

    Args:
        factory: makes a worker; for every incarnation a new one.
        size: how many workers there are at first.
        key: says of a message which key it is about, a str, bytes or an int: messages of one key go to one worker, in
            order as long as the size stays. None: each goes to the worker that has least to do.
        stuck_after: seconds after which an op at work, a stream included, means that its worker is stuck; more than the
            longest op takes. None: an op may take as long as it likes.
        grace, capacity, overflow, keep_state, quarantine_after: of each worker, as in `ChildSpec`.
        worker_intensity: each worker's own budget of restarts; None takes 3 in 30 s.
        intensity: the budget over all workers. A worker that was stuck costs a restart as well.
        backoff: how long workers wait before a restart after a crash.
        seed: makes the jitter the same in every run.
        rng: where the jitter comes from instead.
        on_event: called with each event of the pool and its workers, in the task where it happens; it must not raise.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its bounds, or both seed and rng are given.
    """

    def __init__(
        self,
        factory: Callable[[], ActorT_co],
        size: int,
        *,
        key: KeyOf | None = None,
        stuck_after: float | None = None,
        grace: float | None = None,
        capacity: int = DEFAULT_CAPACITY,
        overflow: Overflow = "wait",
        keep_state: bool = False,
        quarantine_after: int = DEFAULT_QUARANTINE_AFTER,
        worker_intensity: Intensity | None = None,
        intensity: Intensity = SUPERVISOR_INTENSITY,
        backoff: Backoff = DEFAULT_BACKOFF,
        seed: int | None = None,
        rng: random.Random | None = None,
        on_event: OnPoolEvent = unobserved,
    ) -> None:
        super().__init__(Manner("one_for_one", intensity, backoff, "never", seed, rng, self._heard))
        self._size = checked_size(size)
        if key is not None and not callable(key):
            raise TypeError(f"key must be callable with a message, or None, got {key!r}")
        self._watch = None if stuck_after is None else StuckWatch(stuck_after)
        self._spec: Callable[[str], ChildSpec[ActorT_co]] = partial(
            ChildSpec,
            factory=factory,
            grace=grace,
            capacity=capacity,
            overflow=overflow,
            intensity=worker_intensity,
            keep_state=keep_state,
            quarantine_after=quarantine_after,
        )
        self._spec("worker")  # what a spec refuses is refused here
        self._on_event = self.guarded(on_event)
        self._table = Table(key)
        self._replacements: Replacements | None = None
        self._wishes: deque[tuple[int, Deferred[None]]] = deque()

    # start and end

    async def setup(self) -> None:
        """Start the workers, all at once.

        Raises:
            StartFailed: one did not start, or crashed too often before the last had; all are stopped again.
        """
        children = self._open()
        self._staff = Staff(children, self._table, self._spec, self._on_given)
        if self._watch is not None:
            self._replacements = Replacements(
                self._watch, children, self._table, self._staff.pass_on, self._soon, self._tell
            )
        try:
            with self._starting:
                self._table.write(await self._staff.hire(range(1, self._size + 1)))
            if self._fatal is not None:
                text = f"child {self._fatal.child!r} crashed too often before all children had started"
                raise StartFailed(text, child=self._fatal.child) from self._fatal  # noqa: TRY301  # one end for both
        except StartFailed:
            await children.halt_all(at_once=True)
            raise

    async def wind_down(self) -> None:
        """Stop all workers, all at once.

        Raises:
            RestartsExhausted: they are stopped because a budget is spent.
        """
        await self._children.halt_all(at_once=True)
        await super().wind_down()

    # routing: called by whoever sends a message, in the step in which it is posted

    def route(self, message: object) -> Ref[ActorT_co] | None:
        """Return the worker that is to have `message`, or None while there is none.

        Raises:
            TypeError: the key of the message is no str, bytes or int.
            Exception: whatever `key` raises.
        """
        worker = self._table.place_for(message)
        if worker is None:
            return None
        self._on_given(worker)
        return Ref(worker.slot)

    def _on_given(self, worker: Child) -> None:
        if self._replacements is not None:
            self._replacements.on_given(worker)

    def look_inside(self) -> Inside:
        """Return the workers and the pool's place in the tree, for a snapshot: at once, at any moment."""
        return attrs.evolve(super().look_inside(), strategy="pool")

    def statistics(self) -> PoolStatistics:
        """Return a snapshot of the pool; it may be taken at any moment."""
        stuck, behind = (0, 0) if (found := self._replacements) is None else (found.found, found.left_behind)
        return PoolStatistics(self.name, self._table.statistics(), stuck, behind)

    # size

    @op(raises=(StartFailed, TypeError, ValueError))
    def resize(self, size: int) -> Deferred[None]:
        """Have `size` workers; answered when new ones serve, or surplus ones have ended, after earlier resizes."""
        answer: Deferred[None] = Deferred()
        self._wishes.append((checked_size(size), answer))
        if len(self._wishes) == 1:
            self.start_soon(self._fulfil_wishes)
        return answer

    async def _fulfil_wishes(self) -> None:
        while self._wishes and not self._children.is_ending:
            size, answer = self._wishes[0]
            try:
                await self._resize_to(size)
            except StartFailed as error:
                answer.fail(error)
            else:
                answer.set(None)
            self._wishes.popleft()

    async def _resize_to(self, size: int) -> None:
        workers = tuple(self._table.places.values())
        before = len(workers)
        if size > before:
            new = await self._staff.hire(range(before + 1, size + 1))
            self._table.write((*self._table.places.values(), *new))  # one may have been replaced meanwhile
        else:
            self._table.write(workers[:size])
            await self._staff.see_off(workers[size:])
        if size != before:
            self._tell(PoolResized(self._children.report.supervisor, before, size, self.now()))

    # stuck workers

    def next_deadline(self) -> float:
        """Return the instant of the next look at a worker."""
        return math.inf if self._watch is None else self._watch.next_look()

    def on_deadline(self) -> None:
        """Look at the workers that are due."""
        if self._replacements is not None:
            self._replacements.look_at_due()

    def _soon(self, call: Callable[[], object]) -> None:
        """Run `call` in the pool's own task: between two messages, ahead of all that are queued."""
        performer = slot_of(self.ref).performer
        if performer is not None:
            performer.post(call)

    def _tell(self, event: PoolEvent | LifecycleEvent) -> None:
        """Tell the observer, and whoever follows the tree, of more than the lifecycle."""
        self._children.report.scope.feed.publish(event)
        self._on_event(event)

    def _heard(self, event: LifecycleEvent) -> None:
        """Pass an event on, and look again at a worker that serves again."""
        self._on_event(event)
        if self._replacements is None or not isinstance(event, ChildStarted):
            return
        if event.supervisor == self._children.report.supervisor:  # and not of one nested in a worker
            self._replacements.on_started(event)
