"""Amounts are whole numbers that floats can hold exactly; only sums of several may be more than one can be."""

from __future__ import annotations

import pytest

from actors.policies.usage import MOST, Usage, check_count

FIELDS = ("requests", "input_tokens", "output_tokens")


@pytest.mark.parametrize("field", FIELDS)
def test_an_amount_is_at_most_a_thousand_million_million(field: str) -> None:
    assert getattr(Usage(**{field: 10**15}), field) == MOST
    with pytest.raises(ValueError, match=rf"^{field} must be <= 10\*\*15, got 1000000000000001$"):
        Usage(**{field: 10**15 + 1})


@pytest.mark.parametrize("field", FIELDS)
def test_an_amount_of_hundreds_of_digits_is_named_by_its_length(field: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must be <= 10\*\*15, got a whole number of 1329 bits$"):
        check_count(field, 10**400)
    with pytest.raises(ValueError, match=rf"^{field} must be >= 0, got a whole number of 1329 bits$"):
        Usage(**{field: -(10**400)})


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_an_amount_is_a_whole_number(value: object) -> None:
    with pytest.raises(TypeError, match=rf"^actual must be a whole number, got {value!r}$"):
        check_count("actual", value)


def test_a_sum_may_be_more_than_one_call_can_be() -> None:
    total = Usage(1, MOST, 5) + Usage(2, MOST, 6)

    assert (total.requests, total.input_tokens, total.output_tokens) == (3, 2 * 10**15, 11)
    assert total == Usage.total(3, 2 * 10**15, 11)
    assert hash(total) == hash(Usage.total(3, 2 * 10**15, 11))
    assert total != Usage(3, MOST, 11)


def test_a_sum_of_little_is_a_usage_like_any() -> None:
    assert Usage(1, 2, 3) + Usage(4, 5, 6) == Usage(5, 7, 9)


def test_a_usage_is_corrected_by_what_was_told_and_keeps_what_nobody_told() -> None:
    supposed = Usage(1, 900, 400)

    assert supposed.corrected(912, None) == Usage(1, 912, 400)
    assert supposed.corrected(None, 0) == Usage(1, 900, 0)
    assert supposed.corrected(None, None) == supposed


def test_a_correction_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"output_tokens must be >= 0, got -1"):
        Usage(1, 900, 400).corrected(None, -1)
