"""What a provider says about its own limits in the headers of a response, in every dialect.

The numbers are a hint, not a ledger: they are rounded, they may belong to another limit, and they are as old as the
response. A header that is missing or makes no sense is absent from the result; it is never read as zero, since a limit
of zero would stop all traffic for a slip of the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, cast

import attrs

from actors.wire.http_date import parse_http_date
from actors.wire.observed_limit import ObservedLimit
from actors.wire.rate_limit_dialects import anthropic, azure, groq, litellm, openai

__all__ = ["ObservedLimit", "ObservedLimits", "RateLimitDialect", "parse_rate_limits"]

RateLimitDialect = Literal["anthropic", "openai", "groq", "azure", "litellm", "auto"]
"""Whose headers they are; "auto" lets the headers tell."""


def _observed(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    each = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (None,)
    if not all(isinstance(limit, ObservedLimit) for limit in each):
        raise TypeError(f"{attribute.name} must be a tuple of ObservedLimit, got {value!r}")


@attrs.frozen
class ObservedLimits:
    """All that one response said about limits.

    Args:
        limits: what was reported, in the dialect's order; empty when nothing was.
        at: what the server's clock showed, in whole seconds, by its `date` header; None without one.

    Raises:
        TypeError: `limits` is no tuple of `ObservedLimit`.
    """

    limits: tuple[ObservedLimit, ...] = attrs.field(default=(), validator=_observed)
    at: datetime | None = None


@attrs.frozen
class _Speech:
    is_spoken: Callable[[Mapping[str, str]], bool]
    read: Callable[[Mapping[str, str], datetime | None], tuple[ObservedLimit, ...]]


# In this order the headers are asked whose they are. OpenAI comes last: its names are everybody's.
_DIALECTS: Mapping[RateLimitDialect, _Speech] = {
    "anthropic": _Speech(anthropic.is_spoken, anthropic.read),
    "litellm": _Speech(litellm.is_spoken, litellm.read),
    "groq": _Speech(groq.is_spoken, groq.read),
    "azure": _Speech(azure.is_spoken, azure.read),
    "openai": _Speech(openai.is_spoken, openai.read),
}


def parse_rate_limits(
    headers: Mapping[str, str], *, dialect: RateLimitDialect, now_wall: datetime | None
) -> ObservedLimits:
    """Return the limits that `headers` report; any headers are fine.

    A reset that is an instant is measured from the response's own `date`, so that its clock and ours need not agree.
    That date has whole seconds, cut off: such a `resets_in` is up to a second too long, never too short.

    Args:
        headers: header values under lower-case names.
        dialect: whose headers they are.
        now_wall: the local wall clock, aware, for a response without a date; without either such a reset is unknown.

    Raises:
        ValueError: there is no such dialect, or `now_wall` has no time zone.
    """
    if now_wall is not None and now_wall.utcoffset() is None:
        raise ValueError(f"now_wall must have a time zone, got {now_wall.isoformat()}")
    at = parse_http_date(headers.get("date"))
    speech = _speech(headers, dialect)
    return ObservedLimits(() if speech is None else speech.read(headers, at or now_wall), at)


def _speech(headers: Mapping[str, str], dialect: RateLimitDialect) -> _Speech | None:
    if dialect == "auto":
        return next((speech for speech in _DIALECTS.values() if speech.is_spoken(headers)), None)
    if dialect not in _DIALECTS:
        raise ValueError(f"dialect must be one of {', '.join(_DIALECTS)}, auto, got {dialect!r}")
    return _DIALECTS[dialect]
