"""Who waits where: lanes, the lines they stand in, deadlines, and which line is to be looked at next.

Where a lane stands. Every lane stands in the line of one of its scopes, its gate, and is in nobody's way in any
other: who waits for the room of a full key does not hold up other keys of the same pool.

    its head is short in a scope (the longest there)          that scope
    one with an earlier turn leads the line of a scope        that scope: nobody passes those who wait
    its head moved from line to line `max_overtakes` times    all it came by, before everybody: two scopes that are
                                                              never free at the same time could shut it out for ever

What wakes a line. Its leader is weighed again when something came back in its scope, when the instant has come from
which there is room, or when it has a new leader. Of several such lines the one with the earliest turn comes first, so
that a gate that lets one through at a time lets the right one through.

What cannot happen: a grant in a scope in whose line one with an earlier turn stands; a line whose leader has room and
that nothing wakes; a lane that stands nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from actors.policies.admission_records import Order, Ticket
from actors.policies.fairness import FairShares, Flow
from actors.policies.lanes import Key, Lane, LaneName, Waiting
from actors.policies.meter import Unknown
from actors.policies.ranking import Ranking
from actors.policies.scope import POOL, Scope
from actors.policies.standing import Spot, Standing
from actors.policies.usage import Usage
from actors.policies.waiting_line import WaitingLine


@attrs.define(eq=False)
class WaitingRoom:
    """All who wait, in lanes, in lines. It knows nothing of capacity: its owner weighs and tells it what came of it.

    Args:
        weights: shares of the tenants.
        max_overtakes: how many grants in a row may overtake a flow at a scope, and how often a head may move.
    """

    weights: Mapping[str, float]
    max_overtakes: int
    _waiting: dict[Ticket, Waiting] = attrs.field(factory=dict[Ticket, Waiting], init=False)
    _deadlines: Ranking[Waiting, float] = attrs.field(factory=Ranking[Waiting, float], init=False)
    _arrivals: Ranking[Waiting, float] = attrs.field(factory=Ranking[Waiting, float], init=False)
    _lanes: dict[LaneName, Lane] = attrs.field(factory=dict[LaneName, Lane], init=False)
    _lines: dict[Scope, WaitingLine] = attrs.field(factory=dict[Scope, WaitingLine], init=False)
    _awake: Ranking[Scope, Key] = attrs.field(factory=Ranking[Scope, Key], init=False)
    _turns: Ranking[Scope, float] = attrs.field(factory=Ranking[Scope, float], init=False)
    _standings: dict[Scope, Standing] = attrs.field(factory=dict[Scope, Standing], init=False)
    _shares: FairShares = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shares = FairShares(self.weights)

    def __len__(self) -> int:
        return len(self._waiting)

    # ── who comes ───────────────────────────────────────────────────────────────────────────────────────────

    def is_waited_at(self, scopes: tuple[Scope, ...]) -> bool:
        """Return whether anybody stands in the line of one of `scopes`."""
        lines = self._lines
        return bool(lines) and any(scope in lines for scope in scopes)

    def obstacle(self, waiting: Waiting) -> Scope | None:
        """Return the first scope at which one who comes now has to stand behind somebody, or None."""
        claim = waiting.claim
        tag = self._shares.tag(claim.priority, claim.tenant, is_returning=waiting.is_returning)
        return self._gate_before((*tag, waiting.order, waiting.ticket), claim.all_scopes, None)

    def join(self, waiting: Waiting, gate: Scope, at: float | Unknown | None) -> int:
        """Let somebody stand in line.

        Args:
            waiting: who.
            gate: the scope in which it is short, or has to stand behind somebody, or that is as good as any.
            at: the instant from which there is room for it in that scope; None if it was not weighed.

        Returns:
            Its position, 1 for who goes first.
        """
        claim = waiting.claim
        self._waiting[waiting.ticket] = waiting
        if waiting.deadline < math.inf:
            self._deadlines.put(waiting, waiting.deadline)
        self._arrivals.put(waiting, waiting.since)
        flow = self._shares.join(claim.priority, claim.tenant, is_returning=waiting.is_returning)
        lane = self._lanes.get(waiting.lane_name)
        if lane is None:
            lane = self._lanes[waiting.lane_name] = Lane(
                waiting.lane_name, claim.all_scopes, flow, self.max_overtakes
            )
        if lane.join(waiting):
            self._unfile(lane)
            lane.start_over()
            self._file(lane, gate)
            self._expect(lane, gate, at)
        spot = _spot(waiting)
        for scope in lane.scopes:
            standing = self._standings.get(scope)
            if standing is None:
                standing = self._standings[scope] = Standing()
            standing.add(spot, waiting.booking.held)
        return self._standings[POOL].count_before(spot) + 1

    # ── who goes ────────────────────────────────────────────────────────────────────────────────────────────

    def find(self, ticket: Ticket) -> Waiting | None:
        """Return who waits by this ticket, or None."""
        return self._waiting.get(ticket)

    def leave(self, waiting: Waiting) -> None:
        """Let somebody go from any place; those behind have to be weighed."""
        lane = waiting.lane
        del self._waiting[waiting.ticket]
        self._deadlines.drop(waiting)
        self._arrivals.drop(waiting)
        if lane.leave(waiting):
            gate = lane.gates[-1]
            self._unfile(lane)
            lane.start_over()
            if len(lane):
                self._file(lane, gate)
                self._expect(lane, gate, None)
            else:
                del self._lanes[lane.name]
        self._shares.leave(lane.own_flow)
        for scope in lane.scopes:
            standing = self._standings[scope]
            standing.remove(_spot(waiting))
            if not standing:
                del self._standings[scope]

    def leave_by(self, now: float) -> list[Waiting]:
        """Let go, by deadline and then by arrival, all whose deadline is `now` or past."""
        due = self._deadlines.take_up_to(now)
        for waiting in due:
            self.leave(waiting)
        return due

    def grant(self, waiting: Waiting, cost: float) -> None:
        """Let somebody go who was granted what it asked for."""
        lane = waiting.lane
        if not waiting.is_returning:
            priority, tenant = waiting.claim.priority, waiting.claim.tenant
            self._shares.charge(priority, tenant, cost, in_turn=not lane.is_promoted)
        self._note_grant(lane.scopes, waiting.order, lane.own_flow)
        lane.patience = self.max_overtakes
        self.leave(waiting)

    def pass_by(self, waiting: Waiting, cost: float) -> None:
        """Count somebody who was granted what it asked for as it came, with others in line."""
        claim, is_returning = waiting.claim, waiting.is_returning
        if not is_returning:
            self._shares.charge(claim.priority, claim.tenant, cost)
        own_flow = self._shares.find(claim.priority, claim.tenant, is_returning=is_returning)
        self._note_grant(claim.all_scopes, waiting.order, own_flow)

    # ── whom to weigh ───────────────────────────────────────────────────────────────────────────────────────

    def wake(self, scope: Scope) -> None:
        """Let the line of a scope be looked at: something has changed there."""
        if scope in self._lines:
            self._wake(scope)

    def wake_line_of(self, waiting: Waiting) -> None:
        """Let somebody who leads a line be weighed once more."""
        self._wake(waiting.lane.gates[-1])

    def wake_due(self, now: float) -> None:
        """Let all lines be looked at whose instant has come."""
        for scope in self._turns.take_up_to(now):
            self._wake(scope)

    def next_to_weigh(self) -> Lane | None:
        """Return the lane with the earliest turn of those that lead a line that is awake, or None.

        What comes of it has to be told: `grant`, `leave`, `expect`, or `wake_line_of` to leave it for later.
        """
        while (scope := self._awake.first) is not None:
            line = self._lines[scope]
            lane, key = line.leader, line.leader_key
            self._awake.drop(scope)
            gate = self._gate_before(key, lane.scopes, lane)
            if gate is None:
                return lane
            self._move(lane, gate)
        return None

    def expect(self, lane: Lane, gate: Scope, at: float | Unknown) -> None:
        """Note that the head of a lane is short in a scope until an instant."""
        if gate not in lane.gates:
            self._move(lane, gate)
        self._expect(lane, gate, at)

    @property
    def next_turn(self) -> tuple[Scope, float] | None:
        """The first instant at which a leader may find room, and where; None if no clock can tell."""
        scope, at = self._turns.first, self._turns.best
        return None if scope is None or at is None else (scope, at)

    def turn_at(self, scope: Scope) -> float | None:
        """Return the instant at which the leader of a line may find room; None if no clock can tell."""
        return self._turns.rank(scope)

    # ── what can be seen ────────────────────────────────────────────────────────────────────────────────────

    @property
    def first_deadline(self) -> float:
        """The first of all deadlines; infinity when there is none."""
        best = self._deadlines.best
        return math.inf if best is None else best

    def oldest_wait(self, now: float) -> float:
        """Return for how many seconds the one who has waited longest has waited; 0 when nobody waits."""
        since = self._arrivals.best
        return 0.0 if since is None else now - since

    def position(self, waiting: Waiting) -> int:
        """Return how many go before somebody, itself included."""
        return self._standings[POOL].count_before(_spot(waiting)) + 1

    def held_before(self, waiting: Waiting, scope: Scope) -> Usage:
        """Return what those will hold in a scope who go before somebody."""
        return self._standings[scope].sum_before(_spot(waiting))

    # ── lines ───────────────────────────────────────────────────────────────────────────────────────────────

    def _gate_before(self, key: Key, scopes: tuple[Scope, ...], lane: Lane | None) -> Scope | None:
        for scope in scopes:
            line = self._lines.get(scope)
            if line is not None and line.leader is not lane and line.leader_key < key:
                return scope
        return None

    def _file(self, lane: Lane, gate: Scope) -> None:
        if not lane.is_promoted:
            self._shares.catch_up(lane.own_flow)
        line = self._lines.get(gate)
        if line is None:
            line = self._lines[gate] = WaitingLine(gate, self.max_overtakes)
        if line.enter(lane):
            self._turns.drop(gate)
        if gate in self._awake:
            self._awake.put(gate, line.leader_key)
        lane.gates.append(gate)

    def _unfile(self, lane: Lane) -> None:
        for gate in lane.gates:
            line = self._lines[gate]
            was_leader = line.exit(lane)
            if not len(line):
                del self._lines[gate]
                self._awake.drop(gate)
            if was_leader:
                self._turns.drop(gate)
                self.wake(gate)
        lane.gates.clear()

    def _move(self, lane: Lane, gate: Scope) -> None:
        lane.moves += 1
        if lane.moves <= self.max_overtakes:
            self._unfile(lane)
        else:
            if not lane.is_promoted:
                self._promote(lane)
            for other in lane.gates:
                # It is room elsewhere that the lane waits for now.
                if self._lines[other].leader is lane:
                    self._turns.drop(other)
        if gate not in lane.gates:
            self._file(lane, gate)

    def _promote(self, lane: Lane) -> None:
        gates = tuple(lane.gates)
        self._unfile(lane)
        lane.is_promoted = True
        for gate in gates:
            self._file(lane, gate)
            self._wake(gate)

    def _note_grant(self, scopes: tuple[Scope, ...], order: Order, own_flow: Flow | None) -> None:
        for scope in scopes:
            line = self._lines.get(scope)
            if line is not None:
                for impatient in line.note_grant(order, own_flow):
                    self._promote(impatient)

    def _wake(self, scope: Scope) -> None:
        self._turns.drop(scope)
        self._awake.put(scope, self._lines[scope].leader_key)

    def _expect(self, lane: Lane, gate: Scope, at: float | Unknown | None) -> None:
        """Note from when on there may be room for a lane, if it leads the line there; None if it was not weighed."""
        if self._lines[gate].leader is not lane:
            return
        if at is None:
            self._wake(gate)
        elif isinstance(at, Unknown):
            self._turns.drop(gate)
        else:
            self._turns.put(gate, at)


def _spot(waiting: Waiting) -> Spot:
    return (*waiting.lane.own_flow.rank, waiting.order, waiting.ticket)
