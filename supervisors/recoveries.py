"""All recoveries of one supervisor: each waiting child is in one, and those that share a child become one."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable

import attrs

from supervisors.child import Child
from supervisors.recovery import Recovery


@attrs.define(eq=False)
class Recoveries:
    """Knows in which recovery each child is.

    Args:
        make: makes an empty recovery.
        launch: runs one as a task of the supervisor.
    """

    make: Callable[[], Recovery]
    launch: Callable[[Callable[[], Awaitable[object]]], object]
    _of: dict[Child, Recovery] = attrs.field(factory=dict[Child, Recovery], init=False)

    def __contains__(self, child: Child) -> bool:
        return child in self._of

    def bring_up(self, group: Iterable[Child], due: float) -> None:
        """Have the group stopped, where it still plays, and started from `due` on."""
        members = tuple(group)
        recovery = self._joint(members)
        for child in members:
            child.is_recalled = child.is_playing
            recovery.take_in(child, due)
            self._of[child] = recovery
        recovery.revise()

    def join(self, child: Child, needs: Iterable[Child]) -> None:
        """Have a child started behind those it needs, which are waiting to be started themselves."""
        recovery = self._joint(tuple(needs))
        recovery.take_in(child, -math.inf)
        self._of[child] = recovery
        recovery.revise()

    def hasten(self, child: Child) -> None:
        """Let a waiting child wait no longer, but for its predecessors."""
        self._of[child].hasten(child)

    def hold(self, child: Child) -> None:
        """Hold the mailbox of a child that is down now."""
        self._of[child].hold(child)

    def leave(self, child: Child) -> None:
        """Take a child out, if it is in one: it is up, or is not to come up any more."""
        if (recovery := self._of.pop(child, None)) is not None:
            recovery.leave(child)

    def withdraw(self, child: Child) -> None:
        """Take a child out for which its recovery may be waiting."""
        recovery = self._of[child]
        self.leave(child)
        recovery.revise()

    def _joint(self, group: Iterable[Child]) -> Recovery:
        """Return the recovery that has any of the group, made one if there are several; a new one if there is none."""
        under_way = list(dict.fromkeys(self._of[child] for child in group if child in self._of))
        if not under_way:
            recovery = self.make()
            self.launch(recovery.run)
            return recovery
        recovery, *others = under_way
        for other in others:
            for member in other.members:
                self._of[member] = recovery
            recovery.absorb(other)
        return recovery
