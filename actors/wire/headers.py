"""What a provider says about its own limits in the headers of a response.

The numbers are a hint, not a ledger: Anthropic rounds the tokens that remain to the nearest thousand,
`tokens` is the most restrictive limit in force, and `reset` is the time of *full* replenishment, not of the
next free slot. A header that is missing or makes no sense is absent from the result. It is never read as
zero: a limit of zero would stop all traffic for a slip of the other side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import attrs

_COUNT = re.compile(r"[0-9]{1,15}")
_PREFIX = "anthropic-ratelimit"


@attrs.frozen
class ObservedLimit:
    """One limit as a response reported it; what the response did not report is None.

    Args:
        limit: the most the limit allows, >= 1.
        remaining: what is left of it now, >= 0.
        reset: when it is whole again, aware wall-clock time.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: datetime | None = None


@attrs.frozen
class AnthropicLimits:
    """The four limits Anthropic reports; those a response says nothing about are None.

    Args:
        requests: requests per minute.
        tokens: the most restrictive token limit in force, of the workspace or of the organisation.
        input_tokens: input tokens per minute, cache reads not counted.
        output_tokens: output tokens per minute.
    """

    requests: ObservedLimit | None = None
    tokens: ObservedLimit | None = None
    input_tokens: ObservedLimit | None = None
    output_tokens: ObservedLimit | None = None


def parse_anthropic_limits(headers: Mapping[str, str]) -> AnthropicLimits:
    """Return the limits that `headers` report; any headers are fine.

    Args:
        headers: header values under lower-case names.

    Returns:
        The limits; all four are None when the response reports none.
    """
    return AnthropicLimits(
        requests=_observed(headers, "requests"),
        tokens=_observed(headers, "tokens"),
        input_tokens=_observed(headers, "input-tokens"),
        output_tokens=_observed(headers, "output-tokens"),
    )


def _observed(headers: Mapping[str, str], of: str) -> ObservedLimit | None:
    limit = ObservedLimit(
        limit=_count(headers.get(f"{_PREFIX}-{of}-limit"), at_least=1),
        remaining=_count(headers.get(f"{_PREFIX}-{of}-remaining"), at_least=0),
        reset=_instant(headers.get(f"{_PREFIX}-{of}-reset")),
    )
    return None if limit == ObservedLimit() else limit


def _count(text: str | None, *, at_least: int) -> int | None:
    if text is None or not _COUNT.fullmatch(text):
        return None
    count = int(text)
    return count if count >= at_least else None


def _instant(text: str | None) -> datetime | None:
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    # Without an offset the text is not RFC 3339, and guessing one could be hours wrong.
    return None if moment is None or moment.utcoffset() is None else moment
