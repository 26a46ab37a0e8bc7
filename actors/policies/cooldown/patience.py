"""How long a call has to be silent before silence is good news: learned from how fast refusals come."""

from __future__ import annotations

import attrs

FIRST_PATIENCE = 1.0
"""Seconds, before any refusal was timed: an answer at the counter takes tenths of a second, with a slow network one."""

LEAST_PATIENCE = 0.25
"""Seconds. A provider that refuses within a millisecond does so across a network that now and then takes longer."""

MOST_PATIENCE = 5.0
"""Seconds. Refusals that took longer waited in a line of their own; and a probe that hangs must not hold up the rest
for longer than that."""

_OF_MEAN, _OF_DEVIATION = 1 / 8, 1 / 4
"""The gains of RFC 6298, by which TCP times its acknowledgements: the same question, how long is too long."""

_DEVIATIONS = 2.0
"""Half of TCP's four. To believe in silence too soon costs one more probe, too late costs time after every storm: over
networks with half a second of jitter four waste as much and lose half as much again."""


@attrs.define(eq=False)
class Patience:
    """Times refusals: a smoothed mean and two mean deviations, much as TCP's retransmission timer does.

    A call that the provider refuses comes back soon; one that it works on stays away for seconds or minutes. So a call
    that has been away for longer than refusals take has very likely been let in, long before it is answered.
    """

    _mean: float | None = attrs.field(default=None, init=False)
    _deviation: float = attrs.field(default=0.0, init=False)

    @property
    def seconds(self) -> float:
        """How long after its grant a call that has not come back counts as let in."""
        if self._mean is None:
            return FIRST_PATIENCE
        return min(MOST_PATIENCE, max(LEAST_PATIENCE, self._mean + _DEVIATIONS * self._deviation))

    def learn(self, seconds: float) -> None:
        """Take in how long one refusal took, from the grant to its settlement."""
        # One that waited for minutes says nothing of the next.
        seconds = min(max(seconds, 0.0), MOST_PATIENCE)
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
        else:
            self._deviation += _OF_DEVIATION * (abs(seconds - self._mean) - self._deviation)
            self._mean += _OF_MEAN * (seconds - self._mean)
