"""The child tasks of one incarnation: its concurrent ops and streams, and what it started in the background."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from actors.kernel.activity import current_activity
from actors.kernel.post_mortem import annotate


@attrs.define(eq=False)
class Crew:
    """Runs child tasks in a nursery. Ops are waited for at the end, background tasks are cancelled.

    Args:
        nursery: where they run.
        crash: is told of an error that ends one of them.
        wake: is called when one has ended, as what it did may have moved a deadline.
    """

    nursery: trio.Nursery
    crash: Callable[[Exception], None]
    wake: Callable[[], None]
    _ops: int = 0
    _ops_ended: trio.Event | None = None

    def start(self, run: Callable[[], Awaitable[object]]) -> None:
        """Run a background task."""
        self.nursery.start_soon(self._child, run)

    def start_op(self, run: Callable[[], Awaitable[object]]) -> None:
        """Run an op."""
        self._ops += 1
        self.nursery.start_soon(self._child, lambda: self._op(run))

    async def ops_ended(self) -> None:
        """Wait until no op runs."""
        if self._ops:
            self._ops_ended = trio.Event()
            await self._ops_ended.wait()

    async def _op(self, run: Callable[[], Awaitable[object]]) -> None:
        try:
            await run()
        finally:
            self._ops -= 1
            if self._ops_ended is not None and not self._ops:
                self._ops_ended.set()

    async def _child(self, run: Callable[[], Awaitable[object]]) -> None:
        current_activity.set(None)
        try:
            await run()
        except Exception as error:  # noqa: BLE001  # a child task's crash is the actor's
            annotate(error, "in a child task")
            self.crash(error)
        finally:
            self.wake()
