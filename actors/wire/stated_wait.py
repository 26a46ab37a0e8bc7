"""How long a refusal asks to be left alone, wherever it says so: in a header, a field of its body, or its text.

    retry-after-ms, retry-after                                   all
    details[] with "retryDelay": "26s"                            Gemini; {"seconds": "26", "nanos": 0} where a
                                                                  gateway has written it anew
    "Please try again in 6m0s"                                    OpenAI, Groq
    "Please retry in 20.04s", "Please retry after 30 seconds"     Gemini, Azure

Headers are believed first. What Gemini says in the body beside a quota per day is passed over: those are the seconds
its front end waits between tries, and the day is not over after them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from actors.wire.json_object import object_in, string_in
from actors.wire.rate_limit_kinds import is_daily_quota_id, objects_in
from actors.wire.reset_time import parse_duration
from actors.wire.retry_after import parse_retry_after

_DURATION_WORDS = re.compile(r"(?:try again|retry) in ([0-9a-zµ.]{1,40}?)(?:[.,]?(?:\s|$))", re.IGNORECASE)
_SECONDS_WORDS = re.compile(
    r"(?:try again|retry) (?:in|after) ([0-9]{1,9}(?:\.[0-9]{1,9})?) seconds?\b", re.IGNORECASE
)

_LARGEST = 10**15
"""Nobody means more, and no text of digits is made of it."""


def stated_wait(
    headers: Mapping[str, str], body: Mapping[str, object], *, now_wall: datetime | None
) -> float | None:
    """Return the seconds that a refusal asks to wait, > 0, or None when it does not say.

    Args:
        headers: header values under lower-case names.
        body: the error's body as JSON, empty when it is none; any values are fine.
        now_wall: the local wall clock, aware, for a `retry-after` that is a date.

    Raises:
        ValueError: `now_wall` has no time zone.
    """
    asked = parse_retry_after(headers, now_wall=now_wall)
    error = object_in(body.get("error")) or body
    if asked is not None or is_daily_quota_id(error):
        return asked
    return _in_details(error) or _in_words(string_in(error.get("message")) or "")


def _in_details(error: Mapping[str, object]) -> float | None:
    delays = (_duration(detail.get("retryDelay")) for detail in objects_in(error.get("details")))
    return next((delay for delay in delays if delay), None)


def _duration(value: object) -> float | None:
    """Return the seconds of a duration as protobuf writes it: a text such as "26.5s", or its two fields."""
    if (text := string_in(value)) is not None:
        return parse_duration(text)
    fields = object_in(value)
    seconds, nanos = (_whole(fields.get(name, 0)) for name in ("seconds", "nanos"))
    return parse_duration(f"{seconds}s{nanos}ns") if seconds is not None and nanos is not None else None


def _whole(value: object) -> str | None:
    """Return a whole number that is not negative in its digits, be it a number or, as of 64 bits, a text."""
    text = str(value) if type(value) is int and 0 <= value <= _LARGEST else string_in(value)
    return text if text is not None and text.isascii() and text.isdigit() else None


def _in_words(words: str) -> float | None:
    if found := _SECONDS_WORDS.search(words):
        return float(found[1]) or None
    found = _DURATION_WORDS.search(words)
    return (parse_duration(found[1]) or None) if found else None
