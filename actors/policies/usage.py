"""What a call costs, in the units providers limit: requests, input tokens, output tokens."""

from __future__ import annotations

import attrs

from actors.policies.instants import shown

MOST = 10**15
"""The most one call or one limit can be: far above all there is, and sums of some stay exact as floats."""


def whole_number(_instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    """Validate a count, as an attrs validator: TypeError for no whole number, ValueError below 0 or above 10**15."""
    check_count(attribute.name, value)


def check_count(name: str, value: object) -> None:
    """Check a count that is an argument: TypeError for no whole number, ValueError below 0 or above 10**15."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < 0:
        raise ValueError(f"{name} must be >= 0, got {shown(value)}")
    check_most(name, value)


def check_most(name: str, value: int) -> None:
    """Check the upper bound of a count.

    Raises:
        ValueError: it is above 10**15.
    """
    if value > MOST:
        raise ValueError(f"{name} must be <= 10**15, got {shown(value)}")


@attrs.frozen
class Usage:
    """What a call uses or may use: a shopping basket of the three things providers count.

    Args:
        requests: calls, usually 1.
        input_tokens: tokens the provider counts on the way in; on Anthropic that is fresh and cache-written
            ones, not cache reads.
        output_tokens: tokens the model produces.

    Raises:
        TypeError: a count is no whole number.
        ValueError: a count is below 0 or above 10**15. Only sums of several may be more: see `total`.
    """

    requests: int = 1
    input_tokens: int = 0
    output_tokens: int = 0

    def __attrs_post_init__(self) -> None:
        # Dozens are made for each call: the usual case is seen at one glance.
        requests, inputs, outputs = self.requests, self.input_tokens, self.output_tokens
        is_usual = type(requests) is type(inputs) is type(outputs) is int
        if not is_usual or not (0 <= requests <= MOST and 0 <= inputs <= MOST and 0 <= outputs <= MOST):
            check_count("requests", self.requests)
            check_count("input_tokens", self.input_tokens)
            check_count("output_tokens", self.output_tokens)

    def corrected(self, input_tokens: int | None, output_tokens: int | None) -> Usage:
        """Return what a call really used that was taken to use this; None for what nobody told.

        Raises:
            TypeError, ValueError: a count that no usage can have.
        """
        return Usage(
            self.requests,
            self.input_tokens if input_tokens is None else input_tokens,
            self.output_tokens if output_tokens is None else output_tokens,
        )

    @classmethod
    def total(cls, requests: int, input_tokens: int, output_tokens: int) -> Usage:
        """Return a sum over calls: its parts were checked, and it may be more than one call can be."""
        if max(requests, input_tokens, output_tokens) <= MOST:
            return cls(requests, input_tokens, output_tokens)
        total = cls()
        object.__setattr__(total, "requests", requests)
        object.__setattr__(total, "input_tokens", input_tokens)
        object.__setattr__(total, "output_tokens", output_tokens)
        return total

    def __add__(self, other: Usage) -> Usage:
        return Usage.total(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


NOTHING = Usage(requests=0)
