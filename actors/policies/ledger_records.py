"""What a ledger answers: shortfalls, settlements, statistics, and errors for foreign reservations and broken books."""

from __future__ import annotations

import attrs

from actors.policies.limits import Dimension
from actors.policies.meter import Unknown
from actors.policies.usage import Usage


@attrs.frozen
class Shortfall:
    """There is no room now, and nothing was held.

    Attributes:
        dimension: the one that is short the longest.
        asked: how much of it was asked for.
        limit: its limit.
        available_at: the earliest instant at which the whole usage fits if nothing but time passes;
            infinity when it never can, `Unknown.UNTIL_SETTLEMENT` when it takes the settling of a call that
            is under way.
    """

    dimension: Dimension
    asked: int
    limit: int
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
        return cls(spent=actual, refunded=_excess(held, actual), charged=_excess(actual, held))


def _excess(more: Usage, less: Usage) -> Usage:
    return Usage(
        max(0, more.requests - less.requests),
        max(0, more.input_tokens - less.input_tokens),
        max(0, more.output_tokens - less.output_tokens),
    )


@attrs.frozen
class AlreadySettled:
    """The reservation had come to its end before; nothing was changed and nothing credited."""


class UnknownReservation(ValueError):
    """The ledger never gave out such a reservation: perhaps another ledger did.

    Attributes:
        reservation_id: what was given.
    """

    def __init__(self, reservation_id: object, last_id: int) -> None:
        super().__init__(f"reservation must be one of the {last_id} this ledger gave, got {reservation_id!r}")
        self.reservation_id = reservation_id


class CorruptLedger(RuntimeError):
    """The books of a ledger contradict themselves: its owner crashed in the middle of a change. Start a new one."""


@attrs.frozen
class Utilization:
    """The share of each limit that is in use: above 1 when truth was larger, None without a limit."""

    requests: float | None
    input_tokens: float | None
    output_tokens: float | None


@attrs.frozen
class LedgerStatistics:
    """A snapshot of a ledger.

    Attributes:
        in_flight: reservations that are not settled.
        used: settled amounts within the window.
        reserved: what the reservations hold.
        utilization: the shares of the limits that `used` and `reserved` take together.
        peak: the most that was ever used and reserved together, per dimension.
    """

    in_flight: int
    used: Usage
    reserved: Usage
    utilization: Utilization
    peak: Usage
