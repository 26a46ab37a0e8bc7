"""A fault as a value: what its kind gives it, what it refuses to be, and what can be asked of it."""

from __future__ import annotations

import copy
import math
import pickle

import attrs
import pytest

from actors.faults import (
    FAULT_KINDS,
    FAULT_ROWS,
    ErrorContext,
    Fault,
    FaultKind,
    is_auth_error,
    is_network,
    is_overloaded,
    is_rate_limited,
    is_retryable,
)

HIDDEN = "sk-ant-secret the butler did it"


class TestMaking:
    @pytest.mark.parametrize("kind", FAULT_KINDS)
    def test_a_fault_is_what_the_row_of_its_kind_says(self, kind: FaultKind) -> None:
        fault, row = Fault.of(kind), FAULT_ROWS[kind]
        assert (fault.retryable, fault.priority, fault.alert) == (row.retryable, row.priority, row.alert)
        assert (fault.fallback, fault.public_message) == (row.fallback, row.public_message)
        assert fault.backoff == row.backoff
        assert fault.message == kind.replace("_", " ")
        assert (fault.provider, fault.status, fault.request_id) == ("", None, None)
        assert (fault.retry_after, fault.charged, fault.raw) == (None, True, None)

    def test_whether_it_can_succeed_later_may_be_known_better(self) -> None:
        assert Fault.of("quota_exhausted", retryable=True).retryable is True
        assert Fault.of("overloaded", retryable=False).retryable is False

    def test_facts_are_kept(self) -> None:
        raw = object()
        fault = Fault.of(
            "rate_limited",
            "anthropic answered 429",
            provider="anthropic",
            status=429,
            request_id="req_1",
            retry_after=7.5,
            charged=False,
            raw=raw,
        )
        assert (fault.provider, fault.status, fault.request_id) == ("anthropic", 429, "req_1")
        assert (fault.retry_after, fault.charged, fault.raw) == (7.5, False, raw)
        assert fault.message == "anthropic answered 429"

    @pytest.mark.parametrize("wait", [0, -1.0, math.inf, math.nan])
    def test_a_wait_that_is_no_time_ahead_is_refused(self, wait: float) -> None:
        with pytest.raises(ValueError, match=rf"^retry_after must be > 0 and finite, or None, got {wait}$"):
            Fault.of("rate_limited", retry_after=wait)

    def test_a_kind_that_there_is_not_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^kind must be one of network_timeout, .*, got 'bad luck'$"):
            Fault.of("bad luck")  # type: ignore[arg-type]  # what nobody may do
        with pytest.raises(ValueError, match=r"^kind must be one of network_timeout, .*, got 'bad luck'$"):
            attrs.evolve(Fault.of("dns"), kind="bad luck")  # type: ignore[arg-type]  # the same


class TestValue:
    def test_what_it_was_made_from_is_in_no_repr_and_no_comparison(self) -> None:
        fault = Fault.of("dns", raw=HIDDEN)
        assert HIDDEN not in repr(fault)
        assert fault == Fault.of("dns")

    def test_it_cannot_be_changed(self) -> None:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            Fault.of("dns").retryable = False  # type: ignore[misc]  # what nobody may do

    def test_it_can_be_copied_and_pickled(self) -> None:
        fault = Fault.of("dns", provider="groq", retry_after=1.0)
        assert pickle.loads(pickle.dumps(fault)) == copy.copy(fault) == fault  # noqa: S301  # our own bytes


class TestQuestions:
    def test_each_question_is_about_its_kinds_and_no_others(self) -> None:
        def kinds(asked: object) -> set[str]:
            assert callable(asked)
            return {kind for kind in FAULT_KINDS if asked(Fault.of(kind))}

        assert kinds(is_overloaded) == {"overloaded"}
        assert kinds(is_auth_error) == {"auth_error", "permission_denied"}
        assert kinds(is_rate_limited) == {
            "rate_limited",
            "acceleration_limited",
            "quota_exhausted",
            "spend_limited",
        }
        assert kinds(is_network) == {
            "network_timeout",
            "network_refused",
            "network_reset",
            "dns",
            "stream_interrupted",
        }
        assert kinds(is_retryable) == {kind for kind in FAULT_KINDS if FAULT_ROWS[kind].retryable}

    def test_whether_to_try_again_is_asked_of_the_fault_and_not_of_its_kind(self) -> None:
        assert is_retryable(Fault.of("validation", retryable=True))
        assert not is_retryable(Fault.of("overloaded", retryable=False))


def test_a_context_says_nothing_that_nobody_told_it() -> None:
    context = ErrorContext()
    assert (context.service, context.model, context.attempt, context.elapsed) == ("", None, 0, 0.0)
    assert (context.breaker, context.budget_left, dict(context.ids)) == (None, None, {})
    assert ErrorContext().ids is not context.ids
