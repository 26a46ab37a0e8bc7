"""The queue of one scope as anybody would write it: a list that is sorted whenever somebody is to go."""

from __future__ import annotations

import math

import attrs
from queue_world import PlainBook, PlainGate

from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.meter import Unknown
from actors.policies.queue.fairness import LEAST_COST
from actors.policies.queue.records import Order, Ticket
from actors.policies.scope import POOL

FlowName = tuple[float, str]

RETURNING = "(those who come back)"


@attrs.define(eq=False)
class Asker:
    ticket: Ticket
    claim: Claim
    booking: Booking
    since: float
    deadline: float
    place: Order | None
    is_promoted: bool = False

    @property
    def order(self) -> int:
        return self.ticket if self.place is None else self.place

    @property
    def flow(self) -> FlowName:
        return (self.claim.priority, self.claim.tenant if self.place is None else RETURNING)


@attrs.define(eq=False)
class NaiveLine:
    """Priorities, start tags, overtakings and deadlines, over the same book and gate; O(n) everything."""

    book: PlainBook
    gate: PlainGate
    weights: dict[str, float]
    max_overtakes: int
    line: list[Asker] = attrs.field(factory=list)
    tags: dict[FlowName, float] = attrs.field(factory=dict)
    times: dict[float, float] = attrs.field(factory=dict)
    borne: dict[FlowName, int] = attrs.field(factory=dict)

    def tag(self, asker: Asker) -> float:
        if asker.place is not None:
            return 0.0
        time = self.times.get(asker.claim.priority, 0.0)
        return max(time, self.tags.get(asker.flow, time))

    def turn(self, asker: Asker) -> tuple[float, ...]:
        if asker.is_promoted:
            return (-math.inf, 0, 0.0, asker.order, asker.ticket)
        is_ordinary = asker.place is None
        return (-asker.claim.priority, is_ordinary, self.tag(asker), asker.order, asker.ticket)

    def heads(self) -> list[Asker]:
        """The first of each flow, the next to go first."""
        firsts: dict[FlowName, Asker] = {}
        for asker in sorted(self.line, key=lambda asker: (asker.order, asker.ticket)):
            firsts.setdefault(asker.flow, asker)
        return sorted(firsts.values(), key=self.turn)

    def fits(self, asker: Asker, now: float) -> bool:
        return self.book.shortfall(asker.booking, (POOL,), now) is None

    def never_fits(self, asker: Asker) -> bool:
        return asker.booking.needed.requests > self.book.amounts[POOL]

    def is_open(self, now: float) -> bool:
        opens_at = self.gate.opens_at(now)
        return not isinstance(opens_at, Unknown) and opens_at <= now

    def goes_at_once(self, asker: Asker, now: float) -> bool:
        """Whether somebody who comes now has an earlier turn than all who wait, and there is room."""
        heads = self.heads()
        is_first = not heads or self.turn(asker) < self.turn(heads[0])
        return is_first and self.is_open(now) and self.fits(asker, now)

    def join(self, asker: Asker) -> None:
        heads = {head.flow: head for head in self.heads()}
        if asker.flow not in heads:
            self.borne[asker.flow] = 0
            if asker.place is None:
                self.tags[asker.flow] = self.tag(asker)
        elif asker.order < heads[asker.flow].order:
            heads[asker.flow].is_promoted = False
        self.line.append(asker)

    def leave(self, asker: Asker) -> None:
        asker.is_promoted = False
        self.line.remove(asker)
        if all(other.claim.priority != asker.claim.priority for other in self.line):
            self.times.pop(asker.claim.priority, None)
            self.tags = {flow: tag for flow, tag in self.tags.items() if flow[0] != asker.claim.priority}

    def grant(self, asker: Asker) -> None:
        """Charge the tenant and count whom this overtakes; `asker` may be in line, or just come."""
        priority = asker.claim.priority
        heads = self.heads()
        if asker.place is None and any(other.claim.priority == priority for other in self.line):
            start = self.tag(asker)
            cost = max(asker.booking.needed.requests / self.book.amounts[POOL], LEAST_COST)
            self.tags[asker.flow] = start + cost / self.weights.get(asker.claim.tenant, 1.0)
            if not asker.is_promoted:
                self.times[priority] = start
        self.borne[asker.flow] = 0
        if any(head.order < asker.order for head in heads):
            self.overtake([head for head in heads if head.flow != asker.flow and not head.is_promoted])
        if asker in self.line:
            self.leave(asker)

    def overtake(self, heads: list[Asker]) -> None:
        for head in heads:
            self.borne[head.flow] += 1
            if self.borne[head.flow] >= self.max_overtakes:
                head.is_promoted = True
                self.borne[head.flow] = 0

    def next_to_go(self, now: float) -> Asker | None:
        """Who goes now, or never can."""
        heads = self.heads()
        if not heads or not self.is_open(now):
            return None
        return heads[0] if self.never_fits(heads[0]) or self.fits(heads[0], now) else None

    def next_instant(self, now: float) -> float:
        deadline = min((asker.deadline for asker in self.line), default=math.inf)
        opens_at = self.gate.opens_at(now)
        heads = self.heads()
        if not heads or isinstance(opens_at, Unknown):
            return deadline
        shortfall = self.book.shortfall(heads[0].booking, (POOL,), now)
        turn = now if shortfall is None or self.never_fits(heads[0]) else shortfall.available_at
        return deadline if isinstance(turn, Unknown) else min(deadline, max(turn, opens_at))
