"""Azure OpenAI and what is built on it: the names of OpenAI, seconds, and values that stand for "not known".

What to know before believing a number:

- a limit or a remainder of -1 and a reset of 0 mean that nothing is known. A limit of -1 makes its whole row
  meaningless, whatever the others say;
- `x-ratelimit-renewalperiod-{requests,tokens}` is the window in seconds. For requests it is often 10 and not 60, and
  the limit is then that of 10 seconds; where the header is missing the window of requests is not known;
- `tokens` is input and output together, estimated from `max_tokens` when the request arrives;
- a deployment may tell its remainders and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from actors.policies.ledger.limits import Quantity
from actors.wire.observed_limit import ObservedLimit
from actors.wire.rate_limit_dialects.openai import PREFIX
from actors.wire.rate_limit_dialects.row import DAY, MINUTE, read_count, read_row
from actors.wire.reset_time import seconds_to_reset

_SIGNS = ("apim-request-id", "azureml-model-session", "x-ms-region", "x-ms-client-request-id")

_RENEWAL = f"{PREFIX}renewalperiod-"


def is_spoken(headers: Mapping[str, str]) -> bool:
    """Whether one of the headers has a name that only Azure uses."""
    return any(name in _SIGNS or name.startswith(_RENEWAL) for name in headers)


def read(headers: Mapping[str, str], now: datetime | None) -> tuple[ObservedLimit, ...]:
    """Return the limits in the order requests, tokens."""
    return (
        *_read(headers, "requests", "requests", now, usual_window=None),
        *_read(headers, "tokens", "total_tokens", now, usual_window=MINUTE),
    )


def _read(
    headers: Mapping[str, str],
    name: str,
    quantity: Quantity,
    now: datetime | None,
    *,
    usual_window: float | None,
) -> tuple[ObservedLimit, ...]:
    if headers.get(f"{PREFIX}limit-{name}") == "-1":
        return ()
    period = read_count(headers.get(_RENEWAL + name), at_least=1)
    window = usual_window if period is None or period > DAY else float(period)
    return read_row(
        headers, f"{PREFIX}{{}}-{name}", quantity, now=now, window=window, read_reset=_seconds_unless_zero
    )


def _seconds_unless_zero(text: str, now: datetime | None) -> float | None:
    return seconds_to_reset(text, now) or None
