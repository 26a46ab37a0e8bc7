"""What a provider says about its own limits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.wire.headers import AnthropicLimits, ObservedLimit, parse_anthropic_limits

PREFIX = "anthropic-ratelimit"


def observed(text: str, field: str) -> ObservedLimit | None:
    return parse_anthropic_limits({f"{PREFIX}-requests-{field}": text}).requests


def test_all_four_limits_are_read() -> None:
    limits = parse_anthropic_limits(
        {
            f"{PREFIX}-requests-limit": "1000",
            f"{PREFIX}-requests-remaining": "999",
            f"{PREFIX}-requests-reset": "2026-05-04T12:00:00Z",
            f"{PREFIX}-tokens-limit": "96000",
            f"{PREFIX}-input-tokens-limit": "80000",
            f"{PREFIX}-input-tokens-remaining": "79000",
            f"{PREFIX}-output-tokens-reset": "2026-05-04T12:00:01.5+02:00",
        }
    )
    assert limits == AnthropicLimits(
        requests=ObservedLimit(1000, 999, datetime(2026, 5, 4, 12, tzinfo=UTC)),
        tokens=ObservedLimit(limit=96_000),
        input_tokens=ObservedLimit(80_000, 79_000),
        output_tokens=ObservedLimit(reset=datetime(2026, 5, 4, 10, 0, 1, 500_000, tzinfo=UTC)),
    )


def test_no_headers_report_nothing() -> None:
    assert parse_anthropic_limits({}) == AnthropicLimits(None, None, None, None)


def test_nothing_left_is_zero_and_not_unknown() -> None:
    assert observed("0", "remaining") == ObservedLimit(remaining=0)


def test_a_limit_of_zero_is_unknown() -> None:
    assert observed("0", "limit") is None


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "many", "1_000", "1,000", "٣", "9" * 5000, "nan", "7\x1f", " 7"]
)
@pytest.mark.parametrize("field", ["limit", "remaining"])
def test_a_malformed_count_is_unknown(text: str, field: str) -> None:
    assert observed(text, field) is None


@pytest.mark.parametrize(
    "text", ["", "0", "60", "6m0s", "2026-05-04T12:00:00", "2026-05-04", "2026-13-04T12:00:00Z"]
)
def test_a_malformed_reset_is_unknown(text: str) -> None:
    assert observed(text, "reset") is None


def test_a_malformed_field_leaves_its_neighbours() -> None:
    limits = parse_anthropic_limits({f"{PREFIX}-tokens-limit": "x", f"{PREFIX}-tokens-remaining": "7"})
    assert limits.tokens == ObservedLimit(remaining=7)


NAMES = [
    f"{PREFIX}-{of}-{field}"
    for of in ("requests", "tokens", "input-tokens", "output-tokens")
    for field in ("limit", "remaining", "reset")
]
TEXT = (
    st.text(max_size=30)
    | st.integers().map(str)
    | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
)


@given(headers=st.dictionaries(st.sampled_from(NAMES), TEXT))
def test_any_headers_report_counts_in_range_and_aware_resets(headers: dict[str, str]) -> None:
    limits = parse_anthropic_limits(headers)
    for each in (limits.requests, limits.tokens, limits.input_tokens, limits.output_tokens):
        if each is not None:
            assert each != ObservedLimit()
            assert each.limit is None or each.limit >= 1
            assert each.remaining is None or each.remaining >= 0
            assert each.reset is None or each.reset.utcoffset() is not None
