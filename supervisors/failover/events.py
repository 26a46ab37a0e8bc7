"""What happens in a failover group beyond what happens to any child, as values. They hold no user data.

A member's starts, crashes and stops are told as those of any child: `supervisors.events`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from supervisors.events import LifecycleEvent
from supervisors.failover.policy import Cause


@attrs.frozen
class MemberDown:
    """A member is not to be used until it has proved itself.

    Args:
        supervisor: the group's name.
        member: the member's id.
        cause: "crashed" (a standby, within its budget), "budget spent", "not started", "declined" (not now), "unwell"
            (it says so itself) or "probe failed".
        at: instant on the Trio clock, seconds.
    """

    supervisor: str
    member: str
    cause: Cause
    at: float


@attrs.frozen
class ProbeFailed:
    """A member has not answered a probe, or not as it should. `error` is the name of the error's type."""

    supervisor: str
    member: str
    error: str
    at: float


@attrs.frozen
class MemberFit:
    """A member that was down has been well for long enough, and is trusted again."""

    supervisor: str
    member: str
    at: float


@attrs.frozen
class MemberPromoted:
    """A member is active in the place of `demoted`, which is down; `moved` messages that waited there came along."""

    supervisor: str
    member: str
    demoted: str
    moved: int
    at: float


@attrs.frozen
class FailedBack:
    """A better member is fit again and active in the place of `demoted`; `moved` messages that waited came along."""

    supervisor: str
    member: str
    demoted: str
    moved: int
    at: float


@attrs.frozen
class LastKept:
    """The active member is down, and stays active because no other is any better: its messages wait for it."""

    supervisor: str
    member: str
    at: float


FailoverEvent: TypeAlias = MemberDown | ProbeFailed | MemberFit | MemberPromoted | FailedBack | LastKept
"""Whatever a failover group tells of beyond the lifecycle of its members."""

OnFailoverEvent: TypeAlias = Callable[[FailoverEvent | LifecycleEvent], object]
