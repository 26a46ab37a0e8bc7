"""In whose line a lane stands, what wakes a line, and which lane is to be weighed next.

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

import attrs

from actors.policies.ledger.meter import Unknown
from actors.policies.queue.fairness import FairShares, Flow
from actors.policies.queue.lanes import Key, Lane, Waiting
from actors.policies.queue.ranking import Ranking
from actors.policies.queue.records import Order
from actors.policies.queue.waiting_line import WaitingLine
from actors.policies.scope import Scope


@attrs.define(eq=False)
class WaitingLines:
    """The lines of all scopes at which anybody waits.

    It knows nothing of capacity: its owner weighs whom it names, and tells it what came of it. Everything costs
    O(log n).

    Args:
        shares: knows whose turn it is among tenants.
        max_overtakes: how many grants in a row may overtake a flow at a scope, and how often a head may move.
    """

    shares: FairShares
    max_overtakes: int
    _lines: dict[Scope, WaitingLine] = attrs.field(factory=dict[Scope, WaitingLine], init=False)
    _awake: Ranking[Scope, Key] = attrs.field(factory=Ranking[Scope, Key], init=False)
    _turns: Ranking[Scope, float] = attrs.field(factory=Ranking[Scope, float], init=False)

    def is_waited_at(self, scopes: tuple[Scope, ...]) -> bool:
        """Return whether anybody stands in the line of one of `scopes`."""
        lines = self._lines
        return bool(lines) and any(scope in lines for scope in scopes)

    def gate_before(self, key: Key, scopes: tuple[Scope, ...], lane: Lane | None) -> Scope | None:
        """Return the first of `scopes` that another lane than `lane` leads, with a turn before `key`, or None."""
        for scope in scopes:
            line = self._lines.get(scope)
            if line is not None and line.leader is not lane and line.leader_key < key:
                return scope
        return None

    # ── where lanes stand ───────────────────────────────────────────────────────────────────────────────────

    def file(self, lane: Lane, gate: Scope) -> None:
        """Let a lane stand in the line of a scope, too."""
        if not lane.is_promoted:
            self.shares.catch_up(lane.own_flow)
        line = self._lines.get(gate)
        if line is None:
            line = self._lines[gate] = WaitingLine(gate, self.max_overtakes)
        if line.enter(lane):
            self._turns.drop(gate)
        if gate in self._awake:
            self._awake.put(gate, line.leader_key)
        lane.gates.append(gate)

    def unfile(self, lane: Lane) -> None:
        """Let a lane leave all lines; those that it led are awake."""
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

    def note_grant(self, scopes: tuple[Scope, ...], order: Order, own_flow: Flow | None) -> None:
        """Count a grant for those whom it overtakes."""
        for scope in scopes:
            line = self._lines.get(scope)
            if line is not None:
                for impatient in line.note_grant(order, own_flow):
                    self._promote(impatient)

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

        What comes of it has to be told: it is granted, it leaves, `expect`, or `wake_line_of` for later.
        """
        while (scope := self._awake.first) is not None:
            line = self._lines[scope]
            lane, key = line.leader, line.leader_key
            self._awake.drop(scope)
            gate = self.gate_before(key, lane.scopes, lane)
            if gate is None:
                return lane
            self._move(lane, gate)
        return None

    def expect(self, lane: Lane, gate: Scope, at: float | Unknown) -> None:
        """Note that the head of a lane is short in a scope until an instant."""
        if gate not in lane.gates:
            self._move(lane, gate)
        self.set_turn(lane, gate, at)

    @property
    def next_turn(self) -> tuple[Scope, float] | None:
        """The first instant at which a leader may find room, and where; None if no clock can tell."""
        scope, at = self._turns.first, self._turns.best
        return None if scope is None or at is None else (scope, at)

    def is_barred(self, scope: Scope) -> bool:
        """Return whether by now the leader of a line has to stand behind that of another one."""
        line = self._lines[scope]
        return self.gate_before(line.leader_key, line.leader.scopes, line.leader) is not None

    def set_turn(self, lane: Lane, gate: Scope, at: float | Unknown | None) -> None:
        """Note from when on there may be room for a lane, if it leads the line there; None if it was not weighed."""
        if self._lines[gate].leader is not lane:
            return
        if at is None:
            self._wake(gate)
        elif isinstance(at, Unknown):
            self._turns.drop(gate)
        else:
            self._turns.put(gate, at)

    def _move(self, lane: Lane, gate: Scope) -> None:
        lane.moves += 1
        if lane.moves <= self.max_overtakes:
            self.unfile(lane)
        else:
            if not lane.is_promoted:
                self._promote(lane)
            for other in lane.gates:
                # It is room elsewhere that the lane waits for now.
                if self._lines[other].leader is lane:
                    self._turns.drop(other)
        if gate not in lane.gates:
            self.file(lane, gate)

    def _promote(self, lane: Lane) -> None:
        gates = tuple(lane.gates)
        self.unfile(lane)
        lane.is_promoted = True
        for gate in gates:
            self.file(lane, gate)
            self._wake(gate)

    def _wake(self, scope: Scope) -> None:
        self._turns.drop(scope)
        self._awake.put(scope, self._lines[scope].leader_key)
