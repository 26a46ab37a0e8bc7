"""Which faults the next of a chain may answer better, as a table over every kind."""

from __future__ import annotations

import pytest

from actors.errors import (
    BreakerOpen,
    NeverFits,
    NoneAdmitted,
    OutOfTime,
    QueueFull,
    Rejected,
    WaitTooLong,
)
from actors.faults import FAULT_KINDS, Fault, FaultKind
from actors.policies.fallback import falls_back, falls_back_from, reason_of

SERVICE: tuple[FaultKind, ...] = (
    "network_timeout",
    "network_refused",
    "network_reset",
    "dns",
    "rate_limited",
    "acceleration_limited",
    "quota_exhausted",
    "spend_limited",
    "overloaded",
    "server_error",
    "stream_interrupted",
    "database",
    "cache_miss",
)
"""What lies with the service that was asked."""


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_what_lies_with_the_service_falls_back_and_nothing_else_does(kind: FaultKind) -> None:
    assert falls_back(Fault.of(kind)) is (kind in SERVICE)


@pytest.mark.parametrize("kind", SERVICE)
def test_it_falls_back_even_where_the_same_call_could_never_succeed(kind: FaultKind) -> None:
    assert falls_back(Fault.of(kind, retryable=False))


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_only_the_money_is_spent_for_all_models_of_an_account(kind: FaultKind) -> None:
    expected = falls_back(Fault.of(kind)) and kind != "spend_limited"
    assert falls_back(Fault.of(kind), same_account=True) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("validation", True),  # an answer of no use: another may write one that is
        ("unknown", True),  # whoever raised it knows that it passes
        ("internal", True),  # an actor that has ended, before it came to the message
        ("conflict", False),
        ("invalid_request", False),
        ("auth_error", False),
        ("not_found", False),
        ("context_length", False),
    ],
)
def test_a_fault_without_a_stand_in_that_may_pass_falls_back_if_it_can_be_the_services(
    kind: FaultKind, *, expected: bool
) -> None:
    assert falls_back(Fault.of(kind, retryable=True)) is expected


@pytest.mark.parametrize(
    ("rejected", "expected", "reason"),
    [
        (Rejected("full"), True, "no capacity in time"),
        (WaitTooLong("full", retry_at=3.0), True, "no capacity in time"),
        (QueueFull("full"), True, "no capacity in time"),
        (NeverFits("too large"), True, "too large for its limits"),
        (BreakerOpen("open", service="x", state="open", retry_at=3.0), True, "breaker open"),
        (BreakerOpen("open", service="x", state="half_open", retry_at=3.0), True, "breaker half open"),
        (BreakerOpen("open", service="x", state="isolated", retry_at=None), True, "breaker isolated"),
        (NoneAdmitted("none", [QueueFull("full")]), True, "nobody of its chain could be asked"),
        (OutOfTime("no time is left"), False, "out of time"),
    ],
    ids=repr,
)
def test_a_call_that_was_not_made_falls_back_unless_time_is_up(
    rejected: Rejected, reason: str, *, expected: bool
) -> None:
    assert falls_back_from(rejected) is expected
    assert reason_of(rejected) == reason


def test_a_reason_names_the_kind_and_the_status_and_nothing_of_the_message() -> None:
    assert (
        reason_of(Fault.of("overloaded", "https://secret.example/?key=1", status=529)) == "overloaded (529)"
    )
    assert reason_of(Fault.of("network_timeout", "10.0.0.1")) == "network timeout"
