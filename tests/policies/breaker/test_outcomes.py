"""What each kind of fault says of the service it came from."""

from __future__ import annotations

import pytest

from actors.faults import FAULT_KINDS, Fault, FaultKind
from actors.policies.breaker.outcomes import OUTCOME_ROWS, open_until, outcome_of

ILL: set[FaultKind] = {
    "network_timeout",
    "network_refused",
    "network_reset",
    "dns",
    "stream_interrupted",
    "overloaded",
    "server_error",
    "database",
    "unknown",
}
NAMES_INSTANT: set[FaultKind] = {"overloaded", "server_error", "quota_exhausted", "spend_limited"}


def test_every_kind_has_a_row_and_there_are_no_others() -> None:
    assert set(OUTCOME_ROWS) == set(FAULT_KINDS)


def test_every_row_gives_its_reason() -> None:
    reasons = [row.reason for row in OUTCOME_ROWS.values()]
    assert all(reasons)
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_fault_is_a_failure_where_the_service_is_ill_and_neutral_otherwise(kind: FaultKind) -> None:
    assert outcome_of(Fault.of(kind), 1.0) == ("failure" if kind in ILL else "neutral")


def test_no_fault_is_a_success() -> None:
    assert outcome_of(None, 1_000.0) == "success"


@pytest.mark.parametrize(("took", "outcome"), [(29.9, "success"), (30.0, "slow"), (31.0, "slow")])
def test_an_answer_is_slow_from_the_limit_on(took: float, outcome: str) -> None:
    assert outcome_of(None, took, slow_after=30.0) == outcome


def test_a_fault_is_what_it_is_however_long_it_took() -> None:
    assert outcome_of(Fault.of("server_error"), 99.0, slow_after=30.0) == "failure"


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_an_instant_is_named_by_those_whose_word_holds_for_everybody(kind: FaultKind) -> None:
    fault = Fault.of(kind, retry_after=60.0)
    assert open_until(fault, 100.0) == (160.0 if kind in NAMES_INSTANT else None)


def test_nothing_is_named_where_no_time_or_no_fault_is() -> None:
    assert open_until(Fault.of("quota_exhausted"), 100.0) is None
    assert open_until(None, 100.0) is None


def test_the_instant_that_is_named_is_never_a_hair_early() -> None:
    assert open_until(Fault.of("overloaded", retry_after=0.1), 0.7) == 0.8
