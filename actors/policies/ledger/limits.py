"""What a provider allows: requests, input tokens and output tokens per window, and whatever else it counts."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Literal, cast, get_args

import attrs

from actors.policies.instants import check_number, shown
from actors.policies.usage import Usage, check_most

Quantity = Literal["requests", "input_tokens", "output_tokens", "total_tokens"]
"""What is counted. `total_tokens` is input and output together, as some providers limit them."""

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)

DEFAULT_WINDOW = 60.0
"""Seconds. Providers publish their limits per minute."""

# The smallest schedule Anthropic has published (its first tier, any account has at least this much), so
# that an unset limiter is slow and never in the wrong. Pools differ and change: settings and answer headers
# know better.
DEFAULT_REQUESTS = 50
DEFAULT_INPUT_TOKENS = 30_000
DEFAULT_OUTPUT_TOKENS = 8_000


def _quantity(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in QUANTITIES:
        raise ValueError(f"{attribute.name} must be one of {', '.join(QUANTITIES)}, got {value!r}")


def _amount(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1, got {shown(value)}")
    check_most(attribute.name, value)


def _limit(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a whole number or None, got {value!r}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1 or None, got {shown(value)}")
    check_most(attribute.name, value)


def _seconds(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a number of seconds, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be > 0 and finite, got {value}")
    check_number(attribute.name, value)  # a whole number may be finite and no float


def _further(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, tuple):
        raise TypeError(f"{attribute.name} must be a tuple of Limit, got {type(value).__name__}")
    for limit in cast("tuple[object, ...]", value):
        if not isinstance(limit, Limit):
            raise TypeError(f"{attribute.name} must be a tuple of Limit, got {type(limit).__name__} in it")


def amount_of(usage: Usage, quantity: Quantity) -> int:
    """How much of `quantity` a usage is."""
    match quantity:
        case "requests":
            return usage.requests
        case "input_tokens":
            return usage.input_tokens
        case "output_tokens":
            return usage.output_tokens
        case "total_tokens":
            return usage.input_tokens + usage.output_tokens


@attrs.frozen
class Limit:
    """The most of one quantity that may be used within any `window` seconds.

    Args:
        quantity: what is counted.
        amount: how much of it, at least 1.
        window: seconds: 1 for a limit per second, 86,400 for one per day.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: there is no such quantity, the amount is not from 1 to 10**15, or the window is not a positive,
            finite time.
    """

    quantity: Quantity = attrs.field(validator=_quantity)
    amount: int = attrs.field(validator=_amount)
    window: float = attrs.field(default=DEFAULT_WINDOW, validator=_seconds)

    def __str__(self) -> str:
        return f"{self.amount} {self.quantity} per {self.window:g} s"


@attrs.frozen
class Limits:
    """The most that may be used within any `window` seconds: the size of the plate, not what lies on it.

    A call has to fit under all of them at once. None means that a quantity is not limited per `window`.

    Args:
        requests: calls.
        input_tokens: tokens on the way in, as the provider counts them.
        output_tokens: tokens the model produces.
        window: length of the window in seconds.
        further: limits with windows of their own, such as requests per day, tokens per second, or input and output
            together.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a limit is not from 1 to 10**15, the window is not a positive, finite time, or one quantity has two
            limits over the same window, of which only the lower could mean anything.
    """

    requests: int | None = attrs.field(default=DEFAULT_REQUESTS, validator=_limit)
    input_tokens: int | None = attrs.field(default=DEFAULT_INPUT_TOKENS, validator=_limit)
    output_tokens: int | None = attrs.field(default=DEFAULT_OUTPUT_TOKENS, validator=_limit)
    window: float = attrs.field(default=DEFAULT_WINDOW, validator=_seconds)
    further: tuple[Limit, ...] = attrs.field(default=(), validator=_further)

    def __attrs_post_init__(self) -> None:
        if not self.further:
            return
        seen: dict[tuple[Quantity, float], Limit] = {}
        for limit in self.each:
            first = seen.setdefault((limit.quantity, limit.window), limit)
            if first is not limit:
                raise ValueError(f"limits must differ in quantity or window, got {first} and {limit}")

    @cached_property  # whoever waits is held against it, and each of its parts is checked when it is made
    def each(self) -> tuple[Limit, ...]:
        """Every limit there is: requests, input, output, then the further ones."""
        usual: tuple[tuple[Quantity, int | None], ...] = (
            ("requests", self.requests),
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
        )
        return (
            *(Limit(quantity, amount, self.window) for quantity, amount in usual if amount is not None),
            *self.further,
        )

    def scaled(self, share: float) -> Limits:
        """Return `share` of every limit, rounded down, at least 1: 0.7 of 50 requests is 35.

        Args:
            share: above 0, at most 1.

        Raises:
            ValueError: `share` is out of its bounds.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share must be > 0 and <= 1, got {share}")
        return attrs.evolve(
            self,
            requests=None if self.requests is None else _share_of(self.requests, share),
            input_tokens=None if self.input_tokens is None else _share_of(self.input_tokens, share),
            output_tokens=None if self.output_tokens is None else _share_of(self.output_tokens, share),
            further=tuple(
                attrs.evolve(limit, amount=_share_of(limit.amount, share)) for limit in self.further
            ),
        )

    def exceeded_by(self, usage: Usage) -> Limit | None:
        """The first limit that `usage` alone is above, so that no waiting can help."""
        return next((limit for limit in self.each if amount_of(usage, limit.quantity) > limit.amount), None)


NO_LIMITS = Limits(requests=None, input_tokens=None, output_tokens=None)
"""Nothing is limited."""


def _share_of(amount: int, share: float) -> int:
    # The hair keeps a product such as 0.7 * 50 whole, where floats fall short of it.
    return max(1, math.floor(amount * share * (1 + 1e-12)))
