"""How long a refusal asks to be left alone, wherever it says so: in a header, a field of its body, or its text.

    retry-after-ms, retry-after                                   all
    details[] with "retryDelay": "26s"                            Gemini
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
    delays = (string_in(detail.get("retryDelay")) for detail in objects_in(error.get("details")))
    return next((wait for delay in delays if delay and (wait := parse_duration(delay))), None)


def _in_words(words: str) -> float | None:
    if found := _SECONDS_WORDS.search(words):
        return float(found[1]) or None
    found = _DURATION_WORDS.search(words)
    return (parse_duration(found[1]) or None) if found else None
