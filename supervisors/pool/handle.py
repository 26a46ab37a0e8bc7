"""Open a pool for the length of a block, and the handle on it."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import attrs

from actors.kernel.actor import Actor
from actors.kernel.mailbox import DEFAULT_CAPACITY, Overflow
from actors.kernel.ref import Ref, slot_of
from actors.kernel.slot import Slot
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child_spec import DEFAULT_QUARANTINE_AFTER
from supervisors.events import LifecycleEvent, OnEvent, unobserved
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity
from supervisors.pool.events import OnPoolEvent, PoolEvent, PoolResized, WorkerReplaced, WorkerStuck
from supervisors.pool.pool import Pool
from supervisors.pool.table import KeyOf, PoolStatistics
from supervisors.root import open_root
from supervisors.routed_ref import RoutedRef

ActorT = TypeVar("ActorT", bound=Actor)
ActorT_co = TypeVar("ActorT_co", bound=Actor, covariant=True)


@attrs.frozen
class PoolHandle(Generic[ActorT_co]):
    """A handle on a running pool.

    For a nested one: `PoolHandle(await tree.start_child(ChildSpec("readers", partial(Pool, Reader, 4))))`.

    Args:
        pool: the pool itself.
        ref: how its workers are reached: each message goes to one of them. Good over restarts of workers and pool.
    """

    pool: Ref[Pool[ActorT_co]]
    ref: RoutedRef[ActorT_co] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        slot = slot_of(self.pool)
        object.__setattr__(
            self, "ref", RoutedRef[ActorT_co](slot, lambda message: _worker_for(slot, message))
        )

    async def resize(self, size: int) -> None:
        """Have `size` workers; return when new ones serve, or when surplus ones have ended.

        Surplus workers get nothing new, and handle what they have within their grace; what is left then goes to those
        that stay. Resizes are done one after the other, and go on if this call is cancelled.

        Raises:
            StartFailed: a new worker did not start; the size stays what it was.
            TypeError: `size` is no whole number.
            ValueError: `size` is less than 1.
        """
        await self.pool.ask(Pool[ActorT_co].resize(size))

    def statistics(self) -> PoolStatistics:
        """Return a snapshot of the pool, whatever it is doing; one without workers while it does not run."""
        pool = _playing_in(slot_of(self.pool))
        return PoolStatistics(self.pool.name, (), 0, 0) if pool is None else pool.statistics()

    async def stop(self) -> None:
        """Stop all workers at once, each within its grace, and then the pool; return when it has ended."""
        await self.pool.stop(grace=math.inf)


def _worker_for(slot: Slot, message: object) -> Ref[Any] | None:
    pool = _playing_in(slot)
    return None if pool is None else pool.route(message)


def _playing_in(slot: Slot) -> Pool[Any] | None:
    pool = slot.actor
    return pool if isinstance(pool, Pool) else None  # pyright: ignore[reportUnknownVariableType]  # a pool of anything


@asynccontextmanager
async def open_pool(
    factory: Callable[[], ActorT],
    size: int,
    *,
    name: str = "pool",
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
) -> AsyncGenerator[PoolHandle[ActorT]]:
    """Run a pool of equal workers for the length of the block.

        async with open_pool(Reader, size=4, stuck_after=60.0) as pool:
            await pool.ref.ask(Reader.read(scene))
            await pool.resize(8)

    When the block ends all workers are stopped at once, each within its grace.

    Args:
        factory: makes a worker; for every incarnation a new one.
        size: how many workers there are at first.
        name: how the pool is called in errors and events.
        key: says of a message which key it is about, a str, bytes or an int: messages of one key go to one worker, in
            order as long as the size stays. None: each goes to the worker that has least to do.
        stuck_after: seconds after which an op at work, a stream included, means that its worker is stuck; more than the
            longest op takes. None: an op may take as long as it likes.
        grace: seconds each worker has to end what it is doing; None leaves it to the worker, as in `ChildSpec`.
        capacity: messages each worker's mailbox holds before senders wait.
        overflow: what a full mailbox does, as in `ChildSpec`.
        keep_state: whether a worker's state is handed on over its restarts.
        quarantine_after: incarnations that a message may crash before it is not tried again.
        worker_intensity: each worker's own budget of restarts; None takes 3 in 30 s.
        intensity: the budget over all workers. A worker that was stuck costs a restart as well.
        backoff: how long workers wait before a restart after a crash.
        seed: makes the jitter the same in every run.
        rng: where the jitter comes from instead.
        on_event: called with each event of the pool and its workers, in the task where it happens; it must not raise.

    Raises:
        StartFailed: a worker did not start; the cause is chained.
        RestartsExhausted: a budget is spent; it is the group of the errors behind it. The block is cancelled first. If
            the block raises too, both come in an ExceptionGroup.
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its bounds, or both seed and rng are given.
    """

    def make(tell: OnEvent) -> Pool[ActorT]:
        def observe(event: PoolEvent | LifecycleEvent) -> None:
            if isinstance(event, WorkerStuck | WorkerReplaced | PoolResized):
                on_event(event)
            else:
                tell(event)

        return Pool(
            factory,
            size,
            key=key,
            stuck_after=stuck_after,
            grace=grace,
            capacity=capacity,
            overflow=overflow,
            keep_state=keep_state,
            quarantine_after=quarantine_after,
            worker_intensity=worker_intensity,
            intensity=intensity,
            backoff=backoff,
            seed=seed,
            rng=rng,
            on_event=observe,
        )

    make(unobserved)  # a wrong argument is refused here, not in the task of the pool
    async with open_root(make, name=name, on_event=on_event) as ref:
        yield PoolHandle(ref)
