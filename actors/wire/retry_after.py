"""How long a server asks to be left alone: a bouncer's "come back in ten minutes", in seconds.

Three spellings exist, most exact first: `retry-after-ms` in milliseconds, `retry-after` in seconds, and
`retry-after` as an HTTP-date. A spelling that says nothing of use is passed over for the next one.

A header that came twice, from the server and from a proxy before it, reads "5, 7": then both ask, and the longer wait
serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from actors.faults import LONGEST_WAIT
from actors.wire.http_date import parse_http_date

__all__ = ["LONGEST_WAIT", "check_wall", "parse_retry_after"]


def check_wall(now_wall: datetime | None) -> None:
    """Check a wall clock.

    Raises:
        ValueError: it has no time zone.
    """
    if now_wall is not None and now_wall.utcoffset() is None:
        raise ValueError(f"now_wall must have a time zone, got {now_wall.isoformat()}")


def parse_retry_after(headers: Mapping[str, str], *, now_wall: datetime | None) -> float | None:
    """Return the seconds the server asks to wait.

    The wait is not capped: whoever waits compares it with a deadline. Coming back earlier only fails again.

    Args:
        headers: header values under lower-case names.
        now_wall: the local wall clock, aware, or None when there is none. It serves only an HTTP-date in a
            response without a Date header of its own: the difference of the server's own two dates is free of
            any skew between its clock and ours.

    Returns:
        Seconds, > 0 and at most a month, or None when the server asks for nothing, or for nothing that makes sense.

    Raises:
        ValueError: `now_wall` has no time zone.
    """
    check_wall(now_wall)
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None and (wait := _sensible(milliseconds / 1000)) is not None:
        return wait
    text = headers.get("retry-after")
    seconds = _number(text)
    return _sensible(seconds) if seconds is not None else _until(text, headers.get("date"), now_wall)


def _number(text: str | None) -> float | None:
    """Return the number that a text is, the largest of several, or None; digits are ASCII, without underscores."""
    if text is None or not text.isascii() or "_" in text:
        return None
    try:
        return max(float(part) for part in text.split(","))
    except ValueError:
        return None


def _sensible(seconds: float) -> float | None:
    return seconds if 0 < seconds <= LONGEST_WAIT else None  # false for nan as well


def _until(text: str | None, server_date: str | None, now_wall: datetime | None) -> float | None:
    there = parse_http_date(text)
    now = parse_http_date(server_date) or now_wall
    if there is None or now is None:
        return None
    return _sensible((there - now).total_seconds())
