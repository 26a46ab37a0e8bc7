"""Start the workers of a pool, and see them off: nothing that waits for one goes with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs
import trio

from actors.errors import StartFailed
from actors.kernel.mailbox import Mailbox
from actors.kernel.slot import Slot
from supervisors.child import Child
from supervisors.child_spec import ChildSpec
from supervisors.children import Children
from supervisors.pool.table import Table

MOST_WORKERS = 10_000
"""Workers of one pool at most: each message looks at all of them, and a million is a slip of the pen."""


@attrs.define(eq=False)
class Staff:
    """Hires and sees off; who gets messages is in the table, which others write.

    Args:
        children: the workers, those that are being seen off included.
        table: says where a message goes that its worker could not handle any more.
        spec: makes the spec of a worker from its id.
        on_given: is told of a worker that is given such a message.
    """

    children: Children
    table: Table
    spec: Callable[[str], ChildSpec[Any]]
    on_given: Callable[[Child], object]

    async def hire(self, numbers: Sequence[int]) -> list[Child]:
        """Start workers, all at once, and return them when all serve.

        Raises:
            StartFailed: one did not start, or declined to; none of them stays.
        """
        workers = [self.children.add(self.spec(f"worker-{number}")) for number in numbers]
        for worker in workers:
            self.children.launch(worker)
        try:
            for worker in workers:
                await self._started(worker)
        except StartFailed:
            await self.see_off(workers)
            raise
        return [self.children.by_id[worker.id] for worker in workers]  # one may have been replaced meanwhile

    async def _started(self, worker: Child) -> None:
        await self.children.started(worker)
        if not worker.has_started:
            text = f"child {worker.id!r} did not start: it declined to"
            raise StartFailed(text, child=worker.id) from worker.exit.error

    async def see_off(self, workers: Sequence[Child]) -> None:
        """Stop workers for good, all at once, after the messages they have; what they cannot do goes to others."""
        async with trio.open_nursery() as nursery:
            for worker in workers:
                worker.is_unwanted = True
                worker.slot.heir = partial(self.pass_on, worker.slot)
                nursery.start_soon(self._see_off, worker)

    async def _see_off(self, worker: Child) -> None:
        if worker.is_over:
            self.children.roster.forget(worker)
        elif not await self.children.dismiss(worker, drain=True):
            leave_behind(worker)
            self.pass_on(worker.slot)

    def pass_on(self, slot: Slot) -> None:
        """Let each message that waits in `slot` go where it would go if it were sent now."""
        slot.mailbox.pass_on(lambda message: self._mailbox_for(message) or slot.mailbox)

    def _mailbox_for(self, message: object) -> Mailbox | None:
        try:
            worker = self.table.place_for(message)
        except Exception:  # noqa: BLE001  # it came past the pool, to the worker itself, and has no key
            return None
        if worker is None:
            return None
        self.on_given(worker)
        return worker.slot.mailbox


def leave_behind(worker: Child) -> None:
    """Take what it has begun from a worker that shields itself from its end: whoever waits for that is told."""
    if worker.slot.performer is not None:
        worker.slot.performer.leave_behind(None)


def checked_size(size: object) -> int:
    """Return `size` if that many workers can be.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is less than one or more than `MOST_WORKERS`.
    """
    if type(size) is not int:
        raise TypeError(f"size must be a whole number, got {size!r}")
    if size < 1:
        raise ValueError(f"size must be >= 1, got {size}")
    if size > MOST_WORKERS:
        raise ValueError(f"size must be <= {MOST_WORKERS}, got {size}")
    return size
