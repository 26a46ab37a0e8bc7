"""What a provider allows within one window: requests, input tokens and output tokens."""

from __future__ import annotations

import math
from typing import Any, Literal

import attrs

from actors.policies.usage import Usage

Dimension = Literal["requests", "input_tokens", "output_tokens"]

DEFAULT_WINDOW = 60.0
"""Seconds. Providers publish their limits per minute."""

# The smallest schedule Anthropic has published (its first tier, any account has at least this much), so
# that an unset limiter is slow and never in the wrong. Pools differ and change: settings and answer headers
# know better.
DEFAULT_REQUESTS = 50
DEFAULT_INPUT_TOKENS = 30_000
DEFAULT_OUTPUT_TOKENS = 8_000


def _limit(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a whole number or None, got {value!r}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1 or None, got {value}")


def _seconds(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a number of seconds, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be > 0 and finite, got {value}")


@attrs.frozen
class Limits:
    """The most that may be used within any `window` seconds: the size of the plate, not what lies on it.

    A call has to fit in all three dimensions. None means that a dimension is not limited.

    Args:
        requests: calls.
        input_tokens: tokens on the way in, as the provider counts them.
        output_tokens: tokens the model produces.
        window: length of the window in seconds.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a limit is below 1 or the window is not a positive, finite time.
    """

    requests: int | None = attrs.field(default=DEFAULT_REQUESTS, validator=_limit)
    input_tokens: int | None = attrs.field(default=DEFAULT_INPUT_TOKENS, validator=_limit)
    output_tokens: int | None = attrs.field(default=DEFAULT_OUTPUT_TOKENS, validator=_limit)
    window: float = attrs.field(default=DEFAULT_WINDOW, validator=_seconds)

    def exceeded_by(self, usage: Usage) -> Dimension | None:
        """The first dimension in which `usage` alone is above the limit, so that no waiting can help."""
        if self.requests is not None and usage.requests > self.requests:
            return "requests"
        if self.input_tokens is not None and usage.input_tokens > self.input_tokens:
            return "input_tokens"
        if self.output_tokens is not None and usage.output_tokens > self.output_tokens:
            return "output_tokens"
        return None
