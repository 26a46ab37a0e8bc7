"""The judge: what models that share their limits have used, and whether one more request is let in."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from actors.testing.provider.limits import (
    DIMENSIONS,
    PERIOD,
    Dimension,
    Meter,
    Mode,
    ProviderLimits,
    new_meter,
)
from actors.testing.provider.rolling_sum import RollingSum

FIRST_OUTPUT_TOKEN = 1
"""Output counts as it is produced, so on arrival a request needs no more than room for its first token."""


@attrs.frozen
class PeakUsage:
    """The most that was used within any minute, each dimension for itself."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@attrs.frozen
class OverLimit:
    """One request too many.

    Args:
        dimension: the limit that makes it wait longest.
        limit: that limit.
        retry_after: whole seconds after which the same request fits if nothing else comes; for one that never
            fits, the seconds until the pool is untouched.
    """

    dimension: Dimension
    limit: int
    retry_after: int

    def __str__(self) -> str:
        unit = self.dimension.replace("_", " ")
        return (
            f"This request would exceed your organization's rate limit of {self.limit:,} {unit} per minute."
        )


@attrs.define(eq=False)
class Pool:
    """One set of limits and everything counted against it.

    Requests and input tokens count on arrival; output tokens count when they have been produced. A refused
    request counts as nothing. So the first two can never go over their limits here, and the third can: many
    requests that start together may produce more than is left, which `output_overshoot` tells.

    Args:
        limits: what the pool grants per minute.
        mode: how it is enforced.
    """

    limits: ProviderLimits
    mode: Mode
    output_overshoot: int = attrs.field(default=0, init=False)
    _meters: Mapping[Dimension, Meter] = attrs.field(init=False)
    _usage: Mapping[Dimension, RollingSum] = attrs.field(
        factory=lambda: {dimension: RollingSum(PERIOD) for dimension in DIMENSIONS}, init=False
    )

    def __attrs_post_init__(self) -> None:
        self._meters = {dimension: new_meter(self.mode, self.limit(dimension)) for dimension in DIMENSIONS}

    def limit(self, dimension: Dimension) -> int:
        """Return the limit of one dimension, per minute."""
        limit: int = getattr(self.limits, dimension)
        return limit

    def fits_at(self, now: float, input_tokens: int) -> dict[Dimension, float]:
        """Return for each dimension the first instant at which it lets one request in, if nothing else comes."""
        meters = self._meters
        return {
            "requests": meters["requests"].fits_at(now, 1),
            "input_tokens": meters["input_tokens"].fits_at(now, input_tokens),
            "output_tokens": meters["output_tokens"].fits_at(now, FIRST_OUTPUT_TOKEN),
        }

    def admit(self, now: float, input_tokens: int) -> OverLimit | None:
        """Count one request and its input, all of it or nothing.

        Returns:
            None when it was let in, or why it was not.
        """
        fits_at = self.fits_at(now, input_tokens)
        tightest = max(DIMENSIONS, key=fits_at.__getitem__)
        if fits_at[tightest] > now:
            return OverLimit(tightest, self.limit(tightest), self._seconds_until(now, fits_at[tightest]))
        self._charge(now, "requests", 1)
        self._charge(now, "input_tokens", input_tokens)
        return None

    def produce(self, now: float, output_tokens: int) -> None:
        """Count output that was produced, whether it fits or not."""
        self._charge(now, "output_tokens", output_tokens)
        self.output_overshoot = max(self.output_overshoot, -self.remaining(now, "output_tokens"))

    def remaining(self, now: float, dimension: Dimension) -> int:
        """Return what one dimension has left; below zero for output over the limit."""
        return self._meters[dimension].remaining(now)

    def full_at(self, now: float, dimension: Dimension) -> float:
        """Return the instant at which one dimension is fully replenished."""
        return self._meters[dimension].full_at(now)

    def peak(self) -> PeakUsage:
        """Return the most that was used within any minute."""
        return PeakUsage(**{dimension: usage.peak for dimension, usage in self._usage.items()})

    def _charge(self, now: float, dimension: Dimension, amount: int) -> None:
        self._meters[dimension].charge(now, amount)
        self._usage[dimension].add(now, amount)

    def _seconds_until(self, now: float, fits_at: float) -> int:
        if math.isinf(fits_at):
            fits_at = max(self.full_at(now, dimension) for dimension in DIMENSIONS)
        # A difference of two floats may be a hair off: whoever waits as told must never be too early.
        seconds = max(1, math.floor(fits_at - now))
        while now + seconds < fits_at:
            seconds += 1
        return seconds
