"""The date as HTTP writes it: "Mon, 04 May 2026 12:01:30 GMT"."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime


def parse_http_date(text: str | None) -> datetime | None:
    """Return the instant that an HTTP-date names, aware, or None for a text that names none.

    Args:
        text: the value of a header such as `date`, or None when there is no such header.
    """
    try:
        moment = None if text is None else email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # not a date; a date with a zone of ten digits
        return None
    # "-0000" is read as a date without a zone; an HTTP-date is in GMT whatever it says.
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
