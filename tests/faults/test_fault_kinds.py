"""The table of kinds: every kind has a row, and the rows make sense beside one another."""

from __future__ import annotations

import re
from typing import get_args

import attrs
import pytest

from actors.faults import FAULT_KINDS, FAULT_ROWS, FallbackStrategy, FaultKind, FaultRow, Priority

LEAST = {
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
    "auth_error",
    "permission_denied",
    "invalid_request",
    "context_length",
    "content_filtered",
    "not_found",
    "stream_interrupted",
    "conflict",
    "validation",
    "database",
    "cache_miss",
    "internal",
    "unknown",
}

MISTAKES_OF_THE_CALLER: tuple[FaultKind, ...] = (
    "invalid_request",
    "context_length",
    "content_filtered",
    "validation",
)


def test_every_kind_has_its_row_and_no_row_is_without_a_kind() -> None:
    assert set(FAULT_ROWS) == set(FAULT_KINDS) == set(get_args(FaultKind)) >= LEAST
    assert len(FAULT_KINDS) == len(set(FAULT_KINDS))


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        FAULT_ROWS["unknown"] = FAULT_ROWS["internal"]  # type: ignore[index]  # what nobody may do
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        FAULT_ROWS["unknown"].retryable = True  # type: ignore[misc]  # the same


@pytest.mark.parametrize("kind", FAULT_KINDS)
class TestEachRow:
    def test_its_values_are_of_their_scales(self, kind: FaultKind) -> None:
        row = FAULT_ROWS[kind]
        assert row.priority in get_args(Priority)
        assert row.fallback in get_args(FallbackStrategy)
        assert 1.0 <= row.backoff <= 3.0
        assert isinstance(row.retryable, bool)
        assert isinstance(row.alert, bool)

    def test_what_wakes_somebody_is_urgent_and_what_is_urgent_wakes_somebody(self, kind: FaultKind) -> None:
        row = FAULT_ROWS[kind]
        assert row.alert == (row.priority in {"high", "critical"})

    def test_a_client_reads_a_plain_sentence(self, kind: FaultKind) -> None:
        text = FAULT_ROWS[kind].public_message
        assert re.fullmatch(r"[a-z][a-z ,;']{10,80}[a-z]", text)
        assert not re.search(
            r"breaker|actor|provider|anthropic|model|quota|token|retry|database|http|key", text
        )

    def test_a_client_is_asked_back_only_where_that_helps_it(self, kind: FaultKind) -> None:
        row = FAULT_ROWS[kind]
        if row.fallback == "none" and not row.retryable:
            assert "try again" not in row.public_message


@pytest.mark.parametrize("kind", MISTAKES_OF_THE_CALLER)
def test_a_mistake_of_the_caller_wakes_nobody_and_is_not_tried_again(kind: FaultKind) -> None:
    row = FAULT_ROWS[kind]
    assert (row.retryable, row.alert, row.priority) == (False, False, "low")
    assert row.fallback == ("truncate" if kind == "context_length" else "none")


def test_a_429_without_a_hint_waits_three_times_as_long() -> None:
    assert FAULT_ROWS["rate_limited"].backoff == FAULT_ROWS["acceleration_limited"].backoff == 3.0


@pytest.mark.parametrize("kind", ["auth_error", "permission_denied", "spend_limited", "quota_exhausted"])
def test_what_only_a_human_can_mend_is_not_tried_again_and_wakes_one(kind: FaultKind) -> None:
    row = FAULT_ROWS[kind]
    assert (row.retryable, row.alert) == (False, True)


def test_every_strategy_but_none_stands_for_some_kind() -> None:
    assert {row.fallback for row in FAULT_ROWS.values()} == set(get_args(FallbackStrategy))


def test_a_row_is_a_value() -> None:
    row = FAULT_ROWS["dns"]
    assert row == FaultRow(
        row.retryable, row.priority, row.backoff, row.alert, row.fallback, row.public_message
    )
