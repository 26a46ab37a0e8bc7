"""The guess of tokens before anyone has counted them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.estimates.estimate import Estimate, estimate_tokens
from actors.testing.provider import count_tokens

TEXTS = st.text(max_size=200)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("a" * 7, 2),
        ("a" * 8, 3),
        ("a" * 3500, 1000),
        ("я", 1),
        ("я" * 300, 200),
        ("剧", 1),
        ("剧本" * 50, 100),
        ("🎬" * 3, 4),
        ("\ud800", 1),
    ],
)
def test_ascii_counts_two_sevenths_of_a_token_and_any_other_byte_a_third(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(TEXTS, TEXTS)
def test_a_text_never_costs_more_than_its_parts(one: str, other: str) -> None:
    assert estimate_tokens(one + other) <= estimate_tokens(one) + estimate_tokens(other)


@given(TEXTS, TEXTS)
def test_a_longer_text_never_costs_less(one: str, other: str) -> None:
    assert estimate_tokens(one) <= estimate_tokens(one + other)


@given(TEXTS)
def test_no_text_is_guessed_below_what_the_simulated_provider_counts(text: str) -> None:
    assert estimate_tokens(text) >= count_tokens(text)


def test_an_estimate_reserves_at_least_what_it_expects() -> None:
    assert Estimate(3, 3).features == ()
    with pytest.raises(ValueError, match=r"^at_most must be >= expected 4, got 3$"):
        Estimate(4, 3)


@pytest.mark.parametrize(("expected", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError)])
def test_an_estimate_is_of_whole_tokens(expected: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^expected must be "):
        Estimate(expected, 5)
