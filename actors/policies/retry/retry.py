"""When a failed call is tried again: a decision from the fault, the clock and a seeded generator.

    attempt n fails ──> retryable? ── no ──────────────────────> GiveUp("not retryable")
                           └─ yes ──> retries left? ── no ─────> GiveUp("no retries left")
                                         └─ yes ──> delay fits? ── no ──> GiveUp("no time left", retry_at)
                                                       └─ yes ──> Retry(delay)

**A wait that nobody named** is drawn below `bound = min(cap, initial * 2^(n-1) * factor)`:

    full      U(0, bound)                          lowest peak load of the usual forms; the default
    narrow    U(0.8 * bound, 1.2 * bound)          plus-minus a fifth, never above the cap: for waits that have to be
                                                   much alike, at the price of callers that come back together

("full" is that of the AWS architecture blog's "Exponential Backoff And Jitter".) The factor is the fault's own: 3 for a
429, 2 for an overload; half of it where no connection came about in time, since nothing was begun; twice where the
runtime's own load is above 0.8. The cap holds after it.

**A wait that the provider named** is that wait and up to a fifth more: never earlier than asked, and not all callers in
the same instant. No factor and no cap touch it.

A wait that would end at or after the deadline is not begun: the call fails now, and says when it could make sense.
"""

from __future__ import annotations

import math
import random
from typing import Any, Literal, get_args

import attrs

from actors.faults import Fault
from actors.policies.instants import check_instant, check_number
from actors.policies.retry.numbers import (
    PROFILE_NAMES,
    RETRY_NUMBERS,
    STRATEGY_NAMES,
    ProfileName,
    StrategyName,
)

HINT_SPREAD = 0.2
"""Upward spread on a time the provider named. In a simulation of 200 clients told the same time, obeying it to the
instant took 10.5 calls per client to drain, a fifth of spread 2.4."""

NARROW_SPREAD = 0.2
"""Spread of narrow jitter, each way, as gRPC has it."""

CONNECT_FACTOR = 0.5
"""Factor on the wait after a connection that did not come about in time: the provider has not begun any work."""

HIGH_LOAD = 0.8
"""Load of the runtime above which retries make room for first attempts."""

LOAD_FACTOR = 2.0
"""Factor on the wait above `HIGH_LOAD`."""

LARGEST_EXPONENT = 1000
"""Doublings after which any cap is long reached; beyond 1023 a float would overflow."""

Jitter = Literal["full", "narrow"]
"""How a wait that nobody named is drawn."""

Reason = Literal["not retryable", "no retries left", "no time left"]
"""Why a call is not tried again."""


@attrs.frozen
class Retry:
    """Try again after `delay` seconds."""

    delay: float


@attrs.frozen
class GiveUp:
    """Do not try again on this model. `retry_at` is when it could make sense, or None where nobody knows."""

    reason: Reason
    retry_at: float | None = None


def _check_count(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if type(value) is not int:
        raise TypeError(f"{attribute.name} must be a whole number, got {value!r}")
    if value < 0:
        raise ValueError(f"{attribute.name} must be >= 0, got {value}")


def _check_wait(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_instant(attribute.name, value, earliest=0.0)


def _check_span(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if check_number(attribute.name, value) < 0:
        raise ValueError(f"{attribute.name} must be >= 0, got {value}")


def _check_jitter(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in get_args(Jitter):
        raise ValueError(f"{attribute.name} must be one of {', '.join(get_args(Jitter))}, got {value!r}")


def _check_flag(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if type(value) is not bool:
        raise TypeError(f"{attribute.name} must be True or False, got {value!r}")


@attrs.frozen
class RetryPolicy:
    """How often and how long a call is tried again.

    Args:
        max_retries: attempts after the first.
        initial: seconds, upper bound of the first wait; it doubles with each retry.
        cap: seconds, upper bound of every wait we choose ourselves.
        max_elapsed: seconds since the first attempt after which no further one starts; infinite for any number.
        jitter: how a wait is drawn: "full" or "narrow".
        is_adaptive: whether the fault and the load have a say in how long a wait is.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its bounds.
    """

    max_retries: int = attrs.field(default=3, validator=_check_count)
    initial: float = attrs.field(default=1.0, validator=_check_wait)
    cap: float = attrs.field(default=30.0, validator=_check_wait)
    max_elapsed: float = attrs.field(default=60.0, validator=_check_span)
    jitter: Jitter = attrs.field(default="full", validator=_check_jitter)
    is_adaptive: bool = attrs.field(default=True, validator=_check_flag)

    @classmethod
    def of(cls, profile: ProfileName = "standard", strategy: StrategyName = "transient") -> RetryPolicy:
        """Return the policy that a profile has for the faults of one strategy.

        Raises:
            ValueError: there is no such profile or strategy.
        """
        if profile not in PROFILE_NAMES:
            raise ValueError(f"profile must be one of {', '.join(PROFILE_NAMES)}, got {profile!r}")
        if strategy not in STRATEGY_NAMES:
            raise ValueError(f"strategy must be one of {', '.join(STRATEGY_NAMES)}, got {strategy!r}")
        numbers = RETRY_NUMBERS[profile][strategy]
        return cls(numbers.max_retries, numbers.initial, numbers.cap, numbers.max_elapsed)

    def decide(
        self,
        fault: Fault,
        *,
        attempt: int,
        started: float,
        now: float,
        deadline: float,
        rng: random.Random,
        load: float = 0.0,
    ) -> Retry | GiveUp:
        """Decide what follows a failed attempt.

        Args:
            fault: what the last attempt failed of.
            attempt: how many attempts were made on this model, from 1.
            started: instant of the first one.
            now: the present.
            deadline: instant at which the caller stops waiting, infinite for never.
            rng: source of the jitter.
            load: share of what the runtime can do at once that it does now; 1 is all of it.
        """
        hint = fault.retry_after
        named = None if hint is None else now + hint
        if not fault.retryable:
            return GiveUp("not retryable", named)
        if attempt > self.max_retries:
            return GiveUp("no retries left", named)
        if hint is None:
            delay = self.backoff(attempt, rng, factor=self.factor(fault, load))
        else:
            delay = hint * (1 + HINT_SPREAD * rng.random())
        if now + delay >= min(deadline, started + self.max_elapsed):
            return GiveUp("no time left", now + delay if named is None else named)
        return Retry(delay)

    def factor(self, fault: Fault, load: float = 0.0) -> float:
        """Return the factor on a wait that nobody named; 1 where the policy is not adaptive."""
        if not self.is_adaptive:
            return 1.0
        has_connected = fault.kind != "network_timeout" or fault.charged
        own = fault.backoff if has_connected else fault.backoff * CONNECT_FACTOR
        return own * LOAD_FACTOR if load > HIGH_LOAD else own

    def backoff(self, attempt: int, rng: random.Random, *, factor: float = 1.0) -> float:
        """Return the wait after attempt number `attempt` (from 1) when nobody named one; within [0, cap]."""
        doublings = min(attempt - 1, LARGEST_EXPONENT)
        bound = min(self.cap, self.initial * math.ldexp(1.0, doublings) * factor)
        if self.jitter == "full":
            return rng.uniform(0.0, bound)
        # The upper end is cut, not the throw: otherwise half of all callers would come back at the cap to the instant.
        highest = min(self.cap, bound * (1 + NARROW_SPREAD))
        return min(highest, rng.uniform(bound * (1 - NARROW_SPREAD), highest))
