"""What a failover group tells of itself when it is asked."""

from __future__ import annotations

import attrs

from supervisors.failover.policy import Standing


@attrs.frozen
class MemberStatistics:
    """A snapshot of one member: its id, what the group thinks of it, and the number of its incarnation."""

    id: str
    standing: Standing
    incarnation: int


@attrs.frozen
class FailoverStatistics:
    """A snapshot of a failover group.

    Args:
        active: id of the active member.
        members: all of them, the best first.
        promotions: how often a member was promoted because the active one was down.
        fail_backs: how often the role went back to a better member.
        moved: messages that moved from one member to another, over all changes.
    """

    active: str
    members: tuple[MemberStatistics, ...]
    promotions: int
    fail_backs: int
    moved: int
