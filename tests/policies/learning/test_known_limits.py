"""How what was detected goes together with what was configured."""

from __future__ import annotations

import pytest

from actors.policies.learning.known_limits import Amounts, amounts_of, put_together
from actors.policies.ledger.limits import NO_LIMITS, Limit, Limits

CONFIGURED = Limits(requests=50, input_tokens=30_000, output_tokens=8_000)


def test_what_was_detected_goes_before_what_was_configured() -> None:
    detected: Amounts = {("requests", 60.0): 4_000, ("output_tokens", 60.0): 100}

    assert put_together(CONFIGURED, detected, {}) == Limits(4_000, 30_000, 100)


def test_a_limit_of_another_window_is_a_further_one() -> None:
    detected: Amounts = {("requests", 86_400.0): 14_400}

    assert put_together(CONFIGURED, detected, {}) == Limits(
        50, 30_000, 8_000, further=(Limit("requests", 14_400, 86_400.0),)
    )


def test_a_further_limit_is_replaced_by_one_of_the_same_quantity_and_window() -> None:
    configured = Limits(further=(Limit("requests", 10, 1.0), Limit("total_tokens", 9_000)))

    assert put_together(configured, {("requests", 1.0): 20}, {}).further == (
        Limit("requests", 20, 1.0),
        Limit("total_tokens", 9_000),
    )


def test_the_amounts_are_told_apart_by_quantity_and_window() -> None:
    configured = Limits(requests=50, input_tokens=None, output_tokens=7, further=(Limit("requests", 2, 1.0),))

    assert amounts_of(configured) == {
        ("requests", 60.0): 50,
        ("output_tokens", 60.0): 7,
        ("requests", 1.0): 2,
    }


def test_without_any_limit_there_is_none() -> None:
    assert put_together(NO_LIMITS, {}, {}) == NO_LIMITS
    assert put_together(NO_LIMITS, {("requests", 60.0): 3}, {}) == Limits(3, None, None)


@pytest.mark.parametrize("bound", [8_000, 30_000, 38_000, 50_000])
def test_a_bound_on_all_tokens_that_the_others_imply_is_none(bound: int) -> None:
    """The tightest limit in force may be that of input, or of output, or both together."""
    assert put_together(CONFIGURED, {}, {("total_tokens", 60.0): bound}) == CONFIGURED


@pytest.mark.parametrize("bound", [37_999, 20_000, 100])
def test_a_bound_on_all_tokens_that_nothing_implies_holds(bound: int) -> None:
    together = put_together(CONFIGURED, {}, {("total_tokens", 60.0): bound})

    assert together == Limits(50, 30_000, 8_000, further=(Limit("total_tokens", bound),))


def test_a_bound_where_input_or_output_is_unlimited_holds() -> None:
    configured = Limits(requests=None, input_tokens=100, output_tokens=None)

    assert put_together(configured, {}, {("total_tokens", 60.0): 100}).further == (
        Limit("total_tokens", 100),
    )


@pytest.mark.parametrize(("bound", "amount"), [(40, 40), (60, 50)])
def test_a_bound_only_lowers(bound: int, amount: int) -> None:
    assert put_together(CONFIGURED, {}, {("requests", 60.0): bound}).requests == amount
