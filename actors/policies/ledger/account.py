"""The books of one scope: a meter for each of its limits, all of which a call has to fit under at once.

A request and its input are counted by a provider when they arrive, output while it is produced; an account settles the
two at different instants. A limit on input and output together has a part of either kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import attrs

from actors.policies.instants import add_up
from actors.policies.ledger.limits import Limits, Quantity, amount_of
from actors.policies.ledger.meter import Algorithm, Meter, Unknown, check_algorithm, known_algorithm
from actors.policies.ledger.records import LimitStatistics, ScopeStatistics, Shortfall
from actors.policies.scope import Scope
from actors.policies.usage import Usage

PRODUCED: frozenset[Quantity] = frozenset({"output_tokens", "total_tokens"})
"""What grows while an answer is produced."""


@attrs.frozen
class Counted:
    """The latest instant at which a provider can have counted something: `lag` seconds after `at`.

    Kept apart because each is exact, and their sum with a window is rounded once (see `instants`).
    """

    at: float
    lag: float = 0.0


def _arriving(usage: Usage, quantity: Quantity) -> int:
    """How much of `quantity` is counted when the request arrives."""
    match quantity:
        case "requests":
            return usage.requests
        case "input_tokens" | "total_tokens":
            return usage.input_tokens
        case "output_tokens":
            return 0


def _produced(usage: Usage, quantity: Quantity) -> int:
    """How much of `quantity` is counted when output is produced."""
    return usage.output_tokens if quantity in PRODUCED else 0


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)
class Account:
    """One scope's meters. It books what it is told; whether all accounts of a call agree is the ledger's to see to.

    Args:
        scope: whose books these are.
        limits: its limits.
        algorithm: how the provider is taken to enforce them.

    Attributes:
        in_flight: reservations in it that are not settled.
    """

    scope: Scope
    limits: Limits
    algorithm: Algorithm = attrs.field(validator=known_algorithm)
    in_flight: int = attrs.field(default=0, init=False)
    meters: tuple[Meter, ...] = attrs.field(init=False)
    # When it last let go what had left: nobody has to look at an account that nobody uses.
    _expired_at: float = attrs.field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self.meters = tuple(Meter(limit, self.algorithm) for limit in self.limits.each)

    def shortfall(self, needed: Usage, now: float, unseen: int = 0) -> Shortfall | None:
        """What is short the longest for `needed`, or None when all of it fits now. Call `expire` before.

        Args:
            needed: what has to be free.
            now: the present.
            unseen: output that should be free beside that, as long as what was spent will make room for it.
        """
        worst: Shortfall | None = None
        for meter in self.meters:
            quantity = meter.limit.quantity
            amount = amount_of(needed, quantity)
            if unseen and quantity in PRODUCED:
                amount = max(amount, min(amount + unseen, meter.limit.amount - meter.held))
            if meter.lacks(amount, now) > 0:
                short = Shortfall(self.scope, meter.limit, amount, meter.earliest(amount, now))
                worst = short if worst is None else max(worst, short, key=length_of_wait)
        return worst

    def earliest_if_refunded(self, needed: Usage, now: float) -> float:
        """The instant before which `needed` cannot fit, whatever becomes of the calls under way."""
        return max(
            (
                meter.earliest_if_refunded(amount_of(needed, meter.limit.quantity), now)
                for meter in self.meters
            ),
            default=now,
        )

    def hold(self, usage: Usage) -> None:
        """Book a part of a reservation."""
        for meter in self.meters:
            amount = amount_of(usage, meter.limit.quantity)
            if amount:
                meter.hold(amount)

    def begin(self, held: Usage, sent: Counted, now: float) -> None:
        """Turn request and input of a reservation into what was counted by an instant; its output stays held."""
        for meter in self.meters:
            amount = _arriving(held, meter.limit.quantity)
            if amount:
                meter.settle(amount, amount, sent.at, sent.lag, now)

    def settle(self, held: Usage, actual: Usage, sent: Counted, produced: Counted, now: float) -> None:
        """Turn a reservation into what was counted: request and input by one instant, output by another."""
        for meter in self.meters:
            quantity = meter.limit.quantity
            before, after = _arriving(held, quantity), _arriving(actual, quantity)
            if before or after:
                meter.settle(before, after, sent.at, sent.lag, now)
            before, after = _produced(held, quantity), _produced(actual, quantity)
            if before or after:
                meter.settle(before, after, produced.at, produced.lag, now)

    def settle_begun(
        self, held: Usage, actual: Usage, sent: Counted, produced: Counted, now: float, *, begun: Usage
    ) -> None:
        """Do the same for a reservation whose request and input, `begun`, were settled when it began."""
        for meter in self.meters:
            quantity = meter.limit.quantity
            before, after = _arriving(begun, quantity), _arriving(actual, quantity)
            if before != after:
                meter.amend(before, after, sent.at, sent.lag, now)
            before, after = _produced(held, quantity), _produced(actual, quantity)
            if before or after:
                meter.settle(before, after, produced.at, produced.lag, now)

    def charge_others(
        self, quantity: Quantity, window: float, amount: int, leaves_at: float, now: float
    ) -> None:
        """Count what somebody else used of one limit, until an instant."""
        for meter in self.meters:
            if (meter.limit.quantity, meter.limit.window) == (quantity, window):
                meter.charge(amount, min(leaves_at, add_up(now, window)), now)

    def change_limits(
        self, limits: Limits, held: Usage, begun: Sequence[tuple[Usage, Counted]], now: float
    ) -> None:
        """Go on under other limits.

        Books of the same quantity and window are kept. A new limit begins with what is `held` by the calls under way,
        and with what of them is spent as they have `begun`; it has no other history.
        """
        known = {(meter.limit.quantity, meter.limit.window): meter for meter in self.meters}
        meters: list[Meter] = []
        for limit in limits.each:
            meter = known.get((limit.quantity, limit.window))
            if meter is None:
                meter = Meter(limit, self.algorithm)
                meter.hold(amount_of(held, limit.quantity))
                for usage, counted in begun:
                    meter.settle(0, amount_of(usage, limit.quantity), counted.at, counted.lag, now)
            else:
                meter.change_limit(limit, now)
            meters.append(meter)
        self.limits, self.meters = limits, tuple(meters)

    def change_algorithm(self, algorithm: Algorithm) -> None:
        """Let the other books decide from now on."""
        check_algorithm(algorithm)
        self.algorithm = algorithm
        for meter in self.meters:
            meter.algorithm = algorithm

    def expire(self, now: float) -> None:
        """Let go what has left the windows."""
        self._expired_at = now
        for meter in self.meters:
            meter.expire(now)

    def is_idle(self, now: float) -> bool:
        """Whether a new account would say the same: nothing is under way, and nothing counts any more."""
        if self.in_flight:
            return False
        self.expire(now)
        return all(meter.in_use == 0 and meter.full_at <= now for meter in self.meters)

    def statistics(self, now: float) -> ScopeStatistics:
        """The books at `now`, as a frozen snapshot."""
        self.expire(now)
        return ScopeStatistics(
            self.scope,
            self.algorithm,
            self.in_flight,
            tuple(
                LimitStatistics(meter.limit, meter.spent.total, meter.held, meter.peak, meter.share(now))
                for meter in self.meters
            ),
        )

    def faults(self, held: Usage, in_flight: int, now: float, lag: float) -> Iterator[str]:
        """Say what is wrong with the books, if `held` is what its reservations come to; O(n)."""
        if self.in_flight != in_flight:
            yield f"{self.scope} must have {in_flight} reservations in flight, got {self.in_flight}"
        for meter in self.meters:
            if meter.algorithm != self.algorithm:
                yield f"{self.scope} {meter.limit.quantity} must be a {self.algorithm}, got {meter.algorithm}"
            latest = now if now == -math.inf else add_up(now, lag, meter.limit.window)
            for fault in meter.faults(amount_of(held, meter.limit.quantity), self._expired_at, latest):
                yield f"{self.scope} {fault}"


def length_of_wait(short: Shortfall) -> tuple[int, float]:
    """Orders shortfalls by their waits: a known instant, then an unknown one, then never."""
    instant = short.available_at
    if isinstance(instant, Unknown):
        return (1, 0.0)
    return (2 if instant == math.inf else 0, instant)
