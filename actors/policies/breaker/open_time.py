"""How long a breaker stays open: longer with every failed round of probes, and slowly as before."""

from __future__ import annotations

import math
import random

import attrs

from actors.policies.breaker.rules import BreakerRules

ROUNDING = 1e-12
"""Share by which the quotient of two logarithms may miss a whole number."""


@attrs.define(eq=False)
class OpenTime:
    """A doctor's appointments: the worse the last visit, the later the next, and good months shorten the memory.

        seconds = min(cap, cooldown * multiplier ** failed rounds) * (1 + U(0, jitter))

    Failed rounds are forgotten at one per `decay` seconds, and only while the breaker is closed: a breaker that nobody
    has used for a day has learned nothing. So a service that recovers and fails again begins where it left off, which
    is how one that flaps is told from one that fell once. More rounds than lead to the cap are not kept, or a long
    outage would be remembered for as long again.

    Args:
        rules: the numbers.
        rng: the dice.
    """

    _rules: BreakerRules
    _rng: random.Random
    _failed: float = attrs.field(default=0.0, init=False)
    _well_since: float | None = attrs.field(default=None, init=False)

    def failed(self, now: float) -> float:
        """Failed rounds that are remembered."""
        if self._well_since is None:
            return self._failed
        return max(0.0, self._failed - (now - self._well_since) / self._rules.decay)

    def fail(self) -> None:
        """Take in that a round of probes failed."""
        self._failed = min(self._failed + 1, self._most)

    def close(self, now: float) -> None:
        """Begin to forget."""
        self._well_since = now

    def open(self, now: float) -> None:
        """Cease to forget."""
        self._failed, self._well_since = self.failed(now), None

    def draw(self, now: float) -> float:
        """Return the seconds it is to be open if it opens now."""
        return self._grown(self.failed(now)) * (1 + self._rng.uniform(0.0, self._rules.jitter))

    def clear(self) -> None:
        """Forget everything."""
        self._failed = 0.0

    def _grown(self, failed: float) -> float:
        rules = self._rules
        if failed >= self._steps_to_cap:  # a power of more is in danger of overflow
            return rules.cap
        return min(rules.cap, rules.cooldown * math.pow(rules.multiplier, failed))

    @property
    def _steps_to_cap(self) -> float:
        """Failed rounds, in fractions too, that lead to the cap; infinity where none do."""
        rules = self._rules
        if rules.multiplier == 1:
            return math.inf
        return (math.log(rules.cap) - math.log(rules.cooldown)) / math.log(rules.multiplier)

    @property
    def _most(self) -> int:
        steps = self._steps_to_cap
        if math.isinf(steps):
            return 1
        whole = round(steps)  # one doubling may come out as a hair more than 1, and is not two
        return max(1, whole if math.isclose(steps, whole, rel_tol=ROUNDING) else math.ceil(steps))
