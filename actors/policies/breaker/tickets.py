"""The tickets of a breaker: which are out, which have come back, and which calls are under way for too long."""

from __future__ import annotations

import math
from collections import OrderedDict

import attrs

from actors.policies.breaker.outcome_window import Counted
from actors.policies.breaker.records import Ticket

FORGET_AFTER = 3600.0
"""Seconds after which a ticket is lost. Tickets come back with their calls, cancelled or not, so this one's holder has
crashed; it must not take room for ever."""


@attrs.define(eq=False)
class Tickets:
    """A cloakroom: a number for everything that is handed out, and nothing is given back twice.

    It balances at every instant: `given == settled + forgotten + out`.

    Attributes:
        given: tickets ever given.
        settled: tickets that came back.
        forgotten: tickets that did not, for an hour.
    """

    given: int = attrs.field(default=0, init=False)
    settled: int = attrs.field(default=0, init=False)
    forgotten: int = attrs.field(default=0, init=False)
    # Oldest first, and an ordered dict: after deletions in front, a plain one finds its first key slowly.
    _out: OrderedDict[int, Ticket] = attrs.field(factory=OrderedDict[int, Ticket], init=False)

    @property
    def out(self) -> int:
        """How many are out."""
        return len(self._out)

    def give(self, generation: int, now: float, *, is_probe: bool) -> Ticket:
        """Give a ticket."""
        self.given += 1
        ticket = Ticket(self.given, generation, is_probe, now)
        self._out[ticket.number] = ticket
        return ticket

    def take_back(self, ticket: Ticket) -> bool:
        """Return whether it was out; it is not any more.

        A ticket of somebody else's is not out, though a number of ours may be the same: a breaker that was made anew
        after a crash begins to count anew.
        """
        if self._out.get(ticket.number) != ticket:
            return False
        del self._out[ticket.number]
        self.settled += 1
        return True

    def forget_lost(self, now: float) -> list[Ticket]:
        """Write off those that have been out for `FORGET_AFTER` seconds, and return them."""
        lost: list[Ticket] = []
        while self._out:
            ticket = next(iter(self._out.values()))
            if now - ticket.admitted_at < FORGET_AFTER:
                break
            lost.append(self._out.popitem(last=False)[1])
        self.forgotten += len(lost)
        return lost


@attrs.define(eq=False)
class CallAges:
    """Calls under way in the order of their age: which becomes slow next, and which has.

    Args:
        slow_after: seconds after which a call is slow; None where nobody judges that.
    """

    slow_after: float | None
    _quick: OrderedDict[int, float] = attrs.field(factory=OrderedDict[int, float], init=False)
    _slow: dict[int, Counted] = attrs.field(factory=dict[int, Counted], init=False)

    @property
    def next_slow_at(self) -> float:
        """The first instant at which a call that is not slow yet will be; infinity where there is none."""
        return next(iter(self._quick.values())) if self._quick else math.inf

    def watch(self, ticket: Ticket) -> None:
        """Look at the call of a ticket from now on."""
        if self.slow_after is not None:
            self._quick[ticket.number] = ticket.admitted_at + self.slow_after

    def note_slow(self, counted: Counted) -> None:
        """Note that the oldest call that was not slow yet is, and as what it was counted."""
        number, _ = self._quick.popitem(last=False)
        self._slow[number] = counted

    def leave(self, ticket: Ticket) -> Counted | None:
        """Look at a call no more, and return as what it was counted if it had become slow."""
        self._quick.pop(ticket.number, None)
        return self._slow.pop(ticket.number, None)

    def clear(self) -> None:
        """Look at no call any more."""
        self._quick.clear()
        self._slow.clear()
