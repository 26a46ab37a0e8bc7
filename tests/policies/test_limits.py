"""Limits are checked where they are made, and tell what can never fit."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from actors.policies.limits import Limits
from actors.policies.usage import Usage

UNLIMITED = Limits(requests=None, input_tokens=None, output_tokens=None)


def test_the_defaults_are_the_smallest_published_schedule() -> None:
    assert Limits() == Limits(requests=50, input_tokens=30_000, output_tokens=8_000, window=60.0)


def test_limits_are_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Limits().requests = 7  # type: ignore[misc]  # the assignment is what is tested


@pytest.mark.parametrize("name", ["requests", "input_tokens", "output_tokens"])
@pytest.mark.parametrize("value", [1.5, "50", True])
def test_a_limit_is_a_whole_number_or_none(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name} must be a whole number or None, got {value!r}$"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["requests", "input_tokens", "output_tokens"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_below_one_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be >= 1 or None, got {value}$"):
        Limits(**{name: value})


@pytest.mark.parametrize("value", ["60", None, True])
def test_a_window_is_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^window must be a number of seconds, got {value!r}$"):
        Limits(window=value)


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan])
def test_a_window_is_positive_and_finite(value: float) -> None:
    with pytest.raises(ValueError, match=rf"^window must be > 0 and finite, got {value}$"):
        Limits(window=value)


def test_a_window_may_be_shorter_than_a_second_and_a_whole_number() -> None:
    assert Limits(window=0.25).window == 0.25
    assert Limits(window=60) == Limits(window=60.0)


def test_what_is_at_the_limit_does_not_exceed_it() -> None:
    assert Limits().exceeded_by(Usage(50, 30_000, 8_000)) is None


@pytest.mark.parametrize(
    ("usage", "dimension"),
    [
        (Usage(51, 30_001, 8_001), "requests"),
        (Usage(50, 30_001, 8_001), "input_tokens"),
        (Usage(50, 30_000, 8_001), "output_tokens"),
    ],
)
def test_the_first_dimension_that_is_too_large_is_named(usage: Usage, dimension: str) -> None:
    assert Limits().exceeded_by(usage) == dimension


def test_nothing_exceeds_what_is_not_limited() -> None:
    assert UNLIMITED.exceeded_by(Usage(10**9, 10**9, 10**9)) is None
