"""All who wait: their lanes, their deadlines, since when they wait, and where they stand."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from actors.policies.ledger.meter import Unknown
from actors.policies.queue.fairness import FairShares
from actors.policies.queue.lanes import Lane, LaneName, Waiting
from actors.policies.queue.ranking import Ranking
from actors.policies.queue.records import Ticket
from actors.policies.queue.standing import Spot, Standing
from actors.policies.queue.waiting_lines import WaitingLines
from actors.policies.scope import POOL, Scope
from actors.policies.usage import Usage


@attrs.define(eq=False)
class WaitingRoom:
    """A room full of people with tickets. It decides nothing; it knows where everybody is.

    Args:
        weights: shares of the tenants.
        max_overtakes: how many grants in a row may overtake a flow at a scope, and how often a head may move.

    Attributes:
        lines: where the lanes stand, and whom to weigh next.
    """

    weights: Mapping[str, float]
    max_overtakes: int
    lines: WaitingLines = attrs.field(init=False)
    _waiting: dict[Ticket, Waiting] = attrs.field(factory=dict[Ticket, Waiting], init=False)
    _deadlines: Ranking[Waiting, float] = attrs.field(factory=Ranking[Waiting, float], init=False)
    _arrivals: Ranking[Waiting, float] = attrs.field(factory=Ranking[Waiting, float], init=False)
    _lanes: dict[LaneName, Lane] = attrs.field(factory=dict[LaneName, Lane], init=False)
    _standings: dict[Scope, Standing] = attrs.field(factory=dict[Scope, Standing], init=False)
    _shares: FairShares = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shares = FairShares(self.weights)
        self.lines = WaitingLines(self._shares, self.max_overtakes)

    def __len__(self) -> int:
        return len(self._waiting)

    # ── who comes ───────────────────────────────────────────────────────────────────────────────────────────

    def obstacle(self, waiting: Waiting) -> Scope | None:
        """Return the first scope at which one who comes now has to stand behind somebody, or None."""
        claim = waiting.claim
        tag = self._shares.tag(claim.priority, claim.tenant, is_returning=waiting.is_returning)
        return self.lines.gate_before((*tag, waiting.order, waiting.ticket), claim.all_scopes, None)

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
            self.lines.unfile(lane)
            lane.start_over()
            self.lines.file(lane, gate)
            self.lines.set_turn(lane, gate, at)
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
            self.lines.unfile(lane)
            lane.start_over()
            if len(lane):
                self.lines.file(lane, gate)
                self.lines.set_turn(lane, gate, None)
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
        self.lines.note_grant(lane.scopes, waiting.order, lane.own_flow)
        lane.patience = self.max_overtakes
        self.leave(waiting)

    def pass_by(self, waiting: Waiting, cost: float) -> None:
        """Count somebody who was granted what it asked for as it came, with others in line."""
        claim, is_returning = waiting.claim, waiting.is_returning
        if not is_returning:
            self._shares.charge(claim.priority, claim.tenant, cost)
        own_flow = self._shares.find(claim.priority, claim.tenant, is_returning=is_returning)
        self.lines.note_grant(claim.all_scopes, waiting.order, own_flow)

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


def _spot(waiting: Waiting) -> Spot:
    return (*waiting.lane.own_flow.rank, waiting.order, waiting.ticket)
