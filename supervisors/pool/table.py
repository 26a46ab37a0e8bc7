"""The routing table of a pool: its places, what each has to do, and which of them is to have a message.

The pool's actor alone writes it; whoever sends a message only has a place looked up in it, in the step in which the
message is posted. What a place has to do is read from its slot at that moment, so nobody keeps count and no count can
go wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, cast

import attrs

from actors.kernel.fates import Fate, FateCounts
from actors.kernel.slot import Slot
from supervisors.child import Child, ChildState
from supervisors.pool.least_loaded import LeastLoaded
from supervisors.pool.rendezvous import Key, Rendezvous
from supervisors.pool.stuckness import Sight

KeyOf: TypeAlias = Callable[[Any], object]
"""Says of a message which key it is about: a str, bytes or an int."""


@attrs.frozen
class WorkerStatistics:
    """A snapshot of one worker.

    Args:
        worker: its id.
        state: starting, running, stopping, restarting or stopped.
        is_healthy: False after it has reported itself unhealthy.
        incarnation: number of its current or last incarnation, from 1.
        load: messages that wait for it, are at work, or whose answer is deferred.
        messages: counts by fate, over all incarnations in its slot.
    """

    worker: str
    state: ChildState
    is_healthy: bool
    incarnation: int
    load: int
    messages: FateCounts

    @property
    def handled(self) -> int:
        """How many messages it has handled."""
        return self.messages.fates.get(Fate.HANDLED, 0)


@attrs.frozen
class PoolStatistics:
    """A snapshot of a pool; it holds no user data.

    Args:
        pool: its name.
        workers: those that get messages, in the order of their ids.
        stuck: how many were found stuck since the pool's actor started.
        left_behind: how many of these shielded themselves and were left behind.
    """

    pool: str
    workers: tuple[WorkerStatistics, ...]
    stuck: int
    left_behind: int

    @property
    def size(self) -> int:
        """How many workers get messages."""
        return len(self.workers)


@attrs.define(eq=False)
class Table:
    """Says where a message goes: to the owner of its key, or to whoever has least to do.

    Args:
        key: says of a message which key it is about; None sends each to the least loaded place.
        places: the workers that get messages, by id.
    """

    key: KeyOf | None = None
    places: dict[str, Child] = attrs.field(factory=dict[str, Child], init=False)
    _row: tuple[Child, ...] = attrs.field(default=(), init=False)
    _usher: LeastLoaded = attrs.field(factory=LeastLoaded, init=False)
    _owners: Rendezvous | None = attrs.field(default=None, init=False)

    def write(self, workers: Iterable[Child]) -> None:
        """Let exactly these workers have messages from now on."""
        self._row = tuple(workers)
        self.places = {worker.id: worker for worker in self._row}
        if self.key is not None:
            self._owners = Rendezvous(tuple(self.places)) if self.places else None

    def put(self, worker: Child) -> None:
        """Let `worker` have the messages of the place of its id, if there is one, instead of who has it now."""
        if worker.id in self.places:
            self.write(worker if place == worker.id else kept for place, kept in self.places.items())

    def place_for(self, message: object) -> Child | None:
        """Return the worker that is to have `message`, or None while there is none.

        Linear in the number of workers, by key or by load.

        Raises:
            TypeError: the key of the message is no str, bytes or int.
            Exception: whatever `key` raises.
        """
        if not self._row:
            return None
        if self.key is not None and self._owners is not None:
            return self.places[self._owners.owner(cast("Key", self.key(message)))]  # which checks it
        return self._row[self._usher.choose([_rank(worker.slot) for worker in self._row])]

    def statistics(self) -> tuple[WorkerStatistics, ...]:
        """Return a snapshot of every place."""
        return tuple(_statistics(worker) for worker in self._row)


def sight_of(slot: Slot) -> Sight:
    """Return what a look at a worker shows to whoever wants to know whether it is stuck."""
    activities = () if slot.performer is None else slot.performer.activities()
    waiting = slot.mailbox.depth + slot.mailbox.waiting
    return Sight(min((activity.since for activity in activities), default=None), waiting)


def load_of(slot: Slot) -> int:
    """Return what a worker has to do: messages that wait, are at work, or whose answer is deferred."""
    mailbox, performer = slot.mailbox, slot.performer
    begun = 0 if performer is None else len(performer.activities()) + performer.parked_count
    return mailbox.depth + mailbox.waiting + begun


def _rank(slot: Slot) -> tuple[bool, bool, int]:
    """Return what a place is chosen by: one that restarts has little to do and yet is no good choice."""
    return slot.state != "running", not slot.is_healthy, load_of(slot)


def _statistics(worker: Child) -> WorkerStatistics:
    slot = worker.slot
    counts = slot.mailbox.tally.snapshot()
    return WorkerStatistics(worker.id, worker.state, slot.is_healthy, slot.incarnation, load_of(slot), counts)
