"""One group of children on its way back up: stopped in reverse start order, started in start order.

Theory of operation. A recovery holds the members that are still to be started, each with the instant before which it is
not. It goes through two phases,

    recall    members that play and are to end first are stopped, the last one first, each within its grace
    start     members are started, one after the other, each when it is due and what it leans on serves

and begins again from the first whenever it is *revised*: a start failed (the member is due later now), a child that was
up already failed (it joins, with all that lean on it), a member was stopped by hand (it has left). A member that has
started is none any longer, so nobody is started twice. The group is most often one child alone; nothing is different
then.

A member that is to end may be asking one that is down, and would wait for the very recovery that waits for it. So a
recovery is in the wait-for graph: it holds the mailboxes of the members that are down, and waits for those that it
recalls. Such an ask is refused.

It decides nothing: who is in it and when each is due comes from outside.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

import attrs
import trio

from actors.kernel.activity import Activity, current_activity
from actors.kernel.awaiting import awaiting
from supervisors.child import Child


@attrs.define(eq=False)
class Recovery:
    """Brings its members back up.

    Args:
        row: returns all children of the supervisor, in start order.
        recall: ends a child's incarnation within its grace; one that does not end in time is to leave.
        next_of: picks the one to start next, from those that wait, in start order, and the instants they are due.
        begin: starts a child's next incarnation.
        activity: what it shows as in the wait-for graph.
        abandon: is told of the members that will not be started, because all is cancelled.
    """

    row: Callable[[], Iterable[Child]]
    recall: Callable[[Child], Awaitable[None]]
    next_of: Callable[[Collection[Child], Mapping[Child, float]], Child]
    begin: Callable[[Child], object]
    activity: Activity
    abandon: Callable[[tuple[Child, ...]], object]
    _due: dict[Child, float] = attrs.field(factory=dict[Child, float], init=False)
    _waiting: OrderedDict[Child, None] = attrs.field(factory=OrderedDict[Child, None], init=False)
    _round: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @property
    def members(self) -> tuple[Child, ...]:
        """Those that are still to be started."""
        return tuple(self._due)

    def take_in(self, child: Child, due: float) -> None:
        """Make `child` a member, not to be started before `due`; one that is a member already is never due sooner."""
        self._due[child] = max(due, self._due.get(child, -math.inf))
        self.hold(child)

    def hold(self, child: Child) -> None:
        """Hold the mailbox of a member, if it is down."""
        if not child.is_playing:
            child.slot.mailbox.holder = self.activity

    def hasten(self, child: Child) -> None:
        """Let `child` wait no longer, but for its predecessors."""
        self._due[child] = trio.current_time()
        self.revise()

    def leave(self, child: Child) -> None:
        """Note that `child` is not to be started (any more)."""
        self._due.pop(child, None)
        self._waiting.pop(child, None)
        if child.slot.mailbox.holder is self.activity:
            child.slot.mailbox.holder = None

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
        current_activity.set(self.activity)
        try:
            while self._due:
                with trio.CancelScope() as self._round:
                    await self._bring_up(self._in_order())
        finally:
            if self._due:
                self.abandon(self.members)

    def _in_order(self) -> list[Child]:
        if len(self._due) == 1:
            return list(self._due)  # the common case costs nothing, however many siblings there are
        members = [child for child in self.row() if child in self._due]
        assert members  # noqa: S101  # a member that is off the roster would keep this going for ever
        return members

    async def _bring_up(self, members: list[Child]) -> None:
        for child in reversed(members):
            if child in self._due and child.is_playing and child.is_recalled:
                await self.recall(child)
        self._waiting = OrderedDict((child, None) for child in members if child in self._due)
        while self._waiting:
            child = self.next_of(self._waiting, self._due)
            if not child.is_playing:  # else it was about to start when the round began anew
                await trio.sleep_until(self._due[child])
                self.begin(child)
            with awaiting(child.slot):
                await child.up_or_out()  # it has left by then, or has had this round end
            await trio.lowlevel.checkpoint_if_cancelled()
