"""Groq: the names of OpenAI, with another meaning.

What to know before believing a number:

- `requests` is per *day*, `tokens` is input and output together per *minute*: read alike, a day's requests would be
  taken for a minute's;
- there are limits that no header tells: requests per minute and tokens per day. Only the text of a refusal names them;
- `reset` is a duration, "2m59.56s" or "7.66s";
- cached tokens do not count, and `retry-after` comes with refusals alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from actors.wire.observed_limit import ObservedLimit
from actors.wire.rate_limit_dialects.openai import PREFIX
from actors.wire.rate_limit_dialects.row import DAY, MINUTE, read_row


def is_spoken(headers: Mapping[str, str]) -> bool:
    """Whether one of the headers has a name that only Groq uses: it signs its answers with a region."""
    return any(name.startswith("x-groq-") for name in headers)


def read(headers: Mapping[str, str], now: datetime | None) -> tuple[ObservedLimit, ...]:
    """Return the limits in the order requests, tokens."""
    return (
        *read_row(headers, f"{PREFIX}{{}}-requests", "requests", now=now, window=DAY),
        *read_row(headers, f"{PREFIX}{{}}-tokens", "total_tokens", now=now, window=MINUTE),
    )
