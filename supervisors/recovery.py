"""One group of children on its way back up: stopped in reverse start order, started in start order.

Theory of operation. A recovery holds the members that are still to be started, each with the instant before which it is
not. It goes through two phases,

    recall    members that still play are halted, the last one first, each within its grace
    start     members are started, the first one first, each when it is due and its predecessor serves

and begins again from the first whenever it is *revised*: a start failed (the member is due later now), a child that was
up already failed (it joins, with all that lean on it), a member was stopped by hand (it has left). A member that has
started is none any longer, so nobody is started twice. The group is most often one child alone; nothing is different
then.

It decides nothing: who is in it and when each is due comes from outside.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable

import attrs
import trio

from supervisors.child import Child


@attrs.define(eq=False)
class Recovery:
    """Brings its members back up.

    Args:
        row: returns all children of the supervisor, in start order.
        halt: ends a child's incarnation within its grace; returns False if it is left behind, overdue.
        begin: starts a child's next incarnation.
        abandon: is told of each member that will not be started, because all is cancelled.
    """

    row: Callable[[], Iterable[Child]]
    halt: Callable[[Child], Awaitable[bool]]
    begin: Callable[[Child], object]
    abandon: Callable[[Child], object]
    _due: dict[Child, float] = attrs.field(factory=dict[Child, float], init=False)
    _round: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @property
    def members(self) -> tuple[Child, ...]:
        """Those that are still to be started."""
        return tuple(self._due)

    def take_in(self, child: Child, due: float) -> None:
        """Make `child` a member, not to be started before `due`; one that is a member already is never due sooner."""
        self._due[child] = max(due, self._due.get(child, -math.inf))

    def hasten(self, child: Child) -> None:
        """Let `child` wait no longer, but for its predecessors."""
        self._due[child] = trio.current_time()
        self.revise()

    def leave(self, child: Child) -> None:
        """Note that `child` is not to be started (any more)."""
        self._due.pop(child, None)

    def absorb(self, other: Recovery) -> None:
        """Take over the members of `other`, which ends."""
        for child, due in other._due.items():
            self.take_in(child, due)
        other._due = {}
        other.revise()

    def revise(self) -> None:
        """Begin again with the members there are now."""
        self._round.cancel()

    async def run(self) -> None:
        """Bring all members up; return when none is left."""
        try:
            while self._due:
                with trio.CancelScope() as self._round:
                    await self._bring_up(self._in_order())
        finally:
            for child in self.members:
                if not child.is_playing:
                    self.abandon(child)

    def _in_order(self) -> list[Child]:
        if len(self._due) == 1:
            return list(self._due)  # the common case costs nothing, however many siblings there are
        return [child for child in self.row() if child in self._due]

    async def _bring_up(self, members: list[Child]) -> None:
        for child in reversed(members):
            if child in self._due and child.is_playing:
                await self._recall(child)
        for child in members:
            if child in self._due:
                await trio.sleep_until(self._due[child])
                self.begin(child)
                await child.up_or_out()

    async def _recall(self, child: Child) -> None:
        child.is_recalled = True
        if not await self.halt(child):
            self.leave(child)  # it comes back when it has ended at last; the others do not wait for that
