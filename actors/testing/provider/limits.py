"""The limits a provider sets, and the two ways providers are known to enforce one."""

from __future__ import annotations

import math
from typing import Literal, Protocol, assert_never, get_args

import attrs

from actors.testing.provider.rolling_sum import RollingSum

Dimension = Literal["requests", "input_tokens", "output_tokens"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

Mode = Literal["sliding_window", "token_bucket"]
"""How a limit is enforced: over any minute, or by refilling drop by drop."""

MODES: tuple[Mode, ...] = get_args(Mode)
"""Both of them, for tests of each."""

PERIOD = 60.0
"""Seconds. Every published limit of this kind is per minute."""

_ROUNDING = 1e-6
"""Seconds. A bucket's instants are sums of fractions: who comes in time is not refused for the last bit."""


def _at_least_one(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1, got {value}")


@attrs.frozen
class ProviderLimits:
    """What a pool of models grants per minute. The defaults are the smallest published tier.

    Args:
        requests: requests per minute.
        input_tokens: input tokens per minute.
        output_tokens: output tokens per minute.
    """

    requests: int = attrs.field(default=50, validator=_at_least_one)
    input_tokens: int = attrs.field(default=30_000, validator=_at_least_one)
    output_tokens: int = attrs.field(default=8_000, validator=_at_least_one)


class Meter(Protocol):
    """One limit being enforced. Instants must not go backwards."""

    def fits_at(self, now: float, amount: int) -> float:
        """Return the first instant at which `amount` fits if nothing else comes, infinity if never."""
        ...

    def charge(self, now: float, amount: int) -> None:
        """Count `amount`, whether it fits or not: what was produced was produced."""
        ...

    def remaining(self, now: float) -> int:
        """Return what is left, rounded down; below zero when more was charged than the limit grants."""
        ...

    def full_at(self, now: float) -> float:
        """Return the instant at which the whole limit is available again: now, if it is."""
        ...


@attrs.define(eq=False)
class SlidingWindow:
    """A limit on every interval of a minute, wherever it begins: [t, t + 60) for any t."""

    limit: int
    _used: RollingSum = attrs.field(factory=lambda: RollingSum(PERIOD), init=False)

    def fits_at(self, now: float, amount: int) -> float:
        """Return the first instant at which `amount` fits."""
        if amount > self.limit:
            return math.inf
        return self._used.relieved_at(now, self._used.total(now) + amount - self.limit)

    def charge(self, now: float, amount: int) -> None:
        """Count `amount` from now on, for a minute."""
        self._used.add(now, amount)

    def remaining(self, now: float) -> int:
        """Return what the minute that ends now has left."""
        return self.limit - self._used.total(now)

    def full_at(self, now: float) -> float:
        """Return the instant at which the last thing counted has left the window."""
        return self._used.empty_at(now)


@attrs.define(eq=False)
class TokenBucket:
    """A limit that refills drop by drop: a sixtieth of it each second, up to the whole of it.

    Its whole state is the instant at which it will be full: a charge moves that instant away by the time its
    refill takes. So nothing is ever topped up, and no rounding piles up over a day.
    """

    limit: int
    _full_at: float = attrs.field(default=-math.inf, init=False)

    def fits_at(self, now: float, amount: int) -> float:
        """Return the first instant at which the bucket lets `amount` in: what it forgives is taken off already."""
        if amount > self.limit:
            return math.inf
        return max(now, self._full_at + self._refill(amount) - PERIOD - _ROUNDING)

    def charge(self, now: float, amount: int) -> None:
        """Take `amount` out, into debt if need be."""
        self._full_at = self.full_at(now) + self._refill(amount)

    def remaining(self, now: float) -> int:
        """Return the level, below zero for a debt."""
        missing = (self.full_at(now) - now - _ROUNDING) * self.limit / PERIOD
        return self.limit - math.ceil(max(0.0, missing))

    def full_at(self, now: float) -> float:
        """Return the instant at which the bucket is full."""
        return max(self._full_at, now)

    def _refill(self, amount: int) -> float:
        return amount * PERIOD / self.limit


def new_meter(mode: Mode, limit: int) -> Meter:
    """Return a fresh meter that enforces `limit` per minute in the way of `mode`."""
    match mode:
        case "sliding_window":
            return SlidingWindow(limit)
        case "token_bucket":
            return TokenBucket(limit)
        case _:
            assert_never(mode)
