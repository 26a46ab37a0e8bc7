"""What a ledger answers: shortfalls, settlements, statistics, and errors for foreign reservations and broken books."""

from __future__ import annotations

from typing import NewType

import attrs

from actors.policies.ledger.limits import Limit
from actors.policies.ledger.meter import Algorithm, Unknown
from actors.policies.scope import Scope
from actors.policies.usage import Usage

ReservationId = NewType("ReservationId", int)
"""The number of a reservation: 1 for the first of a ledger, and so on."""


@attrs.frozen
class Shortfall:
    """There is no room now, and nothing was held.

    Attributes:
        scope: where it is short the longest.
        limit: the limit there.
        asked: how much of it has to be free.
        available_at: the earliest instant at which the whole booking fits there if nothing but time passes;
            infinity when it never can, `Unknown.UNTIL_SETTLEMENT` when it takes the settling of a call that
            is under way.
    """

    scope: Scope
    limit: Limit
    asked: int
    available_at: float | Unknown


@attrs.frozen
class Settled:
    """A reservation came to its end.

    Attributes:
        spent: what it counts for from now on, until it leaves the window.
        refunded: what was held and not used.
        charged: what was used and not held.
    """

    spent: Usage
    refunded: Usage
    charged: Usage

    @classmethod
    def by_difference(cls, held: Usage, actual: Usage) -> Settled:
        """The settlement of what was held by what was really used."""
        return cls(spent=actual, refunded=excess(held, actual), charged=excess(actual, held))


def excess(more: Usage, less: Usage) -> Usage:
    """What `more` has beyond `less`, 0 where it has less."""
    return Usage(
        max(0, more.requests - less.requests),
        max(0, more.input_tokens - less.input_tokens),
        max(0, more.output_tokens - less.output_tokens),
    )


@attrs.frozen
class AlreadySettled:
    """The reservation had come to its end before; nothing was changed and nothing credited."""


@attrs.frozen
class Confirmed:
    """The call has begun: its request and input leave at a known instant now, whenever the call ends.

    Attributes:
        leaves_at: one window of the pool after the latest instant at which the provider can have counted them.
    """

    leaves_at: float


class UnknownReservation(ValueError):
    """The ledger never gave out such a reservation: perhaps another ledger did.

    Attributes:
        reservation_id: what was given.
    """

    def __init__(self, reservation_id: object, last_id: int) -> None:
        super().__init__(f"reservation must be one of the {last_id} this ledger gave, got {reservation_id!r}")
        self.reservation_id = reservation_id


class UnknownScope(ValueError):
    """No limits are set for scopes of this kind.

    Attributes:
        scope: what was given.
    """

    def __init__(self, scope: Scope, kinds: tuple[str, ...]) -> None:
        known = ", ".join(repr(kind) for kind in kinds) or "none"
        super().__init__(f"kind of scope must be one that limits are set for ({known}), got {scope.kind!r}")
        self.scope = scope


class CorruptLedger(RuntimeError):
    """The books of a ledger contradict themselves: its owner crashed in the middle of a change. Start a new one."""


@attrs.frozen
class LimitStatistics:
    """The books of one limit.

    Attributes:
        limit: the limit.
        used: settled amounts within its window.
        reserved: what is held by calls under way.
        peak: the most that was ever used and reserved together within any window of it.
        utilization: the share of the limit that is in use: above 1 when truth was larger.
    """

    limit: Limit
    used: int
    reserved: int
    peak: int
    utilization: float


@attrs.frozen
class ScopeStatistics:
    """A snapshot of the books of one scope.

    Attributes:
        scope: which.
        algorithm: the one that decides.
        in_flight: reservations that are not settled.
        each: the books of every limit: requests, input, output, then the further ones.
    """

    scope: Scope
    algorithm: Algorithm
    in_flight: int
    each: tuple[LimitStatistics, ...]

    @property
    def used(self) -> Usage:
        """Settled amounts within the usual window; 0 where there is no limit."""
        return self._usual("used")

    @property
    def reserved(self) -> Usage:
        """What calls under way hold of the usual limits; 0 where there is none."""
        return self._usual("reserved")

    @property
    def peak(self) -> Usage:
        """The most that was ever in use of the usual limits; 0 where there is none."""
        return self._usual("peak")

    def _usual(self, field: str) -> Usage:
        amounts = {books.limit.quantity: getattr(books, field) for books in reversed(self.each)}
        amounts.pop("total_tokens", None)
        return Usage.total(
            amounts.get("requests", 0), amounts.get("input_tokens", 0), amounts.get("output_tokens", 0)
        )


@attrs.frozen
class LedgerStatistics:
    """A snapshot of a ledger.

    Attributes:
        in_flight: reservations that are not settled, over all scopes.
        scopes: how many scopes have books now, the pool included.
        expired: reservations whose holder was not heard of in time.
        pool: the books of the pool.
    """

    in_flight: int
    scopes: int
    expired: int
    pool: ScopeStatistics

    @property
    def used(self) -> Usage:
        """What is used of the pool's usual limits."""
        return self.pool.used

    @property
    def reserved(self) -> Usage:
        """What calls under way hold of the pool's usual limits."""
        return self.pool.reserved

    @property
    def peak(self) -> Usage:
        """The most that was ever in use of the pool's usual limits."""
        return self.pool.peak
