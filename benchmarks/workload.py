"""The workloads of `make burst`, and what is aimed at in each."""

from __future__ import annotations

import random
from collections.abc import Mapping

import attrs
from calls import LogNormal, Shape, draw_calls, most_calls_per_minute
from tally import percentile
from trial import PATIENT, Outcome, Trial
from troubles import PEACE, Troubles

from actors.testing.provider import Mode, ProviderLimits

SMALL = ProviderLimits(50, 30_000, 8_000)
"""The smallest published tier of the Messages API."""

LARGE = ProviderLimits(4_000, 2_000_000, 400_000)
"""The largest of the same schedule."""

BURST = 600
"""Calls at once: twelve minutes of the small limits."""

LARGE_BURST = 20_000
"""Calls at once: five minutes of the large limits."""

HOUR = 3600.0

OVERLOAD = 1.5
"""How many times as many calls arrive as the limits allow."""

PATIENCE = 120.0
"""Seconds that a caller waits in the overload: two windows."""

REQUESTS = Shape(LogNormal(400), LogNormal(100))
"""50 of them a minute take 20,000 tokens of input and 5,000 of output: the requests are the limit."""
INPUT = Shape(LogNormal(700), LogNormal(120))
"""The input allows 43 of them a minute, with 5,100 tokens of output."""
OUTPUT = Shape(LogNormal(450), LogNormal(200))
"""The output allows 40 of them a minute, with 18,000 tokens of input."""
MIXED = Shape(LogNormal(600), LogNormal(160))
"""50 of them a minute take each limit to the full, so that now the one and now the other is in the way."""
LARGE_MIXED = Shape(LogNormal(500), LogNormal(100))
"""4,000 of them a minute do the same with the large limits."""

STORMS = Troubles(
    server_errors=0.05, refusals=0.005, resets=0.005, hung=(70, 210, 350), calm=150.0, lasting=HOUR
)
"""5 % 5xx, 1 % connection errors of both kinds, a few hangs, and a storm every three minutes."""


@attrs.frozen
class Verdict:
    """One aim, and whether it was met."""

    text: str
    is_met: bool

    def __str__(self) -> str:
        return f"{self.text} ({'met' if self.is_met else 'MISSED'})"


@attrs.frozen
class Workload:
    """Calls under limits, and aims.

    Args:
        shape: of the calls.
        limits: of the provider.
        count: calls that come at once; 0 for an hour of overload.
        patience: seconds a call waits for capacity.
        troubles: what goes wrong.
        ratios: the aim for the makespan ratio, by the provider's mode; none in an overload.
        waste: how many times the yardstick's waste is allowed, or None where no aim is set.
    """

    shape: Shape
    limits: ProviderLimits = SMALL
    count: int = BURST
    patience: float = PATIENT
    troubles: Troubles = PEACE
    ratios: Mapping[Mode, float] = attrs.field(factory=lambda: {"sliding_window": 1.05, "token_bucket": 1.05})
    waste: float | None = None

    def trial(self, mode: Mode, seed: int, scale: float = 1.0) -> Trial:
        """Return a run of `scale` times as many calls."""
        rng = random.Random(f"{seed}/calls")
        if self.count:
            calls = draw_calls(rng, self.shape, count=round(self.count * scale))
        else:
            rate = OVERLOAD * most_calls_per_minute(self.shape, self.limits) / 60
            calls = draw_calls(rng, self.shape, count=round(rate * HOUR * scale), per_second=rate)
        return Trial(calls, self.limits, mode, seed, self.patience, self.troubles)

    def judge(self, mode: Mode, ours: Outcome, best: Outcome) -> list[Verdict]:
        """Hold a run against the aims."""
        endings = ours.tally.endings
        failed = endings["failed"] + endings["lost"] + (endings["refused"] if self.count else 0)
        verdicts = [Verdict("no call failed", not failed), Verdict("no 429", not ours.over_limit)]
        if self.count:
            each = (ours.seconds / max(1, ours.completed)) / (best.seconds / best.completed)
            aim = self.ratios[mode]
            verdicts.append(Verdict(f"makespan {each:.3f}, aim {aim:g}", each <= aim))
        else:
            waits = percentile(ours.tally.waits, 0.99) / percentile(best.tally.waits, 0.99)
            verdicts.append(Verdict(f"p99 wait {waits:.3f} of the yardstick's, aim 1.1", waits <= 1.1))
        if self.waste is not None:
            text = f"wasted {ours.wasted}, aim {self.waste:g} x {best.wasted}"
            verdicts.append(Verdict(text, ours.wasted <= self.waste * best.wasted))
        return verdicts


WORKLOADS: Mapping[str, Workload] = {
    "requests": Workload(REQUESTS),
    "input": Workload(INPUT),
    "output": Workload(OUTPUT),
    "mixed": Workload(MIXED),
    "overload": Workload(MIXED, count=0, patience=PATIENCE),
    "storms": Workload(
        MIXED, troubles=STORMS, ratios={"sliding_window": 1.10, "token_bucket": 1.10}, waste=2.0
    ),
    "large": Workload(LARGE_MIXED, limits=LARGE, count=LARGE_BURST),
}
