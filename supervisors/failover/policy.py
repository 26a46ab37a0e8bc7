r"""Who is active in a failover group, and when that changes: pure decisions.

Theory of operation. The members stand in an order, the best first, and one of them is *active*: it has the role, and
with it every message. What the group thinks of a member is its *standing*:

    awaited   its first start is under way
    fit       it serves and is trusted
    suspect   it is active and between two incarnations, within its budget: it keeps its role, messages wait
    down      it is not to be used: it does not serve, or says itself that it is unwell, or has not answered a probe
    proving   it was down and has been well without interruption since an instant

    awaited --serves--> fit --crashes, active--> suspect --serves--> fit
                         \                          \
                          \--crashes, standby; budget spent; unwell; probe failed--> down
    down --serves and is well, without probes; probe succeeded--> proving --well for `healthy_for`--> fit
    proving --whatever goes wrong--> down

After each event the role is settled by three rules, in this order:

    1. If the active member is down, the best fit one is promoted; if none is fit, the best of those that are proving.
    2. If there is neither, the active one keeps the role: the last one is never taken out.
    3. If a better member than the active one is fit, the role goes back to it. It can only be fit again after it has
       been proving for `healthy_for`, so a member that limps does not draw the role back and forth.

So there is always exactly one active member; it is down only while no other is any better; and no fit member is better
than it. A member that is down hears probes as soon as it serves; it is proving from the first one that succeeds. With
no probe to go by, serving and calling itself well is the proof, and time alone completes it. Where there are probes
the proof is complete at a probe that succeeds, not between two.

What cannot happen: a member that is up is not started, one that is not up reports nothing of itself. Such an event is
refused with a ValueError and changes nothing; the answer of a probe that comes too late is no event. Nothing here
reads a clock: `now` is given, in seconds, and members are named by their rank, from 0.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import attrs

Cause: TypeAlias = Literal["crashed", "budget spent", "not started", "declined", "unwell", "probe failed"]
"""Why a member is down."""


@attrs.frozen
class Awaited:
    """Its first start is under way."""


@attrs.frozen
class Fit:
    """It serves and is trusted: it may have the role."""


@attrs.frozen
class Suspect:
    """It is active and between two incarnations within its budget."""


@attrs.frozen
class Down:
    """It is not to be used while there is a better one, because of `cause`."""

    cause: Cause


@attrs.frozen
class Proving:
    """It has been well without interruption since the instant `since`."""

    since: float


Standing: TypeAlias = Awaited | Fit | Suspect | Down | Proving
"""What a group thinks of a member."""


@attrs.frozen
class Stay:
    """The active member is as good as any."""


@attrs.frozen
class KeepLast:
    """The active member is down, and keeps the role because no other is any better."""


@attrs.frozen
class Promote:
    """Give the role to `member`, for the active one is down.

    Args:
        member: rank of the new active member.
        demoted: rank of the old one.
    """

    member: int
    demoted: int


@attrs.frozen
class FailBack:
    """Give the role back to `member`, which has proved itself and is better than the active one.

    Args:
        member: rank of the new active member.
        demoted: rank of the old one.
    """

    member: int
    demoted: int


Decision: TypeAlias = Stay | KeepLast | Promote | FailBack


@attrs.define(eq=False)
class _Member:
    """What is known of one member: its standing, whether it serves, and what it says of itself."""

    standing: Standing = attrs.field(factory=Awaited)
    is_up: bool = False
    is_well: bool = True


@attrs.define(eq=False)
class FailoverPolicy:
    """Judges the members of one group, and gives the role of the active one to the one that is to have it.

    It is a casting director: it hears who is well, and says who goes on tonight. It does not ask anybody how they
    are, and moves no messages.

    Args:
        size: number of members, at least 1.
        healthy_for: seconds a member has to be well without interruption before it is fit again.
        is_probed: whether being well is proved by probes, or by serving alone.

    Raises:
        ValueError: `size` is below 1, or `healthy_for` is not a positive, finite number.
    """

    size: int
    healthy_for: float
    is_probed: bool
    active: int = attrs.field(default=0, init=False)
    _members: tuple[_Member, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a group has at least 1 member, got {self.size}")
        if not 0 < self.healthy_for < math.inf:
            raise ValueError(f"healthy_for must be > 0 and finite, got {self.healthy_for}")
        self._members = tuple(_Member() for _ in range(self.size))

    # what is known

    def standing(self, rank: int) -> Standing:
        """Return what the group thinks of a member."""
        return self._members[rank].standing

    def standings(self) -> tuple[Standing, ...]:
        """Return what the group thinks of all members, the best first."""
        return tuple(member.standing for member in self._members)

    def is_up(self, rank: int) -> bool:
        """Return whether a member serves."""
        return self._members[rank].is_up

    def is_under_test(self, rank: int) -> bool:
        """Return whether a member is to be probed: it serves, and is not trusted."""
        member = self._members[rank]
        return self.is_probed and member.is_up and isinstance(member.standing, Down | Proving)

    def next_deadline(self) -> float:
        """Return the instant at which time alone completes a proof, or infinity."""
        if self.is_probed:
            return math.inf
        proofs = (m.standing.since for m in self._members if isinstance(m.standing, Proving))
        return min(proofs, default=math.inf) + self.healthy_for

    # what happens to a member

    def serves(self, rank: int, now: float, *, is_well: bool = True) -> Decision:
        """Note that an incarnation serves, and whether it called itself well while it started."""
        member = self._members[rank]
        if member.is_up:
            raise ValueError(f"member {rank} serves already")
        member.is_up, member.is_well = True, is_well
        if not is_well:
            member.standing = Down("unwell")
        elif isinstance(member.standing, Awaited | Suspect):
            member.standing = Fit()
        else:
            self._begin_proof(member, now)
        return self._settle()

    def crashes(self, rank: int) -> Decision:
        """Note that an incarnation ended, or did not start, and that another one follows within the budget."""
        member = self._members[rank]
        member.is_up = False
        if rank == self.active and isinstance(member.standing, Fit | Suspect):
            member.standing = Suspect()
        elif not isinstance(member.standing, Down):
            member.standing = Down("crashed")
        return self._settle()

    def falls(self, rank: int, cause: Cause) -> Decision:
        """Note that an incarnation ended, or did not start, and that none follows within the budget."""
        member = self._members[rank]
        member.is_up = False
        member.standing = Down(cause)
        return self._settle()

    def feels(self, rank: int, now: float, *, is_well: bool) -> Decision:
        """Note that a member that serves says of itself that it is well, or that it is not."""
        member = self._members[rank]
        if not member.is_up:
            raise ValueError(f"member {rank} does not serve")
        was_well, member.is_well = member.is_well, is_well
        if not is_well:
            member.standing = Down("unwell")
        elif not was_well:
            self._begin_proof(member, now)
        return self._settle()

    def answers(self, rank: int, now: float) -> Decision:
        """Note that a member has answered a probe as it should."""
        member = self._members[rank]
        if member.is_up and member.is_well:
            match member.standing:
                case Down():
                    member.standing = Proving(now)
                case Proving(since) if self._is_complete(since, now):
                    member.standing = Fit()
                case _:
                    pass
        return self._settle()

    def fails_probe(self, rank: int) -> Decision:
        """Note that a member has not answered a probe, or not as it should."""
        member = self._members[rank]
        if member.is_up and member.is_well:
            member.standing = Down("probe failed")
        return self._settle()

    def advance(self, now: float) -> Decision:
        """Let time pass: without probes, who has been well for long enough is fit."""
        for member in () if self.is_probed else self._members:
            if isinstance(member.standing, Proving) and self._is_complete(member.standing.since, now):
                member.standing = Fit()
        return self._settle()

    # the rules

    def _begin_proof(self, member: _Member, now: float) -> None:
        if not self.is_probed:
            member.standing = Proving(now)

    def _is_complete(self, since: float, now: float) -> bool:
        return now >= since + self.healthy_for  # the sum that `next_deadline` names, to the last bit

    def _settle(self) -> Decision:
        best_fit = self._best(Fit)
        active = self._members[self.active]
        if isinstance(active.standing, Down):
            heir = self._best(Proving) if best_fit is None else best_fit
            return KeepLast() if heir is None else Promote(heir, self._hand_over_to(heir))
        if best_fit is not None and best_fit < self.active:
            return FailBack(best_fit, self._hand_over_to(best_fit))
        return Stay()

    def _best(self, standing: type[Fit | Proving]) -> int | None:
        return next(
            (r for r, member in enumerate(self._members) if isinstance(member.standing, standing)), None
        )

    def _hand_over_to(self, rank: int) -> int:
        """Make a member active, and return who was: one that was suspect had the role alone to save it."""
        demoted, self.active = self.active, rank
        if isinstance(self._members[demoted].standing, Suspect):
            self._members[demoted].standing = Down("crashed")
        return demoted
