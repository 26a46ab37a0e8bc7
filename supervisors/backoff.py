"""How long to wait before a restart. Pure: the dice come as a value."""

from __future__ import annotations

import math
import random

import attrs


@attrs.frozen
class Backoff:
    """How long to wait before a restart: longer with each failure in a row, never longer than `cap`.

    The n-th delay in a row is drawn evenly from 0 to `min(cap, initial * factor ** (n - 1))`.

    Args:
        initial: seconds that bound the first delay. 0 restarts at once, always.
        cap: seconds that bound every delay.
        factor: by how much the bound grows with each failure.
        healthy_after: seconds an incarnation must have run for the row to begin anew.

    Raises:
        TypeError: a field is no number.
        ValueError: `initial` is negative, `cap` is smaller or infinite, `factor` is below 1, or `healthy_after` is
            not positive.
    """

    initial: float = 0.1
    cap: float = 30.0
    factor: float = 2.0
    healthy_after: float = 30.0

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(Backoff):
            if type(value := getattr(self, field.name)) not in (int, float):
                raise TypeError(f"{field.name} must be a number, got {value!r}")
        if not 0 <= self.initial < math.inf:
            raise ValueError(f"initial must be >= 0 and finite, got {self.initial}")
        if not self.initial <= self.cap < math.inf:
            raise ValueError(f"cap must be >= initial {self.initial} and finite, got {self.cap}")
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"factor must be >= 1 and finite, got {self.factor}")
        if not self.healthy_after > 0:
            raise ValueError(f"healthy_after must be > 0, got {self.healthy_after}")

    def bound(self, failures: int) -> float:
        """Return the longest delay after `failures` failures in a row, from 1."""
        if self.initial == 0 or self.factor == 1:
            return self.initial
        steps_to_cap = (math.log(self.cap) - math.log(self.initial)) / math.log(self.factor)
        if failures - 1 >= steps_to_cap:
            return self.cap  # the power itself would overflow sooner or later
        return min(self.cap, self.initial * self.factor ** (failures - 1))

    def delay(self, failures: int, rng: random.Random) -> float:
        """Draw the delay after `failures` failures in a row, from 1."""
        return self.bound(failures) * rng.random()


DEFAULT_BACKOFF = Backoff()
"""A tenth of a second to half a minute: gone before anyone notices, or slow enough not to do harm."""
