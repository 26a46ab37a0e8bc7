"""Rate limit headers, letter for letter."""

from __future__ import annotations

import pytest

from actors.testing.provider.limits import ProviderLimits
from actors.testing.provider.pool import Pool
from actors.testing.provider.rate_headers import rate_headers, rfc3339

EPOCH = 1_767_225_600.0


def test_twelve_headers_tell_limits_remainders_and_resets() -> None:
    pool = Pool(ProviderLimits(requests=50, input_tokens=30_000, output_tokens=8_000), "sliding_window")
    assert pool.admit(0.0, 2_600) is None
    pool.produce(5.0, 400)
    assert rate_headers(pool, now=10.0, wall_clock=EPOCH + 10.0) == {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-01-01T00:01:00Z",
        "anthropic-ratelimit-tokens-limit": "38000",
        "anthropic-ratelimit-tokens-remaining": "35000",
        "anthropic-ratelimit-tokens-reset": "2026-01-01T00:01:05Z",
        "anthropic-ratelimit-input-tokens-limit": "30000",
        "anthropic-ratelimit-input-tokens-remaining": "27000",
        "anthropic-ratelimit-input-tokens-reset": "2026-01-01T00:01:00Z",
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "8000",
        "anthropic-ratelimit-output-tokens-reset": "2026-01-01T00:01:05Z",
    }


def test_an_untouched_pool_resets_now() -> None:
    headers = rate_headers(Pool(ProviderLimits(), "token_bucket"), now=7.0, wall_clock=EPOCH)
    assert headers["anthropic-ratelimit-requests-reset"] == "2026-01-01T00:00:00Z"
    assert headers["anthropic-ratelimit-tokens-remaining"] == "38000"


@pytest.mark.parametrize(
    ("limit", "used", "remaining"),
    [
        (8_000, 7_501, "0"),
        (8_000, 7_500, "1000"),
        (8_000, 9_000, "0"),
        (1_500, 0, "1500"),
        (1_500, 100, "1000"),
    ],
)
def test_tokens_are_told_to_the_nearest_thousand_from_nothing_to_the_limit(
    limit: int, used: int, remaining: str
) -> None:
    pool = Pool(ProviderLimits(output_tokens=limit), "sliding_window")
    pool.produce(0.0, used)
    headers = rate_headers(pool, now=0.0, wall_clock=EPOCH)
    assert headers["anthropic-ratelimit-output-tokens-remaining"] == remaining


def test_a_reset_is_never_told_too_early() -> None:
    assert rfc3339(EPOCH + 59.001) == "2026-01-01T00:01:00Z"
    assert rfc3339(EPOCH + 59.0) == "2026-01-01T00:00:59Z"
