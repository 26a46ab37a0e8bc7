"""The line in front of an admission queue: first come, first served, and everybody may leave at any time."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterator

import attrs

from actors.policies.admission_records import Ticket
from actors.policies.usage import Usage

# Deadlines of tickets that are gone stay in the heap until they are half of it; this many do not matter.
_STALE_DEADLINES = 64


@attrs.frozen
class Waiting:
    """Somebody in line: what is asked for, since when, and until when. Instants on the Trio clock."""

    ticket: Ticket
    usage: Usage
    since: float
    deadline: float


@attrs.define(eq=False)
class WaitingLine:
    """Those who wait, in the order they came, with their deadlines in a heap beside.

    It knows nothing of capacity. Joining and leaving anywhere costs O(1) for the line and O(log n) for the
    heap, spread over all. A ticket that leaves the middle leaves its deadline in the heap; the top of the
    heap is always somebody who waits, so the first deadline is looked at and not searched.
    """

    _line: OrderedDict[Ticket, Waiting] = attrs.field(factory=OrderedDict[Ticket, Waiting], init=False)
    _deadlines: list[tuple[float, Ticket]] = attrs.field(factory=list[tuple[float, Ticket]], init=False)

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._line.values())

    @property
    def head(self) -> Waiting | None:
        """Who is next, or None when nobody waits."""
        return next(iter(self._line.values()), None)

    @property
    def first_deadline(self) -> float:
        """The first of all deadlines; infinity when there is none."""
        return self._deadlines[0][0] if self._deadlines else math.inf

    def join(self, waiting: Waiting) -> int:
        """Stand at the end; the position is 1 for the head."""
        self._line[waiting.ticket] = waiting
        if waiting.deadline < math.inf:
            heapq.heappush(self._deadlines, (waiting.deadline, waiting.ticket))
        return len(self._line)

    def leave(self, ticket: Ticket) -> Waiting | None:
        """Step out, from any place; None for a ticket that does not wait."""
        waiting = self._line.pop(ticket, None)
        if waiting is not None:
            self._drop_stale_deadlines()
        return waiting

    def leave_by(self, now: float) -> list[Waiting]:
        """Let step out, by deadline and then by arrival, all whose deadline is `now` or past."""
        due: list[Waiting] = []
        while self.first_deadline <= now:
            # The top of the heap always waits, so it is here to be taken.
            _, ticket = self._deadlines[0]
            due.append(self._line.pop(ticket))
            self._drop_stale_deadlines()
        return due

    def find(self, ticket: Ticket) -> Waiting | None:
        """Who waits by this ticket, or None."""
        return self._line.get(ticket)

    def _drop_stale_deadlines(self) -> None:
        while self._deadlines and self._deadlines[0][1] not in self._line:
            heapq.heappop(self._deadlines)
        if len(self._deadlines) > 2 * len(self._line) + _STALE_DEADLINES:
            self._deadlines = [entry for entry in self._deadlines if entry[1] in self._line]
            heapq.heapify(self._deadlines)
