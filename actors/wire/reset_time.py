"""When a limit is whole again, in every spelling that providers have for it.

    "6m0s", "7.66s", "20ms"     a duration, units falling                  OpenAI, Groq
    "12", "0.5"                 seconds                                    Azure, LiteLLM
    "1777896090"                seconds since 1970; with three digits more, milliseconds
    "2026-05-04T12:01:30Z"      RFC 3339                                   Anthropic

The first two are told from the response on. The last two are instants on the server's clock, so they mean nothing
without `now`: what that clock showed when it answered. Digits are ASCII; a text that is none of this says nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

LONGEST_RESET = 32 * 86_400.0
"""Seconds. No provider counts over more than a month: a limit that takes longer to be whole is a mistake."""

STALEST_RESET = 60.0
"""Seconds. A limit that nobody has touched is whole since a moment ago; one that was whole long ago is a mistake."""

_UNIX_FROM = 1e9  # 2001: as seconds from now it would be 31 years
_UNIX_MILLISECONDS_FROM = 1e12  # 2001 again; as seconds it would be the year 33658
_LATEST_UNIX = 1e11  # the year 5138, so that every clock can show it

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_PART = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)"
_DURATION = re.compile(
    rf"(?=[0-9])(?:{_PART}d)?(?:{_PART}h)?(?:{_PART}m)?(?:{_PART}s)?(?:{_PART}ms)?(?:{_PART}[uµ]s)?(?:{_PART}ns)?"
)
_UNITS = (86_400.0, 3_600.0, 60.0, 1.0, 1e-3, 1e-6, 1e-9)
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> float | None:
    """Return the seconds of a duration such as "6m0s", or None.

    >>> parse_duration("1h2m3.5s")
    3723.5
    """
    parts = _DURATION.fullmatch(text)
    if parts is None:
        return None
    return _sensible(
        sum(float(part) * unit for part, unit in zip(parts.groups(), _UNITS, strict=True) if part)
    )


def seconds_until(text: str, now: datetime | None) -> float | None:
    """Return the seconds from `now` to the instant that `text` names, at least 0, or None.

    Args:
        text: RFC 3339, or Unix time in seconds or milliseconds.
        now: what the clock of whoever wrote the text shows, aware, or None when that is not known.
    """
    there = _instant(text)
    if there is None or now is None:
        return None
    seconds = (there - now).total_seconds()
    return None if seconds < -STALEST_RESET else _sensible(max(0.0, seconds))


def seconds_to_reset(text: str, now: datetime | None) -> float | None:
    """Return the seconds until a limit is whole again, by whichever spelling `text` is in, or None.

    Args:
        text: a duration, seconds, Unix time or RFC 3339.
        now: what the server's clock showed when it answered, aware, or None.
    """
    if _NUMBER.fullmatch(text) and float(text) < _UNIX_FROM:
        return _sensible(float(text))
    duration = parse_duration(text)
    return seconds_until(text, now) if duration is None else duration


def _instant(text: str) -> datetime | None:
    if _NUMBER.fullmatch(text):
        number = float(text)
        unix_time = number / 1000 if number >= _UNIX_MILLISECONDS_FROM else number
        is_instant = _UNIX_FROM <= unix_time < _LATEST_UNIX
        return _EPOCH + timedelta(seconds=unix_time) if is_instant else None
    try:
        return datetime.fromisoformat(text.upper()) if _RFC_3339.fullmatch(text.upper()) else None
    except ValueError:  # the thirteenth month, a leap second
        return None


def _sensible(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= LONGEST_RESET else None
