"""What all dialects have in common: three headers to a limit, any of which may be missing or make no sense."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from actors.policies.ledger.limits import Quantity
from actors.wire.observed_limit import ObservedLimit
from actors.wire.reset_time import seconds_to_reset

MINUTE = 60.0
DAY = 86_400.0

ReadReset = Callable[[str, datetime | None], float | None]
"""How a dialect words the time of a reset: the text and the server's clock in, seconds from the response out."""

_COUNT = re.compile(
    r"[0-9]{1,15}"
)  # a limit of 10^15 a minute is as good as none, and a float still holds it


def read_row(
    headers: Mapping[str, str],
    names: str,
    quantity: Quantity,
    *,
    now: datetime | None,
    window: float | None,
    read_reset: ReadReset = seconds_to_reset,
    rounded_to: int = 1,
    is_shared: bool = False,
) -> tuple[ObservedLimit, ...]:
    """Return the one limit that three headers report, or nothing when none of them says anything.

    A limit of 0 is unknown: it would stop all traffic for a slip of the other side. A remainder above its limit
    belongs to another limit, and is unknown too, unless rounding explains it.

    Args:
        headers: header values under lower-case names.
        names: the name of the three, with `{}` where it says limit, remaining or reset.
        quantity: what they are about.
        now: what the server's clock showed when it answered, or None.
        window: the seconds over which the limit counts, or None.
        read_reset: how the time of the reset is worded.
        rounded_to: the remainder is told to the nearest multiple of this.
        is_shared: whether the numbers may be those of another limit.
    """
    limit = read_count(headers.get(names.format("limit")), at_least=1)
    remaining = _within(read_count(headers.get(names.format("remaining"))), limit, rounded_to)
    reset = headers.get(names.format("reset"))
    resets_in = None if reset is None else read_reset(reset, now)
    if limit is None and remaining is None and resets_in is None:
        return ()
    return (
        ObservedLimit(
            quantity, window, limit, remaining, resets_in, rounded_to=rounded_to, is_shared=is_shared
        ),
    )


def read_count(text: str | None, *, at_least: int = 0) -> int | None:
    """Return the whole number that a header holds, or None for none, for another text, or below `at_least`."""
    if text is None or not _COUNT.fullmatch(text):
        return None
    count = int(text)
    return count if count >= at_least else None


def _within(remaining: int | None, limit: int | None, rounded_to: int) -> int | None:
    if remaining is None or limit is None or remaining <= limit:
        return remaining
    return limit if remaining - limit < rounded_to else None
