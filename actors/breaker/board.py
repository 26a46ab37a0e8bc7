"""The board of a fleet's breakers: it sees to it that they do not all open at once.

A breaker knows one endpoint. When all endpoints of a role fail together the cause is most often elsewhere, on our own
side or on the way, and opening every breaker would turn a bad minute into no service at all. So a breaker of a role
asks before it opens, and the board lets at most a share of the role be open at a time, but always one. It is the crew
list of a ship, on which at most half may be ashore: it does not say who is fit, only that somebody stays on board.

    a breaker trips    it asks by a message and goes on letting calls pass until the answer comes
      allowed            it opens; its place is taken from this moment on
      denied             it stays closed and asks again at its next failure
    it closes again    its place is free: whoever was denied gets it at its next failure, the one that fails first
    isolated by hand   nobody is asked; it takes a place all the same, since nobody passes there

Nobody waits for an answer here, neither the board nor a breaker, so no two of them can wait for each other. An answer
that is lost is asked for again.

**Over a crash.** Where its slot keeps state, nothing is lost. Otherwise it learns the roles anew as breakers change or
ask, and may let some more open meanwhile. A breaker whose actor has ended for good is struck off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from actors.kernel import Actor, Ref, op
from actors.policies.breaker.records import BREAKER_STATES, BreakerState

DEFAULT_SHARE = 0.5
"""Share of a role's endpoints that may be open at once. Half: what is left can be asked, and can be believed; a fleet
of which more than half is down is most often well itself. Envoy's default is a tenth, for fleets of hundreds."""

ROUNDING = 1e-9
"""What `share * count` may lack to a whole number only because of how floats are kept."""

OUT: Final[frozenset[BreakerState]] = frozenset({"open", "half_open", "isolated"})
"""States in which an endpoint takes no calls, or no more than trial calls."""

Answer = Callable[[bool], object]
"""Is told whether the breaker may open, in the board's own task: it must not wait, such as a `tell_regardless`."""


@attrs.frozen
class RoleSnapshot:
    """Where a role stands.

    Args:
        members: names of its endpoints, in the order in which they were first heard of.
        out: names of those that are open, half-open or isolated, or have just been allowed to open.
        may_be_out: how many may be at a time.
        allowed: openings allowed since the start.
        denied: openings denied since the start.
    """

    members: tuple[str, ...]
    out: tuple[str, ...]
    may_be_out: int
    allowed: int
    denied: int


@attrs.define(eq=False)
class _Member:
    """One endpoint of a role."""

    breaker: Ref[Any]
    is_out: bool = False


@attrs.define(eq=False)
class _Role:
    """The endpoints that can stand in for one another."""

    members: dict[str, _Member] = attrs.field(factory=dict[str, _Member])
    allowed: int = 0
    denied: int = 0

    @property
    def out(self) -> tuple[str, ...]:
        return tuple(name for name, member in self.members.items() if member.is_out)

    def may_be_out(self, share: float) -> int:
        return max(1, math.floor(share * len(self.members) + ROUNDING))


@attrs.frozen
class BoardState:
    """What an incarnation hands on: its roles, which the next one owns from then on."""

    roles: dict[str, _Role]


