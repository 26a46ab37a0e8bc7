"""The line in front of one scope: the lanes that wait for room there, and which of them goes first."""

from __future__ import annotations

import attrs

from actors.policies.queue.fairness import Flow
from actors.policies.queue.lanes import PROMOTED, Key, Lane
from actors.policies.queue.ranking import Ranking
from actors.policies.queue.records import Order
from actors.policies.scope import Scope


@attrs.define(eq=False)
class WaitingLine:
    """Lanes in the order of their turns, and one that leads.

    It is like the queue at one counter of several: whoever needs two counters stands at the one that is busier. The
    leader is chosen when the line is looked at, and leads until it goes, or one with an earlier turn comes: that
    the turn of its tenant moves on elsewhere does not shift it. So who waits behind a leader waits for that leader,
    and nobody in the line has to be looked at before it goes.

    **Overtaking.** A grant in this scope to a request that came later than somebody here is an overtaking, and
    counts for every flow in the line but its own. A flow that has borne `max_overtakes` in a row has its first lane
    promoted.

    Everything costs O(log n) of the lanes.

    Args:
        scope: where it stands.
        max_overtakes: how many grants in a row may overtake a flow.
    """

    scope: Scope
    max_overtakes: int
    overtakes: int = attrs.field(default=0, init=False)
    _leader: Lane | None = attrs.field(default=None, init=False)
    _leader_key: Key | None = attrs.field(default=None, init=False)
    _flows: Ranking[Flow, Key] = attrs.field(factory=Ranking[Flow, Key], init=False)
    _lanes: dict[Flow, Ranking[Lane, tuple[int, int]]] = attrs.field(
        factory=dict[Flow, Ranking[Lane, tuple[int, int]]], init=False
    )
    _ages: Ranking[Lane, int] = attrs.field(factory=Ranking[Lane, int], init=False)
    _patience: Ranking[Flow, int] = attrs.field(factory=Ranking[Flow, int], init=False)

    def __len__(self) -> int:
        return len(self._ages)

    @property
    def leader(self) -> Lane:
        """Whose turn it is here. A line without anybody is no line.

        Raises:
            IndexError: nobody is left.
        """
        return self._lead()[0]

    @property
    def leader_key(self) -> Key:
        """The turn of the leader as it was chosen."""
        return self._lead()[1]

    def enter(self, lane: Lane) -> bool:
        """Let a lane stand here, with its present turn; return whether it takes the lead from another."""
        key, flow, head = lane.key, lane.flow, lane.head
        lanes = self._lanes.get(flow)
        if lanes is None:
            lanes = self._lanes[flow] = Ranking[Lane, tuple[int, int]]()
        lanes.put(lane, (head.order, head.ticket))
        self._ages.put(lane, head.order)
        earliest = self._flows.rank(flow)
        if earliest is None or key < earliest:
            self._flows.put(flow, key)
        if flow is not PROMOTED:
            due, known = self.overtakes + lane.patience, self._patience.rank(flow)
            self._patience.put(flow, due if known is None else min(due, known))
        if self._leader is None or self._leader_key is None or self._leader_key < key:
            return False
        self._leader, self._leader_key = lane, key
        return True

    def exit(self, lane: Lane) -> bool:
        """Let a lane go, which takes its patience along; return whether it was the leader."""
        flow = lane.flow
        due = self._patience.rank(flow)
        if due is not None:
            lane.patience = max(0, due - self.overtakes)
        lanes = self._lanes[flow]
        lanes.drop(lane)
        self._ages.drop(lane)
        if not lanes:
            del self._lanes[flow]
            self._flows.drop(flow)
            self._patience.drop(flow)
        if self._leader is not lane:
            return False
        self._leader = self._leader_key = None
        return True

    def note_grant(self, order: Order, own_flow: Flow | None) -> list[Lane]:
        """Count a grant in this scope, wherever it stood; return the lanes that were overtaken too often."""
        oldest = self._ages.best
        is_overtaking = oldest is not None and oldest < order
        if is_overtaking:
            self.overtakes += 1
        if own_flow is not None and own_flow in self._patience:
            self._patience.put(own_flow, self.overtakes + self.max_overtakes)
        if not is_overtaking:
            return []
        impatient: list[Lane] = []
        for flow in self._patience.take_up_to(self.overtakes):
            impatient.append(self._lanes[flow].head)
            self._patience.put(flow, self.overtakes + self.max_overtakes)
        return impatient

    def _lead(self) -> tuple[Lane, Key]:
        if self._leader is not None and self._leader_key is not None:
            return self._leader, self._leader_key
        while True:
            flow = self._flows.head
            lane = self._lanes[flow].head
            key = lane.key
            # Turns of flows only move back while they are not looked at: the first whose turn is as known is the
            # first.
            if self._flows.rank(flow) == key:
                self._leader, self._leader_key = lane, key
                return lane, key
            self._flows.put(flow, key)
