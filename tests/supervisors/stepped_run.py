"""A Trio run that plays one scene at a time and stands still in between: for rules of a state machine.

It is a film that runs while a button is held down. `play(scene)` runs an async function inside the run, lets everything
that can happen at that instant happen, and returns its value; between two calls no task moves and no time passes.
Trio's guest mode makes it possible: the host that lends its loop to the guest is `play` itself.

The run is an autojump run of `actors.testing.run`: seeded order, balanced books, a limit on virtual time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import trio
import trio.testing
from trio.testing import MockClock

from actors.testing.run import VIRTUAL_LIMIT, checked
from actors.testing.scheduler import seed_scheduler

T = TypeVar("T")


class SteppedRun:
    """Runs scenes one by one under virtual time.

    Args:
        seed: decides the order in which tasks wake.
        nursery: for what is to go on between scenes.
        has_ended: whether no more scenes can be played.
    """

    def __init__(self, seed: int) -> None:
        self.nursery: trio.Nursery
        self._ticks: deque[Callable[[], object]] = deque()
        self._scene: Callable[[], Awaitable[object]] | None = None
        self._value: object = None
        self._error: BaseException | None = None
        self._is_closing = False
        self.has_ended = False
        self._failure: BaseException | None = None
        seed_scheduler(seed)
        trio.lowlevel.start_guest_run(
            checked(self._main, limit=VIRTUAL_LIMIT),
            run_sync_soon_threadsafe=self._ticks.append,  # no thread ever calls it: see `_main`
            done_callback=self._done,
            clock=MockClock(autojump_threshold=0),
        )

    def play(self, scene: Callable[[], Awaitable[T]]) -> T:
        """Run one scene, and all that follows from it at its last instant; return its value.

        Raises:
            BaseException: what the scene raised, or what ended the run.
            RuntimeError: the run has ended.
        """
        self._scene = scene
        self._tick_until(lambda: self._scene is None)
        if self.has_ended:
            raise self._failure or RuntimeError("the run has ended; no more scenes can be played")
        error, self._error = self._error, None
        if error is not None:
            raise error
        return cast("T", self._value)

    def close(self) -> None:
        """End the run: cancel what is left in its nursery, and check the books.

        Raises:
            BaseException: what ended the run badly.
        """
        self._is_closing = True
        self._tick_until(lambda: False)
        if self._failure is not None:
            raise self._failure

    def _tick_until(self, is_over: Callable[[], bool]) -> None:
        while not (is_over() or self.has_ended):
            self._ticks.popleft()()

    def _done(self, end: Any) -> None:
        """Take the `Outcome` that Trio hands over."""
        self.has_ended = True
        try:
            end.unwrap()
        except BaseException as error:  # noqa: BLE001  # raised again by `play` and `close`
            self._failure = error

    async def _main(self) -> None:
        """Play what is there. It spins meanwhile: a run that is never idle neither jumps nor waits in a thread."""
        async with trio.open_nursery() as self.nursery:
            while not self._is_closing:
                if self._scene is None:
                    await trio.lowlevel.checkpoint()
                    continue
                try:
                    self._value = await self._scene()
                except Exception as error:  # noqa: BLE001  # raised again by `play`
                    self._error = error
                await trio.testing.wait_all_tasks_blocked()
                self._scene = None
            self.nursery.cancel_scope.cancel()
