"""Limits are checked where they are made, name what can never fit, and shrink by a share."""

from __future__ import annotations

import math
import re
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.policies.ledger.limits import NO_LIMITS, QUANTITIES, Limit, Limits, Quantity, amount_of
from actors.policies.usage import Usage

HUGE = Usage(10**9, 10**9, 10**9)


# ── how much of what ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [("requests", 1), ("input_tokens", 20), ("output_tokens", 300), ("total_tokens", 320)],
)
def test_the_amount_of_a_quantity_is_read_off_a_usage(quantity: Quantity, amount: int) -> None:
    assert amount_of(Usage(1, 20, 300), quantity) == amount


# ── one limit ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_limit_is_per_minute_unless_it_says_so() -> None:
    assert Limit("requests", 50) == Limit("requests", 50, 60.0)


def test_a_limit_reads_as_a_sentence() -> None:
    assert str(Limit("requests", 14_400, 86_400.0)) == "14400 requests per 86400 s"
    assert str(Limit("total_tokens", 9, 0.25)) == "9 total_tokens per 0.25 s"


def test_a_limit_is_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Limit("requests", 50).amount = 7  # type: ignore[misc]  # the assignment is what is tested


@pytest.mark.parametrize("quantity", ["tokens", "", None, 1])
def test_only_a_known_quantity_is_limited(quantity: Any) -> None:
    text = (
        "quantity must be one of requests, input_tokens, output_tokens, total_tokens, "
        f"got {re.escape(repr(quantity))}"
    )
    with pytest.raises(ValueError, match=f"^{text}$"):
        Limit(quantity, 50)


@pytest.mark.parametrize("amount", [1.5, "50", True, None])
def test_an_amount_is_a_whole_number(amount: Any) -> None:
    with pytest.raises(TypeError, match=rf"^amount must be a whole number, got {amount!r}$"):
        Limit("requests", amount)


@pytest.mark.parametrize("amount", [0, -1])
def test_an_amount_below_one_is_refused(amount: int) -> None:
    with pytest.raises(ValueError, match=rf"^amount must be >= 1, got {amount}$"):
        Limit("requests", amount)


# ── all limits ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_defaults_are_the_smallest_published_schedule() -> None:
    assert Limits() == Limits(requests=50, input_tokens=30_000, output_tokens=8_000, window=60.0)


def test_limits_are_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Limits().requests = 7  # type: ignore[misc]  # the assignment is what is tested


@pytest.mark.parametrize("name", ["requests", "input_tokens", "output_tokens"])
@pytest.mark.parametrize("value", [1.5, "50", True])
def test_a_usual_limit_is_a_whole_number_or_none(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name} must be a whole number or None, got {value!r}$"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["requests", "input_tokens", "output_tokens"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_usual_limit_below_one_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be >= 1 or None, got {value}$"):
        Limits(**{name: value})


@pytest.mark.parametrize("value", ["60", None, True])
def test_a_window_is_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^window must be a number of seconds, got {value!r}$"):
        Limits(window=value)
    with pytest.raises(TypeError, match=rf"^window must be a number of seconds, got {value!r}$"):
        Limit("requests", 50, value)


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan])
def test_a_window_is_positive_and_finite(value: float) -> None:
    with pytest.raises(ValueError, match=rf"^window must be > 0 and finite, got {value}$"):
        Limits(window=value)
    with pytest.raises(ValueError, match=rf"^window must be > 0 and finite, got {value}$"):
        Limit("requests", 50, value)


def test_a_window_may_be_shorter_than_a_second_and_a_whole_number() -> None:
    assert Limits(window=0.25).window == 0.25
    assert Limits(window=60) == Limits(window=60.0)


def test_each_limit_comes_in_its_order_the_further_ones_last() -> None:
    further = (Limit("requests", 2, 1.0), Limit("total_tokens", 9))
    assert Limits(5, 60, 700, window=10.0, further=further).each == (
        Limit("requests", 5, 10.0),
        Limit("input_tokens", 60, 10.0),
        Limit("output_tokens", 700, 10.0),
        *further,
    )


def test_what_is_not_limited_is_no_limit() -> None:
    assert NO_LIMITS.each == ()
    assert Limits(None, 60, None).each == (Limit("input_tokens", 60),)


@pytest.mark.parametrize(
    ("further", "text"),
    [
        ([Limit("requests", 1, 1.0)], "further must be a tuple of Limit, got list"),
        ((Limit("requests", 1, 1.0), 7), "further must be a tuple of Limit, got int in it"),
    ],
)
def test_further_limits_are_a_tuple_of_limits(further: Any, text: str) -> None:
    with pytest.raises(TypeError, match=f"^{text}$"):
        Limits(further=further)


