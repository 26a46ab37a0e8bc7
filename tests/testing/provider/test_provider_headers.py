"""Rate limit headers, letter for letter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from actors.testing.provider.limits import MODES, Dimension, Mode, ProviderLimits
from actors.testing.provider.pool import Pool
from actors.testing.provider.rate_headers import http_date, rate_headers, rfc3339
from actors.wire.rate_limits import ObservedLimit, parse_rate_limits

EPOCH = 1_767_225_600.0


def test_twelve_headers_tell_limits_remainders_and_resets_and_one_the_date() -> None:
    pool = Pool(ProviderLimits(requests=50, input_tokens=30_000, output_tokens=8_000), "sliding_window")
    assert pool.admit(0.0, 2_600) is None
    pool.produce(5.0, 400)
    assert rate_headers(pool, now=10.0, wall_clock=EPOCH + 10.0) == {
        "date": "Thu, 01 Jan 2026 00:00:10 GMT",
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


def test_the_date_is_cut_to_the_second() -> None:
    assert http_date(EPOCH + 59.999) == "Thu, 01 Jan 2026 00:00:59 GMT"
    assert http_date(EPOCH + 60.0) == "Thu, 01 Jan 2026 00:01:00 GMT"


@pytest.mark.parametrize("now", [10.0, 10.25, 10.999])
@pytest.mark.parametrize("mode", MODES)
def test_a_client_reads_limits_remainders_and_resets_that_are_never_too_early(now: float, mode: Mode) -> None:
    pool = Pool(ProviderLimits(requests=50, input_tokens=30_000, output_tokens=8_000), mode)
    assert pool.admit(0.5, 12_600) is None
    pool.produce(5.0, 1_400)
    headers = rate_headers(pool, now=now, wall_clock=EPOCH + now)
    seen = parse_rate_limits(headers, dialect="anthropic", now_wall=None)
    assert seen.at == datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    requests, given, produced, tokens = seen.limits
    assert (requests.limit, requests.remaining, given.limit, produced.limit) == (
        50,
        max(0, pool.remaining(now, "requests")),
        30_000,
        8_000,
    )
    assert (tokens.limit, tokens.is_shared) == (38_000, True)
    dimensions: tuple[tuple[ObservedLimit, Dimension], ...] = (
        (requests, "requests"),
        (given, "input_tokens"),
        (produced, "output_tokens"),
    )
    for limit, dimension in dimensions:
        assert limit.resets_in is not None
        assert 0 <= limit.resets_in - (pool.full_at(now, dimension) - now) < 2.0
