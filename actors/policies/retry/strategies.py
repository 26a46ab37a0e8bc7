"""Which retry policy a fault is met with: by its kind, and by the profile of whoever calls.

    kind ──STRATEGY_OF──> strategy ──profile──> RetryPolicy        all three are data

A plan is a policy for each strategy. It decides as a single `RetryPolicy` does and can stand wherever one can: a busy
store is looked at early and often, a limit by the minute is waited for, and a wrong key is not tried twice.

A fault may know better than its kind: one that can pass although its kind does not is met as transient.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from actors.faults import Fault, FaultKind
from actors.policies.retry.numbers import PROFILE_NAMES, STRATEGY_NAMES, ProfileName, StrategyName
from actors.policies.retry.retry import GiveUp, Retry, RetryPolicy

STRATEGY_OF: Mapping[FaultKind, StrategyName] = MappingProxyType(
    {
        "network_timeout": "transient",
        "network_refused": "transient",
        "network_reset": "transient",
        "dns": "transient",
        "rate_limited": "rate_limited",
        "acceleration_limited": "rate_limited",
        # Retried only where the provider says when it is over; then its wait is what counts, as with a rate.
        "quota_exhausted": "rate_limited",
        "spend_limited": "rate_limited",
        "overloaded": "transient",
        "server_error": "transient",
        "auth_error": "none",
        "permission_denied": "none",
        "invalid_request": "none",
        "context_length": "none",
        "content_filtered": "none",
        "not_found": "none",
        "stream_interrupted": "transient",
        # Somebody else was faster: the next attempt reads what they wrote.
        "conflict": "transient",
        "validation": "none",
        # What is not stored is lost, while a question can be asked again.
        "database": "critical",
        "cache_miss": "none",
        "internal": "none",
        "unknown": "none",
    }
)
"""The strategy for each kind of fault."""


def strategy_for(kind: FaultKind) -> StrategyName:
    """Return the name of the strategy for a kind of fault.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in STRATEGY_OF:
        raise ValueError(f"kind must be one of {', '.join(STRATEGY_OF)}, got {kind!r}")
    return STRATEGY_OF[kind]


def _kept(policies: Mapping[StrategyName, RetryPolicy]) -> Mapping[StrategyName, RetryPolicy]:
    return MappingProxyType(dict(policies))


def _check_policies(
    _instance: object, attribute: attrs.Attribute[Any], value: Mapping[StrategyName, RetryPolicy]
) -> None:
    if set(value) != set(STRATEGY_NAMES):
        raise ValueError(f"{attribute.name} must be for {', '.join(STRATEGY_NAMES)}, got {', '.join(value)}")
    for name, policy in value.items():
        if type(policy) is not RetryPolicy:
            raise TypeError(f"policy {name!r} must be a RetryPolicy, got {type(policy).__name__}")


@attrs.frozen
class RetryPlan:
    """A policy for each strategy; it picks by the fault.

    All attempts count, whatever each of them failed of: two resets and a 429 are three.

    Args:
        policies: one for each strategy.

    Raises:
        TypeError, ValueError: one is no policy, or is missing.
    """

    policies: Mapping[StrategyName, RetryPolicy] = attrs.field(converter=_kept, validator=_check_policies)

    @classmethod
    def of(cls, profile: ProfileName = "standard") -> RetryPlan:
        """Return the plan of a profile.

        Raises:
            ValueError: there is no such profile.
        """
        return cls({name: RetryPolicy.of(profile, name) for name in STRATEGY_NAMES})

    @property
    def max_retries(self) -> int:
        """Attempts after the first that any of its policies allows."""
        return max(policy.max_retries for policy in self.policies.values())

    @property
    def max_elapsed(self) -> float:
        """Seconds since the first attempt after which none of its policies starts another."""
        return max(policy.max_elapsed for policy in self.policies.values())

    def policy_for(self, fault: Fault) -> RetryPolicy:
        """Return the policy that a fault is met with."""
        name = strategy_for(fault.kind)
        return self.policies["transient" if name == "none" and fault.retryable else name]

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
        """Decide what follows a failed attempt, as `RetryPolicy.decide` does."""
        return self.policy_for(fault).decide(
            fault, attempt=attempt, started=started, now=now, deadline=deadline, rng=rng, load=load
        )


PROFILES: Mapping[ProfileName, RetryPlan] = MappingProxyType(
    {name: RetryPlan.of(name) for name in PROFILE_NAMES}
)
"""The plan of each profile."""

STRATEGIES: Mapping[StrategyName, RetryPolicy] = PROFILES["standard"].policies
"""The policy of each strategy, for who has no other wish."""