@pytest.mark.parametrize(
    ("further", "text"),
    [
        ((Limit("requests", 40),), "50 requests per 60 s and 40 requests per 60 s"),
        ((Limit("requests", 50, 60),), "50 requests per 60 s and 50 requests per 60 s"),
        (
            (Limit("total_tokens", 9, 1.0), Limit("requests", 9, 1.0), Limit("total_tokens", 8, 1)),
            "9 total_tokens per 1 s and 8 total_tokens per 1 s",
        ),
    ],
)
def test_a_quantity_is_limited_once_in_a_window(further: tuple[Limit, ...], text: str) -> None:
    with pytest.raises(ValueError, match=f"^limits must differ in quantity or window, got {text}$"):
        Limits(further=further)


def test_a_quantity_may_be_limited_in_several_windows_and_a_window_may_have_several_quantities() -> None:
    further = (Limit("requests", 2, 1.0), Limit("requests", 900, 86_400.0), Limit("total_tokens", 9))
    assert Limits(further=further).each[3:] == further
    assert Limits(requests=None, further=(Limit("requests", 40),)).each[-1] == Limit("requests", 40)


# ── a share ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_seven_tenths_of_fifty_requests_are_thirty_five() -> None:
    assert Limits().scaled(0.7) == Limits(35, 21_000, 5_600)


def test_a_share_of_the_further_limits_is_taken_too_and_windows_stay() -> None:
    limits = Limits(None, 100, None, window=10.0, further=(Limit("total_tokens", 250, 1.0),))
    assert limits.scaled(0.97) == Limits(
        None, 97, None, window=10.0, further=(Limit("total_tokens", 242, 1.0),)
    )


def test_a_share_is_rounded_down_but_never_to_nothing() -> None:
    assert Limits(50, 3, 1, further=(Limit("requests", 1, 1.0),)).scaled(0.5) == Limits(
        25, 1, 1, further=(Limit("requests", 1, 1.0),)
    )


def test_the_whole_share_changes_nothing() -> None:
    assert Limits().scaled(1) == Limits()


@pytest.mark.parametrize("share", [0, -0.1, 1.01, math.inf, math.nan])
def test_a_share_is_above_nothing_and_at_most_the_whole(share: float) -> None:
    with pytest.raises(ValueError, match=rf"^share must be > 0 and <= 1, got {share}$"):
        Limits().scaled(share)


@example(amount=100, percent=29)
@given(amount=st.integers(1, 10**9), percent=st.integers(1, 100))
def test_a_share_in_hundredths_is_what_whole_numbers_make_of_it(amount: int, percent: int) -> None:
    assert Limits(amount).scaled(percent / 100).requests == max(1, amount * percent // 100)


# ── what can never fit ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_at_the_limit_does_not_exceed_it() -> None:
    limits = Limits(further=(Limit("total_tokens", 38_000),))
    assert limits.exceeded_by(Usage(50, 30_000, 8_000)) is None


@pytest.mark.parametrize(
    ("usage", "limit"),
    [
        (Usage(51, 30_001, 8_001), Limit("requests", 50)),
        (Usage(50, 30_001, 8_001), Limit("input_tokens", 30_000)),
        (Usage(50, 30_000, 8_001), Limit("output_tokens", 8_000)),
        (Usage(3, 30_000, 8_000), Limit("requests", 2, 1.0)),
        (Usage(2, 30_000, 7_001), Limit("total_tokens", 37_000)),
    ],
)
def test_the_first_limit_that_is_exceeded_is_named(usage: Usage, limit: Limit) -> None:
    limits = Limits(further=(Limit("requests", 2, 1.0), Limit("total_tokens", 37_000)))
    assert limits.exceeded_by(usage) == limit


def test_nothing_exceeds_what_is_not_limited() -> None:
    assert NO_LIMITS.exceeded_by(HUGE) is None


@given(usage=st.builds(Usage, *[st.integers(0, 9)] * 3), quantity=st.sampled_from(QUANTITIES))
def test_a_limit_is_exceeded_by_more_than_its_amount_and_by_nothing_else(
    usage: Usage, quantity: Quantity
) -> None:
    limit = Limit(quantity, 5)
    limits = attrs.evolve(NO_LIMITS, further=(limit,))
    assert (limits.exceeded_by(usage) == limit) == (amount_of(usage, quantity) > 5)


def test_a_limit_is_at_most_a_thousand_million_million() -> None:
    assert Limits(requests=10**15).requests == Limit("requests", 10**15).amount == 10**15
    with pytest.raises(ValueError, match=r"^requests must be <= 10\*\*15, got 1000000000000001$"):
        Limits(requests=10**15 + 1)
    with pytest.raises(ValueError, match=r"^amount must be <= 10\*\*15, got a whole number of 1329 bits$"):
        Limit("requests", 10**400)


def test_a_limit_far_below_1_is_told_without_hundreds_of_digits() -> None:
    with pytest.raises(ValueError, match=r"^requests must be >= 1 or None, got a whole number of 1329 bits$"):
        Limits(requests=-(10**400))
    with pytest.raises(ValueError, match=r"^amount must be >= 1, got a whole number of 1329 bits$"):
        Limit("requests", -(10**400))


def test_a_window_is_a_number_that_a_float_can_hold() -> None:
    with pytest.raises(
        ValueError, match=r"^window must be a number of seconds, got a whole number of 1329 bits$"
    ):
        Limits(window=10**400)
