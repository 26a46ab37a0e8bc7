r"""Find stuck workers of a pool and see to it that their places serve again.

When to look at whom is decided in `supervisors.pool.stuckness`; here somebody looks, kills and replaces:

    stuck --killed, without grace--> it ends within the time for its teardown: its slot is restarted by the rules
                                \--> it does not: it is left behind, and a successor plays in a new slot

Either costs a restart, so a pool whose workers are stuck all the time ends over it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import trio

from actors.kernel.activity import Activity
from actors.kernel.incarnation import LEAST_TEARDOWN
from actors.kernel.slot import Performer, Slot
from supervisors.child import Child
from supervisors.children import Children
from supervisors.events import ChildStarted
from supervisors.pool.events import OnPoolEvent, WorkerReplaced, WorkerStuck
from supervisors.pool.staff import leave_behind
from supervisors.pool.stuckness import StuckWatch
from supervisors.pool.table import Table, sight_of


@attrs.define
class _Replacement:
    """A place whose worker was stuck: since when, and whether that one still runs."""

    since: float
    is_left_behind: bool = False


@attrs.define(eq=False)
class Replacements:
    """Looks at workers, and replaces those that are stuck.

    Args:
        watch: says when to look at whom.
        children: the workers.
        table: where a successor in a new slot is written.
        pass_on: lets what waits in a slot go to others.
        soon: runs a call in the pool's own task, at its next message boundary.
        on_event: is told.
        found: how many workers were stuck.
        left_behind: how many of these shielded themselves from their end.
    """

    watch: StuckWatch
    children: Children
    table: Table
    pass_on: Callable[[Slot], object]
    soon: Callable[[Callable[[], object]], object]
    on_event: OnPoolEvent
    found: int = attrs.field(default=0, init=False)
    left_behind: int = attrs.field(default=0, init=False)
    _under_way: dict[str, _Replacement] = attrs.field(factory=dict[str, _Replacement], init=False)

    def on_given(self, worker: Child) -> None:
        """Have somebody look at a worker that is about to be given a message, if nobody does."""
        if self.watch.is_resting(worker.id):
            self.soon(partial(self.look, worker.id))

    def on_started(self, event: ChildStarted) -> None:
        """Look again at a worker that serves again, and tell if it has been replaced."""
        self.watch.resume(event.child)
        self.soon(partial(self.look, event.child))
        replacement = self._under_way.pop(event.child, None)
        if replacement is not None:
            about = event.supervisor, event.child, event.incarnation
            took = event.at - replacement.since
            self.on_event(WorkerReplaced(*about, replacement.is_left_behind, took, event.at))

    def look_at_due(self) -> None:
        """Look at all workers that are due."""
        for worker_id in self.watch.due(trio.current_time()):
            self.look(worker_id)

    def look(self, worker_id: str) -> None:
        """Look at a worker, and have it replaced if it is stuck."""
        worker = self.children.by_id.get(worker_id)
        if worker is None or worker.is_over:
            self.watch.resume(worker_id)  # it is gone for good, and nobody is to look
        elif not (activities := _activities(worker.slot)) and worker.slot.state != "running":
            self.watch.suspend(worker_id)  # until it serves
        elif self.watch.look(worker_id, sight_of(worker.slot), trio.current_time()):
            self._kill(worker, activities[0])

    def _kill(self, worker: Child, oldest: Activity) -> None:
        now = trio.current_time()
        self.found += 1
        worker.slot.request_stop(0.0)
        if not worker.is_dismissed:
            self._under_way[worker.id] = _Replacement(now)
        self.children.owner.start_soon(self._see_to_end, worker, worker.slot.performer)
        about = self.children.report.supervisor, worker.id, worker.slot.incarnation
        self.on_event(WorkerStuck(*about, oldest.op, oldest.since, now))

    async def _see_to_end(self, worker: Child, killed: Performer | None) -> None:
        """Wait until the incarnation that was killed has ended, and leave it behind if it does not."""
        with trio.move_on_after(LEAST_TEARDOWN):
            await worker.slot.wait_exit()
        await trio.lowlevel.checkpoint()  # a teardown that is cut in this very instant may end in it
        if worker.slot.performer is not killed or self.children.is_ending:
            return  # it has ended, and what follows is the rules' business; or all end
        self.left_behind += 1
        if worker.is_dismissed:
            self._under_way.pop(worker.id, None)
            leave_behind(worker)
            self.pass_on(worker.slot)
        else:
            self._succeed(worker)

    def _succeed(self, worker: Child) -> None:
        """Put a new worker, in a new slot, into the place of one that shields itself from its end."""
        self._under_way[worker.id].is_left_behind = True
        worker.grace = 0.0  # that was all it had
        self.children.report.overdue(worker)
        leave_behind(worker)
        successor = self.children.replace(worker)
        worker.slot.mailbox.move_to(successor.slot.mailbox)
        worker.slot.heir = partial(self._slot_of, worker.id)
        self.table.put(successor)

    def _slot_of(self, worker_id: str) -> Slot | None:
        """Return where the worker of this id plays now, for what was sent to the slot of one left behind."""
        worker = self.children.by_id.get(worker_id)
        return None if worker is None else worker.slot


def _activities(slot: Slot) -> tuple[Activity, ...]:
    return () if slot.performer is None else slot.performer.activities()
