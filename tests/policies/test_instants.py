"""Sums of instants are never early, and what is no instant is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.instants import add_up, check_instant, check_number

FINITE = st.floats(min_value=-1e9, max_value=1e9)


def test_a_sum_that_floats_round_down_is_rounded_up() -> None:
    assert 0.7 + 0.1 == 0.7999999999999999
    assert add_up(0.7, 0.1) == 0.8


def test_an_exact_sum_stays_as_it_is() -> None:
    assert add_up(10.0, 0.5, 60.0) == 70.5


@given(parts=st.lists(FINITE, min_size=1, max_size=4))
def test_a_sum_is_the_smallest_float_that_is_not_below_the_exact_one(parts: list[float]) -> None:
    exact = sum(map(Fraction, parts))

    total = add_up(*parts)

    assert Fraction(math.nextafter(total, -math.inf)) < exact <= Fraction(total)


@pytest.mark.parametrize("value", ["3", None, True])
def test_a_number_of_seconds_is_a_number(value: object) -> None:
    with pytest.raises(TypeError, match=rf"^wait must be a number of seconds, got {value!r}$"):
        check_number("wait", value)


def test_nan_is_no_number_of_seconds() -> None:
    with pytest.raises(ValueError, match=r"^wait must be a number of seconds, got nan$"):
        check_number("wait", math.nan)


def test_infinity_is_a_number_and_no_instant() -> None:
    assert check_number("deadline", math.inf) == math.inf
    with pytest.raises(ValueError, match=r"^now must be finite, got inf$"):
        check_instant("now", math.inf, earliest=0.0)


def test_an_instant_keeps_its_bounds_both_included() -> None:
    assert check_instant("now", 1.0, earliest=1.0, latest=1.0) == 1.0
    with pytest.raises(ValueError, match=r"^now must be >= 2\.0, got 1\.0$"):
        check_instant("now", 1.0, earliest=2.0)
    with pytest.raises(ValueError, match=r"^now must be <= 0\.5, got 1\.0$"):
        check_instant("now", 1.0, earliest=0.0, latest=0.5)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_whole_number_that_no_float_can_hold_is_no_instant_and_is_named_by_its_length(sign: int) -> None:
    expected = r"^wait must be a number of seconds, got a whole number of 1329 bits$"

    with pytest.raises(ValueError, match=expected):
        check_number("wait", sign * 10**400)
    with pytest.raises(ValueError, match=expected):
        check_instant("wait", sign * 10**400, earliest=0.0)


def test_a_bound_is_told_without_hundreds_of_digits() -> None:
    with pytest.raises(ValueError, match=r"^wait must be <= 5, got a whole number of 997 bits$"):
        check_instant("wait", 10**300, earliest=0.0, latest=5)
    with pytest.raises(ValueError, match=r"^wait must be >= 0.0, got a whole number of 997 bits$"):
        check_instant("wait", -(10**300), earliest=0.0)
