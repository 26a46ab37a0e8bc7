"""Reservations that were handed across a border, and how long they are waited for."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict

import attrs

from actors.policies.ledger.records import ReservationId
from actors.policies.scope import Scope
from actors.policies.usage import Usage

DEFAULT_PATIENCE = 300.0
"""Seconds: longer than nearly every answer takes, short enough that a lost process does not hold a limit for long."""

# Of those that were given up so many are remembered, for a report that comes after all. One that is forgotten is told
# that it is settled.
_REMEMBERED = 10_000


@attrs.define(eq=False)
class Orphans:
    """A lost-property office: what nobody has asked for in time is written off, and remembered for a while.

    Args:
        patience: seconds from the handing over until a reservation is given up.

    Attributes:
        given_up: how many were, ever.
    """

    patience: float
    given_up: int = attrs.field(default=0, init=False)
    _watched: dict[ReservationId, float] = attrs.field(factory=dict[ReservationId, float], init=False)
    _ends: list[tuple[float, ReservationId]] = attrs.field(
        factory=list[tuple[float, ReservationId]], init=False
    )
    _remembered: OrderedDict[ReservationId, tuple[Usage, tuple[Scope, ...]]] = attrs.field(
        factory=OrderedDict[ReservationId, tuple[Usage, tuple[Scope, ...]]], init=False
    )

    @property
    def next_end(self) -> float:
        """The first instant at which one is to be given up; infinity when none is watched."""
        return self._ends[0][0] if self._ends else math.inf

    def watch(self, reservation_id: ReservationId, now: float) -> None:
        """Give it `patience` seconds from now, unless it is watched already."""
        if reservation_id not in self._watched:
            end = now + self.patience
            self._watched[reservation_id] = end
            heapq.heappush(self._ends, (end, reservation_id))

    def forget(self, reservation_id: ReservationId) -> None:
        """Stop watching one that was settled."""
        if self._watched.pop(reservation_id, None) is not None:
            self._drop_settled()

    @property
    def first(self) -> ReservationId:
        """The one that is to be given up first; there must be one."""
        return self._ends[0][1]

    def give_up(self, reservation_id: ReservationId, charged: Usage, scopes: tuple[Scope, ...]) -> None:
        """Remember what one was charged that nobody reported."""
        self.given_up += 1
        self._remembered[reservation_id] = (charged, scopes)
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def given_up_as(self, reservation_id: ReservationId) -> tuple[Usage, tuple[Scope, ...]] | None:
        """What one was charged when it was given up, and where; None for any other, and once it is forgotten."""
        return self._remembered.get(reservation_id)

    def forget_given_up(self, reservation_id: ReservationId) -> None:
        """Note that one that was given up was heard of after all."""
        del self._remembered[reservation_id]

    def _drop_settled(self) -> None:
        # The top of the heap is always one that is watched, so the first end is looked at and not searched.
        while self._ends and self._ends[0][1] not in self._watched:
            heapq.heappop(self._ends)
        if len(self._ends) > 2 * len(self._watched) + 64:
            self._ends = [entry for entry in self._ends if entry[1] in self._watched]
            heapq.heapify(self._ends)
