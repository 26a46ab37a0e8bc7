"""LiteLLM: a proxy that answers in the names of OpenAI, for limits of its own or for those behind it.

What to know before believing a number:

- `x-ratelimit-*-{input,output}-tokens` are the proxy's own limits per minute, their reset the seconds to the next
  minute of its clock;
- `requests` and `tokens` are those of the key if it has some, and otherwise whatever the provider behind said, whose
  rounding and window are its own: an upper bound, and nothing to learn a limit from;
- a reset passed on keeps the provider's spelling, a duration, an instant or seconds.

What the provider behind said in full comes under `llm_provider-*`: those are limits of the proxy's key, not of ours,
and are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from actors.wire.observed_limit import ObservedLimit
from actors.wire.rate_limit_dialects.openai import PREFIX, read_rows
from actors.wire.rate_limit_dialects.row import MINUTE, read_row


def is_spoken(headers: Mapping[str, str]) -> bool:
    """Whether one of the headers has a name that only LiteLLM uses."""
    return any(
        name.startswith("x-litellm-")
        or (name.startswith(PREFIX) and name.endswith(("-input-tokens", "-output-tokens")))
        for name in headers
    )


def read(headers: Mapping[str, str], now: datetime | None) -> tuple[ObservedLimit, ...]:
    """Return the limits in the order input, output, then requests and tokens of whoever it was."""
    return (
        *read_row(headers, f"{PREFIX}{{}}-input-tokens", "input_tokens", now=now, window=MINUTE),
        *read_row(headers, f"{PREFIX}{{}}-output-tokens", "output_tokens", now=now, window=MINUTE),
        *read_rows(headers, now, is_shared=True),
    )
