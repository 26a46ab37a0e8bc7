"""Tell an observer what changes in a failover group."""

from __future__ import annotations

from typing import assert_never

import attrs

from supervisors.failover.events import (
    FailedBack,
    FailoverEvent,
    LastKept,
    MemberDown,
    MemberFit,
    MemberPromoted,
    OnFailoverEvent,
    ProbeFailed,
)
from supervisors.failover.policy import (
    Decision,
    Down,
    FailBack,
    FailoverPolicy,
    Fit,
    KeepLast,
    Promote,
    Proving,
    Standing,
    Stay,
)


@attrs.define(eq=False)
class FailoverReporter:
    """Compares what a group thinks of its members with what it told last, and tells the difference.

    Args:
        supervisor: the group's name.
        ids: the members' ids, the best first.
        policy: whose thoughts they are.
        on_event: who is told.
    """

    supervisor: str
    ids: tuple[str, ...]
    policy: FailoverPolicy
    on_event: OnFailoverEvent
    _told: tuple[Standing, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._told = self.policy.standings()

    def changed(self, decision: Decision, moved: int, at: float) -> None:
        """Tell what an event did to the members, and what was decided over it.

        Args:
            decision: what was decided.
            moved: how many messages moved with the role.
            at: the present instant.
        """
        before, self._told = self._told, self.policy.standings()
        events = [
            event
            for member, old, new in zip(self.ids, before, self._told, strict=True)
            if (event := self._change(member, old, new, at)) is not None
        ]
        match decision:
            case Promote(member, demoted):
                events.append(MemberPromoted(self.supervisor, self.ids[member], self.ids[demoted], moved, at))
            case FailBack(member, demoted):
                events.append(FailedBack(self.supervisor, self.ids[member], self.ids[demoted], moved, at))
            case KeepLast():
                if not isinstance(before[self.policy.active], Down):
                    events.append(LastKept(self.supervisor, self.ids[self.policy.active], at))
            case Stay():
                pass
            case _:
                assert_never(decision)
        for event in events:
            self.on_event(event)

    def _change(self, member: str, old: Standing, new: Standing, at: float) -> FailoverEvent | None:
        match old, new:
            case Down(), Down():
                return None
            case _, Down(cause):
                return MemberDown(self.supervisor, member, cause, at)
            case Proving(), Fit():
                return MemberFit(self.supervisor, member, at)
            case _:
                return None

    def probe_failed(self, rank: int, error: Exception, at: float) -> None:
        """Tell that a member has not answered a probe as it should."""
        self.on_event(ProbeFailed(self.supervisor, self.ids[rank], type(error).__name__, at))
