"""A fault as a value: what its kind gives it, what it refuses to be, and what can be asked of it."""

from __future__ import annotations

import copy
import math
import pickle
import re
from typing import Any

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

    @pytest.mark.parametrize("wait", [0, -1.0, math.inf, math.nan, 2_678_401.0])
    def test_a_wait_that_is_no_time_ahead_or_beyond_belief_is_refused(self, wait: float) -> None:
        words = f"retry_after must be > 0 and <= 2678400 seconds, or None, got {wait}"
        with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
            Fault.of("rate_limited", retry_after=wait)

    @pytest.mark.parametrize("digits", [400, 9_000])
    def test_a_wait_of_more_digits_than_a_float_or_a_page_holds_is_refused(self, digits: int) -> None:
        with pytest.raises(ValueError, match=r"^retry_after must be > 0 and <= 2678400 .*, got too many$"):
            Fault.of("rate_limited", retry_after=10**digits)

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("retry_after", "3", "retry_after must be seconds, or None, got str"),
            ("retry_after", True, "retry_after must be seconds, or None, got bool"),
            ("status", "x", "status must be a whole number, or None, got str"),
            ("status", True, "status must be a whole number, or None, got bool"),
            ("status", 429.0, "status must be a whole number, or None, got float"),
            ("provider", None, "provider must be a text, got NoneType"),
            ("request_id", 7, "request_id must be a text, got int"),
            ("message", 7, "message must be a text, got int"),
            ("charged", 1, "charged must be True or False, got 1"),
            ("retryable", "no", "retryable must be True or False, got 'no'"),
        ],
    )
    def test_a_value_of_the_wrong_kind_is_refused(self, name: str, value: object, words: str) -> None:
        facts: dict[str, Any] = {"message": "x"} | {name: value}
        with pytest.raises(TypeError, match=f"^{re.escape(words)}$"):
            Fault.of("rate_limited", **facts)

    @pytest.mark.parametrize("name", ["provider", "request_id"])
    @pytest.mark.parametrize("value", ["a\nb", "a\x1b[0m", "\ud83d", "x" * 129])
    def test_a_name_that_would_break_a_line_of_the_log_is_refused(self, name: str, value: str) -> None:
        facts: dict[str, Any] = {name: value}
        with pytest.raises(
            ValueError, match=rf"^{name} must be one line of at most 128 printable characters"
        ):
            Fault.of("rate_limited", **facts)
        assert Fault.of("rate_limited", provider="x" * 128, request_id="x" * 128).status is None

    @pytest.mark.parametrize("name", ["kind", "priority", "fallback"])
    @pytest.mark.parametrize("value", ["bad luck", [], None])
    def test_what_is_none_of_the_choices_is_refused(self, name: str, value: object) -> None:
        change: dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=rf"^{name} must be one of .*, got "):
            attrs.evolve(Fault.of("dns"), **change)
        if name == "kind":
            with pytest.raises(ValueError, match=r"^kind must be one of .*, got "):
                Fault.of(value)  # type: ignore[arg-type]  # what nobody may do

    @pytest.mark.parametrize("name", ["alert", "public_message"])
    def test_what_comes_of_its_row_is_checked_where_it_is_changed(self, name: str) -> None:
        change: dict[str, Any] = {name: 1}
        with pytest.raises(TypeError, match=rf"^{name} must be "):
            attrs.evolve(Fault.of("dns"), **change)

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
