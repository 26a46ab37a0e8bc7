"""Who waits, and beside whom: requests that nothing can tell apart but their arrival stand in one lane."""

from __future__ import annotations

import attrs

from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.queue.fairness import Flow
from actors.policies.queue.ranking import Ranking
from actors.policies.queue.records import Order, Ticket
from actors.policies.scope import Scope

Key = tuple[float, int, float, int, int]
"""Whose turn is first: priority, class and start tag of the flow, then order and ticket of the request."""

LaneName = tuple[float, str, tuple[Scope, ...], bool]
"""Priority, tenant, scopes beside the pool, and whether its requests come back."""

PROMOTED = Flow((float("-inf"), 0))
"""The flow of lanes that were overtaken often enough: before everybody, by arrival."""


@attrs.define(eq=False)
class Waiting:
    """A request in line. Instants on the Trio clock.

    Attributes:
        ticket: its number.
        claim: what is asked for, by whom, how urgently.
        booking: how that stands in the books.
        since: when it was asked for.
        deadline: until when the asker waits.
        order: the ticket of the first attempt of the same call.
        is_returning: whether an earlier attempt of the same call was granted.
        lane: where it stands; set as it joins.
    """

    ticket: Ticket
    claim: Claim
    booking: Booking
    since: float
    deadline: float
    order: Order
    is_returning: bool
    lane: Lane = attrs.field(init=False)

    @property
    def lane_name(self) -> LaneName:
        """The lane it belongs in."""
        return (self.claim.priority, self.claim.tenant, self.claim.scopes, self.is_returning)


@attrs.define(eq=False)
class Lane:
    """Requests of one priority, one tenant and the same scopes, first come first served: only the head is weighed.

    Attributes:
        name: what its requests have in common.
        scopes: all they fall under, the pool first.
        own_flow: the flow it belongs to.
        patience: how many grants to others it can still bear.
        moves: how often its head has moved from the line of one scope to that of another.
        is_promoted: whether its head goes before everybody.
        gates: the scopes in whose lines it stands: one, or, with a head that moved too often, several.
    """

    name: LaneName
    scopes: tuple[Scope, ...]
    own_flow: Flow
    patience: int
    moves: int = attrs.field(default=0, init=False)
    is_promoted: bool = attrs.field(default=False, init=False)
    gates: list[Scope] = attrs.field(factory=list[Scope], init=False)
    _waiting: Ranking[Waiting, tuple[Order, Ticket]] = attrs.field(
        factory=Ranking[Waiting, tuple[Order, Ticket]], init=False
    )

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def head(self) -> Waiting:
        """Who is next. A lane without anybody is no lane.

        Raises:
            IndexError: nobody is left.
        """
        return self._waiting.head

    @property
    def flow(self) -> Flow:
        """By which flow its head is ordered."""
        return PROMOTED if self.is_promoted else self.own_flow

    @property
    def key(self) -> Key:
        """Whose turn is first, compared with the heads of other lanes."""
        flow, head = self.flow, self.head
        return (*flow.rank, flow.start, head.order, head.ticket)

    def join(self, waiting: Waiting) -> bool:
        """Let somebody stand in the lane; return whether that is its head now."""
        self._waiting.put(waiting, (waiting.order, waiting.ticket))
        waiting.lane = self
        return self._waiting.first is waiting

    def leave(self, waiting: Waiting) -> bool:
        """Let somebody step out; return whether that was its head."""
        was_head = self._waiting.first is waiting
        self._waiting.drop(waiting)
        return was_head

    def start_over(self) -> None:
        """Forget what the head that has left went through."""
        self.moves, self.is_promoted = 0, False
