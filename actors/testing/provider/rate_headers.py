"""The rate limit headers of a response, in the dialect of the Anthropic API, and the date they are true at."""

from __future__ import annotations

import email.utils
import math
from datetime import UTC, datetime

from actors.testing.provider.limits import Dimension
from actors.testing.provider.pool import Pool

ROUNDED_TO = 1_000
"""Tokens. The API reports remaining tokens to the nearest thousand."""

PREFIX = "anthropic-ratelimit"

_FIELDS = {
    name: (f"{PREFIX}-{name}-limit", f"{PREFIX}-{name}-remaining", f"{PREFIX}-{name}-reset")
    for name in ("requests", "tokens", "input-tokens", "output-tokens")
}


def rate_headers(pool: Pool, *, now: float, wall_clock: float) -> dict[str, str]:
    """Return limit, remaining and reset of requests, tokens, input tokens and output tokens, and the date.

    "tokens" is input and output together: the sum of both limits and of both remainders, and the later reset.

    Args:
        pool: what the request counted against.
        now: the instant of the response.
        wall_clock: what `now` is in Unix time, seconds.
    """
    requests_left = max(0, pool.remaining(now, "requests"))
    input_left = _rounded(pool, now, "input_tokens")
    output_left = _rounded(pool, now, "output_tokens")
    input_full_at, output_full_at = pool.full_at(now, "input_tokens"), pool.full_at(now, "output_tokens")
    limits = pool.limits
    rows = (
        ("requests", limits.requests, requests_left, pool.full_at(now, "requests")),
        (
            "tokens",
            limits.input_tokens + limits.output_tokens,
            input_left + output_left,
            max(input_full_at, output_full_at),
        ),
        ("input-tokens", limits.input_tokens, input_left, input_full_at),
        ("output-tokens", limits.output_tokens, output_left, output_full_at),
    )
    headers = {"date": http_date(wall_clock)}
    for name, limit, left, full_at in rows:
        of_limit, of_remaining, of_reset = _FIELDS[name]
        headers[of_limit] = str(limit)
        headers[of_remaining] = str(left)
        headers[of_reset] = rfc3339(wall_clock + full_at - now)
    return headers


def rfc3339(unix_time: float) -> str:
    """Return a Unix time as RFC 3339 in UTC, rounded up to the second: a reset is never announced too early.

    >>> rfc3339(0.25)
    '1970-01-01T00:00:01Z'
    """
    moment = datetime.fromtimestamp(math.ceil(unix_time), UTC)
    return f"{moment.replace(tzinfo=None).isoformat()}Z"


def http_date(unix_time: float) -> str:
    """Return a Unix time as an HTTP-date, its fraction of a second cut off, as servers do.

    >>> http_date(0.75)
    'Thu, 01 Jan 1970 00:00:00 GMT'
    """
    moment = datetime.fromtimestamp(math.floor(unix_time), UTC)
    return email.utils.format_datetime(moment, usegmt=True)


def _rounded(pool: Pool, now: float, dimension: Dimension) -> int:
    left = max(0, pool.remaining(now, dimension))
    return min(pool.limit(dimension), (left + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO)