class BreakerBoard(Actor):
    """Lets at most `max(1, floor(share * n))` of the n endpoints of each role be open at once.

    A role of one may open: refusing at once is better than failing slowly, also where nobody can stand in.

    Args:
        share: of a role's endpoints, above 0, at most 1.

    Raises:
        TypeError: `share` is no number.
        ValueError: `share` is out of its bounds.
    """

    def __init__(self, share: float = DEFAULT_SHARE) -> None:
        self._share = check_share(share)
        self._roles: dict[str, _Role] = {}

    async def setup(self) -> None:
        """Watch over those that were handed on."""
        for role, known in self._roles.items():
            for name, member in known.members.items():
                self._watch_over(role, name, member.breaker)

    def hand_over(self) -> BoardState:
        """Hand on the roles."""
        return BoardState(self._roles)

    def take_over(self, state: object) -> None:
        """Go on with the roles of the last incarnation.

        Raises:
            TypeError: `state` is no `BoardState`.
        """
        if type(state) is not BoardState:
            raise TypeError(f"state must be a BoardState, got {type(state).__name__}")
        self._roles = state.roles

    @op(raises=(TypeError, ValueError), idempotent=True)
    def note(self, role: str, service: str, breaker: Ref[Any], state: BreakerState) -> None:
        """Take in where a breaker stands: when it starts, and at each change.

        Args:
            role: what its endpoint can stand in for.
            service: the breaker's name, which no other one of the role has.
            breaker: the breaker; it is struck off when it has ended for good.
            state: the state it is in.

        Raises:
            TypeError, ValueError: an argument is of the wrong kind, or there is no such state.
        """
        if state not in BREAKER_STATES:
            raise ValueError(f"state must be one of {', '.join(BREAKER_STATES)}, got {state!r}")
        self._member(role, service, breaker).is_out = state in OUT

    @op(raises=(TypeError, ValueError), idempotent=True)
    def may_open(self, role: str, service: str, breaker: Ref[Any], answer: Answer) -> bool:
        """Decide whether a breaker may open, and tell `answer`; one that is allowed counts as open from here on.

        Asking again changes nothing for one that is open or was allowed to. Whoever was allowed and does not open
        says so by `note`.

        Returns:
            What `answer` was told.

        Raises:
            TypeError, ValueError: an argument is of the wrong kind.
        """
        if not callable(answer):
            raise TypeError(f"answer must be callable, got {type(answer).__name__}")
        member, asked = self._member(role, service, breaker), self._roles[role]
        is_allowed = member.is_out or len(asked.out) < asked.may_be_out(self._share)
        if not is_allowed:
            asked.denied += 1
        elif not member.is_out:
            member.is_out = True
            asked.allowed += 1
        answer(is_allowed)
        return is_allowed

    @op(raises=(TypeError, ValueError), idempotent=True)
    def leave(self, role: str, service: str, breaker: Ref[Any]) -> None:
        """Strike a breaker off, unless another one goes by its name now.

        Raises:
            TypeError, ValueError: an argument is of the wrong kind.
        """
        _check_names(role, service)
        known = self._roles.get(role)
        if known is None or service not in known.members or known.members[service].breaker != breaker:
            return
        del known.members[service]

    @op(idempotent=True)
    def snapshot(self) -> Mapping[str, RoleSnapshot]:
        """Return where every role stands that was heard of."""
        return {
            name: RoleSnapshot(
                tuple(role.members), role.out, role.may_be_out(self._share), role.allowed, role.denied
            )
            for name, role in self._roles.items()
        }

    def _member(self, role: str, service: str, breaker: Ref[Any]) -> _Member:
        """Return the member of this name; one whose breaker is another one now begins anew."""
        _check_names(role, service)
        if not isinstance(breaker, Ref):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"breaker must be a Ref, got {type(breaker).__name__}")
        members = self._roles.setdefault(role, _Role()).members
        member = members.get(service)
        if member is None or member.breaker != breaker:
            member = members[service] = _Member(breaker)
            self._watch_over(role, service, breaker)
        return member

    def _watch_over(self, role: str, service: str, breaker: Ref[Any]) -> None:
        self.watch(breaker, lambda _down: BreakerBoard.leave(role, service, breaker))


def check_share(share: object) -> float:
    """Return the share of a role that may be open at once.

    Raises:
        TypeError: it is no number.
        ValueError: it is not above 0, or above 1.
    """
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise TypeError(f"share must be a number, got {type(share).__name__}")
    if not 0 < share <= 1:
        raise ValueError(f"share must be > 0 and <= 1, got {share}")
    return share


def _check_names(role: object, service: object) -> None:
    if not isinstance(role, str):
        raise TypeError(f"role must be text, got {type(role).__name__}")
    if not isinstance(service, str):
        raise TypeError(f"service must be text, got {type(service).__name__}")
    if not service:
        raise ValueError("service must not be empty")
