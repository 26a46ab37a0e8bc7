"""How many failures in a row a service is allowed, by how well it has done of late."""

from __future__ import annotations

from collections import deque

import attrs

OUTCOMES_JUDGED = 100
"""So many outcomes are looked at; before there are as many, nothing is judged."""

STEP_EVERY = 10
"""Outcomes from one judgement to the next: the same bad minute is not held against a service a hundred times."""

POOR, GOOD = 0.7, 0.95
"""Share of successes below which less is allowed, and above which more is."""

LEAST, MOST = 2, 10
"""Failures in a row; it moves between them. A first threshold beyond them is a bound itself."""


@attrs.define(eq=False)
class AdaptiveThreshold:
    """A teacher who forgives a good pupil more: every tenth outcome moves the threshold by one at most.

    Args:
        first: the threshold to begin with, >= 1.

    Attributes:
        value: the threshold at present.
    """

    first: int
    value: int = attrs.field(init=False)
    _successes: int = attrs.field(default=0, init=False)
    _outcomes: deque[bool] = attrs.field(factory=deque[bool], init=False)
    _until_step: int = attrs.field(default=STEP_EVERY, init=False)

    def __attrs_post_init__(self) -> None:
        self.value = self.first

    def learn(self, *, is_success: bool) -> None:
        """Take in one outcome."""
        self._outcomes.append(is_success)
        self._successes += is_success
        if len(self._outcomes) > OUTCOMES_JUDGED:
            self._successes -= self._outcomes.popleft()
        self._until_step -= 1
        if self._until_step == 0:
            self._until_step = STEP_EVERY
            self._judge()

    def clear(self) -> None:
        """Begin anew."""
        self._outcomes.clear()
        self._successes, self._until_step, self.value = 0, STEP_EVERY, self.first

    def _judge(self) -> None:
        if len(self._outcomes) < OUTCOMES_JUDGED:
            return
        share = self._successes / OUTCOMES_JUDGED
        if share < POOR:
            self.value = max(self.value - 1, min(LEAST, self.first))
        elif share > GOOD:
            self.value = min(self.value + 1, max(MOST, self.first))
