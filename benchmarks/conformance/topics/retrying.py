"""What rows about retries have in common: a policy, a fault, and the circumstances of a decision."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any, Final

from actors.faults import Fault
from actors.policies.retry.retry import GiveUp, Retry, RetryPolicy
from actors.policies.retry.strategies import RetryPlan
from conformance.rows import check_given

GIVEN: Final = frozenset(
    {"policy", "profile", "strategy", "fault", "attempt", "started", "now", "deadline", "load"}
)


def decide(given: Mapping[str, Any], seed: int, defaults: Mapping[str, Any] | None = None) -> Retry | GiveUp:
    """Return what is decided with the dice of `seed`.

    Args:
        given: the row's; where it names no policy, no profile and no strategy, the default policy is meant.
        seed: of the dice.
        defaults: fields of a policy where the row does not say.

    Raises:
        TableError: the row gives what no decision knows.
    """
    check_given(given, GIVEN)
    return _policy(given, defaults or {}).decide(
        fault_of_row(given["fault"]),
        attempt=given.get("attempt", 1),
        started=given.get("started", 0.0),
        now=given.get("now", 0.0),
        deadline=given.get("deadline", math.inf),
        rng=random.Random(seed),
        load=given.get("load", 0.0),
    )


def fault_of_row(fields: Mapping[str, Any]) -> Fault:
    """Return the fault that a row speaks of: its kind, and what it knows better than its kind's row."""
    return Fault.of(**fields)


def _policy(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> RetryPolicy | RetryPlan:
    if "strategy" in given:
        return RetryPolicy.of(given.get("profile", "standard"), given["strategy"])
    if "profile" in given:
        return RetryPlan.of(given["profile"])
    return RetryPolicy(**{**defaults, **given.get("policy", {})})
