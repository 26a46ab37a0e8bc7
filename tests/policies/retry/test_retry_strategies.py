"""Which policy meets a fault: by its kind and by the profile, and never one that makes less sense than another."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.faults import FAULT_KINDS, FAULT_ROWS, Fault, FaultKind
from actors.policies.retry.numbers import PROFILE_NAMES, RETRY_NUMBERS, STRATEGY_NAMES, ProfileName
from actors.policies.retry.retry import GiveUp, Retry, RetryPolicy
from actors.policies.retry.strategies import (
    PROFILES,
    STRATEGIES,
    STRATEGY_OF,
    RetryPlan,
    strategy_for,
)


def decide(
    policy: RetryPolicy | RetryPlan, fault: Fault, *, attempt: int = 1, now: float = 0.0, seed: int = 0
) -> Retry | GiveUp:
    return policy.decide(
        fault, attempt=attempt, started=0.0, now=now, deadline=math.inf, rng=random.Random(seed)
    )


def test_every_kind_has_a_strategy_and_every_profile_has_a_policy_for_each() -> None:
    assert set(STRATEGY_OF) == set(FAULT_KINDS)
    assert set(STRATEGY_OF.values()) == set(STRATEGY_NAMES)
    assert set(PROFILES) == set(PROFILE_NAMES) == {"aggressive", "standard", "conservative"}
    assert all(set(plan.policies) == set(STRATEGY_NAMES) for plan in PROFILES.values())
    assert set(STRATEGIES) == {"transient", "rate_limited", "critical", "none"}


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_kind_that_can_pass_has_a_strategy_that_retries(kind: FaultKind) -> None:
    assert (strategy_for(kind) == "none") <= (not FAULT_ROWS[kind].retryable)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("network_reset", "transient"),
        ("rate_limited", "rate_limited"),
        ("database", "critical"),
        ("auth_error", "none"),
    ],
)
def test_a_kind_names_its_strategy(kind: FaultKind, name: str) -> None:
    assert strategy_for(kind) == name


def test_a_kind_that_there_is_not_is_refused() -> None:
    unknown: Any = "rain"
    with pytest.raises(ValueError, match=r"^kind must be one of network_timeout, .*, got 'rain'$"):
        strategy_for(unknown)


def test_the_standard_policy_is_the_default_one() -> None:
    assert RetryPolicy.of() == RetryPolicy.of("standard", "transient") == RetryPolicy()


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_none_of_it_tries_what_cannot_pass_again(profile: ProfileName) -> None:
    for kind in ("auth_error", "invalid_request", "context_length", "content_filtered"):
        assert decide(PROFILES[profile], Fault.of(kind)) == GiveUp("not retryable")
    assert RetryPolicy.of(profile, "none").max_retries == 0


def test_the_more_an_answer_is_worth_the_more_often_it_is_asked_for() -> None:
    for strategy in STRATEGY_NAMES:
        policies = [RetryPolicy.of(profile, strategy) for profile in PROFILE_NAMES]
        retries = [policy.max_retries for policy in policies]
        spans = [policy.max_elapsed for policy in policies]
        waits = [policy.initial for policy in policies]
        assert retries == sorted(retries, reverse=True)
        assert spans == sorted(spans, reverse=True)
        assert waits == sorted(waits)


def test_every_policy_that_waits_for_a_limit_has_time_for_a_window_of_a_minute() -> None:
    for profile in PROFILE_NAMES:
        hinted = Fault.of("rate_limited", retry_after=60.0)
        assert isinstance(decide(PROFILES[profile], hinted), Retry)


def test_each_cell_of_the_table_is_its_policy() -> None:
    for profile, row in RETRY_NUMBERS.items():
        for strategy, numbers in row.items():
            policy = PROFILES[profile].policies[strategy]
            assert (policy.max_retries, policy.initial) == (numbers.max_retries, numbers.initial)
            assert (policy.cap, policy.max_elapsed) == (numbers.cap, numbers.max_elapsed)


@given(
    profile=st.sampled_from(PROFILE_NAMES),
    kind=st.sampled_from(FAULT_KINDS),
    attempt=st.integers(1, 20),
    now=st.floats(0, 200),
    seed=st.integers(0, 2**16),
)
def test_a_plan_decides_as_the_policy_it_picks(
    *, profile: ProfileName, kind: FaultKind, attempt: int, now: float, seed: int
) -> None:
    fault = Fault.of(kind)

    decision = decide(PROFILES[profile], fault, attempt=attempt, now=now, seed=seed)

    policy = RetryPolicy.of(profile, strategy_for(kind))
    assert decision == decide(policy, fault, attempt=attempt, now=now, seed=seed)


def test_a_fault_that_can_pass_although_its_kind_does_not_is_met_as_transient() -> None:
    plan = RetryPlan.of("aggressive")

    assert plan.policy_for(Fault.of("validation", retryable=True)) == plan.policies["transient"]
    assert plan.policy_for(Fault.of("validation")) == plan.policies["none"]
    assert isinstance(decide(plan, Fault.of("unknown", retryable=True)), Retry)


def test_a_plan_tells_the_most_that_any_of_its_policies_allows() -> None:
    plan = PROFILES["standard"]

    assert (plan.max_retries, plan.max_elapsed) == (5, 120.0)


def test_a_plan_does_not_change_with_what_it_was_made_of() -> None:
    policies = dict(STRATEGIES)
    plan = RetryPlan(policies)
    policies["transient"] = RetryPolicy(99)

    assert plan.policies["transient"] == RetryPolicy()


def test_a_plan_with_a_gap_or_with_something_else_in_it_is_refused() -> None:
    wrong: Any = {**STRATEGIES, "critical": "often"}
    with pytest.raises(
        ValueError, match=r"^policies must be for transient, rate_limited, critical, none, got transient$"
    ):
        RetryPlan({"transient": RetryPolicy()})
    with pytest.raises(TypeError, match=r"^policy 'critical' must be a RetryPolicy, got str$"):
        RetryPlan(wrong)


def test_a_profile_or_strategy_that_there_is_not_is_refused() -> None:
    wrong: Any = "reckless"
    for make in (RetryPolicy.of, RetryPlan.of):
        with pytest.raises(
            ValueError, match=r"^profile must be one of aggressive, standard, conservative, got 'reckless'$"
        ):
            make(wrong)
    with pytest.raises(ValueError, match=r"^strategy must be one of transient, .*, got 'reckless'$"):
        RetryPolicy.of("standard", wrong)
