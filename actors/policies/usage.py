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

    requests: int = 1
    input_tokens: int = 0
    output_tokens: int = 0

    def __attrs_post_init__(self) -> None:
        # Dozens are made for each call: the usual case is seen at one glance.
        requests, inputs, outputs = self.requests, self.input_tokens, self.output_tokens
        is_usual = type(requests) is type(inputs) is type(outputs) is int
        if not is_usual or requests < 0 or inputs < 0 or outputs < 0:
            check_count("requests", self.requests)
            check_count("input_tokens", self.input_tokens)
            check_count("output_tokens", self.output_tokens)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


NOTHING = Usage(requests=0)
