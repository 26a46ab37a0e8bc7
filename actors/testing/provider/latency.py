"""How long the simulated provider takes to answer."""

from __future__ import annotations

import random

import attrs


def _not_negative(_instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be >= 0, got {value}")


@attrs.frozen
class Latency:
    """The time to an answer: a log-normal start, then so much for each token produced.

    Like a kitchen: some time until the stove is hot, which varies, then the same for every pancake. A refusal
    leaves the counter at once.

    Args:
        median: the middle of the start time, seconds.
        sigma: its spread; 0 makes every start exactly the median.
        per_output_token: seconds for each output token.
        refusal: seconds to any error answer, no matter which.
    """

    median: float = attrs.field(default=0.6, validator=_not_negative)
    sigma: float = attrs.field(default=0.35, validator=_not_negative)
    per_output_token: float = attrs.field(default=0.012, validator=_not_negative)
    refusal: float = attrs.field(default=0.05, validator=_not_negative)

    def draw(self, rng: random.Random, output_tokens: int) -> float:
        """Return the seconds one answer of `output_tokens` takes."""
        return self.median * rng.lognormvariate(0.0, self.sigma) + self.per_output_token * output_tokens


INSTANT = Latency(median=0.0, sigma=0.0, per_output_token=0.0, refusal=0.0)
"""No time at all, for tests in which time is not the point."""
