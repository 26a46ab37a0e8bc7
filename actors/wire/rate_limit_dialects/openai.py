"""OpenAI: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, and whoever copies it.

What to know before believing a number:

- `tokens` is input and output together;
- `reset` is a duration, "6m0s" or "20ms", until the limit is whole again;
- nothing says over which window a limit counts. Usually it is a minute, but the requests of small accounts are limited
  per day under the very same names. The reset gives it away: OpenAI refills drop by drop, so what is missing takes
  `missing / limit` of the window. With 1 of 200 missing that is 0.3 s of a minute or 7m12s of a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import attrs

from actors.wire.observed_limit import ObservedLimit
from actors.wire.rate_limit_dialects.row import DAY, MINUTE, read_row

PREFIX = "x-ratelimit-"

_ACCURACY = 0.02
"""Share by which a reset may differ from what a refill over a day gives: those seen differ by their last digit."""

_LAST_DIGIT = 0.01
"""Seconds. Resets are told to the millisecond or the hundredth."""


def is_spoken(headers: Mapping[str, str]) -> bool:
    """Whether there is a header of the family that OpenAI began, which others use as well."""
    return any(name.startswith(PREFIX) for name in headers)


def read(headers: Mapping[str, str], now: datetime | None) -> tuple[ObservedLimit, ...]:
    """Return the limits in the order requests, tokens."""
    return tuple(read_rows(headers, now))


def read_rows(
    headers: Mapping[str, str], now: datetime | None, *, is_shared: bool = False
) -> Iterator[ObservedLimit]:
    """Yield the limits of requests and of tokens, each with the window that its numbers give away.

    Args:
        headers: header values under lower-case names.
        now: what the server's clock showed when it answered, or None.
        is_shared: whether the numbers may be those of another limit.
    """
    for limit in (
        *read_row(headers, f"{PREFIX}{{}}-requests", "requests", now=now, window=None, is_shared=is_shared),
        *read_row(headers, f"{PREFIX}{{}}-tokens", "total_tokens", now=now, window=None, is_shared=is_shared),
    ):
        yield attrs.evolve(limit, window=window_of(limit))


def window_of(seen: ObservedLimit) -> float | None:
    """Return the window that the numbers of a limit give away: a minute, a day, or None where they leave it open.

    >>> window_of(ObservedLimit("requests", None, limit=200, remaining=199, resets_in=432.0))
    86400.0
    """
    if seen.limit is None or seen.remaining is None or seen.resets_in is None:
        return MINUTE if seen.quantity == "total_tokens" else None
    missing = (seen.limit - seen.remaining) / seen.limit
    if _is_near(seen.resets_in, missing * DAY) and not _is_near(seen.resets_in, missing * MINUTE):
        return DAY
    return MINUTE if seen.resets_in <= MINUTE else None


def _is_near(seconds: float, expected: float) -> bool:
    return abs(seconds - expected) <= expected * _ACCURACY + _LAST_DIGIT
