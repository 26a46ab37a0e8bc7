"""A book and a gate of a few lines each, for the tests of the queue: plain lists, everything recomputed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import attrs

from actors.policies.ledger.booking import Booking
from actors.policies.ledger.limits import Limit, Limits
from actors.policies.ledger.meter import Unknown
from actors.policies.ledger.records import ReservationId, Shortfall
from actors.policies.scope import POOL, Scope

WINDOW = 10.0


@attrs.define(eq=False)
class PlainBook:
    """Requests per scope: some held, some spent until an instant. It counts what it is asked."""

    amounts: dict[Scope, int]
    now: float = 0.0
    last_id: int = 0
    held: dict[ReservationId, tuple[int, tuple[Scope, ...]]] = attrs.field(factory=dict)
    spent: list[tuple[float, int, tuple[Scope, ...]]] = attrs.field(factory=list)
    freed: list[Scope] = attrs.field(factory=list)
    asked: Counter[str] = attrs.field(factory=Counter)
    on_reserve: Callable[[Booking, tuple[Scope, ...]], None] = lambda _booking, _scopes: None

    def reserve(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> ReservationId | Shortfall:
        self.asked["reserve"] += 1
        short = self._short(booking, scopes, now)
        if short is not None:
            return short
        self.on_reserve(booking, scopes)
        self.last_id += 1
        self.held[ReservationId(self.last_id)] = (booking.held.requests, scopes)
        return ReservationId(self.last_id)

    def shortfall(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> Shortfall | None:
        self.asked["shortfall"] += 1
        return self._short(booking, scopes, now)

    def earliest_if_refunded(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> float:
        self.expire(now)
        return max(self._back_at(booking, scope, held=0) for scope in scopes)

    def exceeded_by(self, booking: Booking, scopes: tuple[Scope, ...]) -> tuple[Scope, Limit] | None:
        for scope in scopes:
            limit = self.limits_of(scope).exceeded_by(booking.needed)
            if limit is not None:
                return scope, limit
        return None

    def limits_of(self, scope: Scope) -> Limits:
        return Limits(requests=self.amounts[scope], input_tokens=None, output_tokens=None, window=WINDOW)

    def take_freed(self) -> tuple[Scope, ...]:
        freed, self.freed = self.freed, []
        return tuple(freed)

    def expire(self, now: float) -> None:
        if not self.now <= now < math.inf:
            raise ValueError(f"now must be >= {self.now}, got {now}")
        self.now = now
        self.spent = [part for part in self.spent if part[0] > now]

    def settle(self, reservation: ReservationId, now: float, *, until: float) -> None:
        """Let what is held be spent until an instant; `now` to give it back."""
        self.expire(now)
        amount, scopes = self.held.pop(reservation)
        if until > now:
            self.spent.append((until, amount, scopes))
        self.freed += scopes

    def charge(self, scope: Scope, amount: int, until: float) -> None:
        """Count what somebody else has used."""
        self.spent.append((until, amount, (scope,)))

    def change_limit(self, scope: Scope, amount: int) -> None:
        self.amounts[scope] = amount
        self.freed.append(scope)

    def _short(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> Shortfall | None:
        self.expire(now)
        shorts: list[tuple[tuple[int, float], Shortfall]] = []
        for scope in scopes:
            held = sum(amount for amount, under in self.held.values() if scope in under)
            back_at = self._back_at(booking, scope, held)
            if back_at == now:
                continue
            asked, limit = booking.needed.requests, self.limits_of(scope).each[0]
            is_never = asked > limit.amount
            at: float | Unknown = (
                Unknown.UNTIL_SETTLEMENT if back_at == math.inf and not is_never else back_at
            )
            length = (2, 0.0) if is_never else (0, back_at) if back_at < math.inf else (1, 0.0)
            shorts.append((length, Shortfall(scope, limit, asked, at)))
        return max(shorts, key=_length, default=(None, None))[1]

    def _back_at(self, booking: Booking, scope: Scope, held: int) -> float:
        spent = sorted((at, amount) for at, amount, under in self.spent if scope in under)
        lacking = held + sum(amount for _, amount in spent) + booking.needed.requests - self.amounts[scope]
        back_at = self.now
        for at, amount in spent:
            if lacking <= 0:
                break
            lacking, back_at = lacking - amount, at
        return back_at if lacking <= 0 else math.inf


def _length(item: tuple[tuple[int, float], Shortfall]) -> tuple[int, float]:
    return item[0]


@attrs.define(eq=False)
class PlainGate:
    """Shut until an instant, and open then for so many, or for any number."""

    open_from: float = -math.inf
    left: int | None = None

    def opens_at(self, now: float) -> float | Unknown:
        return Unknown.UNTIL_SETTLEMENT if self.left == 0 else max(now, self.open_from)

    def shut_until(self, now: float) -> float:
        return max(now, self.open_from)

    def pass_one(self, now: float) -> None:
        assert now >= self.open_from, "somebody was let through a gate that is shut"
        if self.left is not None:
            assert self.left > 0, "more were let through than the gate lets"
            self.left -= 1


def pool_book(amount: int) -> PlainBook:
    return PlainBook({POOL: amount})
