"""What a call costs, in the units providers limit: requests, input tokens, output tokens."""

from __future__ import annotations

import attrs


def whole_number(_instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    """Validate a count, as an attrs validator: TypeError for no whole number, ValueError below 0."""
    check_count(attribute.name, value)


def check_count(name: str, value: object) -> None:
    """Check a count that is an argument: TypeError for no whole number, ValueError below 0."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < 0:
        raise ValueError(f"{name} must be >= 0, got {value}")


@attrs.frozen
class Usage:
    """What a call uses or may use: a shopping basket of the three things providers count.

    Args:
        requests: calls, usually 1.
        input_tokens: tokens the provider counts on the way in; on Anthropic that is fresh and cache-written
            ones, not cache reads.
        output_tokens: tokens the model produces.
    """

    requests: int = attrs.field(default=1, validator=whole_number)
    input_tokens: int = attrs.field(default=0, validator=whole_number)
    output_tokens: int = attrs.field(default=0, validator=whole_number)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


NOTHING = Usage(requests=0)
