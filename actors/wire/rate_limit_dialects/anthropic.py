"""Anthropic: `anthropic-ratelimit-{requests,input-tokens,output-tokens,tokens}-{limit,remaining,reset}`, per minute.

What to know before believing a number:

- tokens that remain are rounded to the nearest thousand; requests are exact;
- `tokens` is the most restrictive limit in force, of the workspace or of the organisation, on input, output or both;
- `reset` is an instant in RFC 3339, and that of *full* replenishment.

`anthropic-priority-*` and `anthropic-fast-*` are pools of their own that a call has to ask for, and ours do not;
`anthropic-ratelimit-unified-*` is about subscriptions. None of them says anything about the limits of a key, and they
are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from actors.policies.ledger.limits import Quantity
from actors.wire.observed_limit import ObservedLimit
from actors.wire.rate_limit_dialects.row import MINUTE, read_row
from actors.wire.reset_time import seconds_until

PREFIX = "anthropic-ratelimit-"

ROUNDED_TO = 1_000
"""Tokens: "rounded to the nearest thousand", says the API's page on rate limits."""

_ROWS: tuple[tuple[str, Quantity, int], ...] = (
    ("requests", "requests", 1),
    ("input-tokens", "input_tokens", ROUNDED_TO),
    ("output-tokens", "output_tokens", ROUNDED_TO),
    ("tokens", "total_tokens", ROUNDED_TO),
)


def is_spoken(headers: Mapping[str, str]) -> bool:
    """Whether one of the headers has a name that only Anthropic uses."""
    return any(name.startswith(PREFIX) for name in headers)


def read(headers: Mapping[str, str], now: datetime | None) -> tuple[ObservedLimit, ...]:
    """Return the limits in the order requests, input, output, then the most restrictive one of the tokens."""
    return tuple(
        limit
        for name, quantity, rounded_to in _ROWS
        for limit in read_row(
            headers,
            f"{PREFIX}{name}-{{}}",
            quantity,
            now=now,
            window=MINUTE,
            read_reset=seconds_until,
            rounded_to=rounded_to,
            is_shared=quantity == "total_tokens",
        )
    )
