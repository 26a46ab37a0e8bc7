"""All that is known of one limit that responses tell of, and when it is looked at again.

    told again and again      it holds
    not told for a while      the next call that it makes impossible may look: as much as that one asks for is allowed,
                              so that it goes alone
        told then             it holds
        refused               it holds
        answered otherwise    what was known before holds again

A limit that lets nothing through, true or not, is heard of no more, and would stand for ever. What was configured is no
news of anybody, and is never looked at.
"""

from __future__ import annotations

import math

import attrs

from actors.policies.learning.limit_detection import LimitDetector
from actors.policies.learning.others import OthersWatch
from actors.policies.ledger.limits import Quantity
from actors.policies.usage import MOST

LOOKS_AFTER = 2.0
"""Windows without a response that says so. After one all that was counted is gone, and a call of any size that is
possible at all may go; the other is for those who ask once a minute."""

LONGEST_UNSEEN = 600.0
"""Seconds, in place of that many windows where they are longer: a day's limit is looked at the same hour."""


@attrs.define(eq=False)
class Track:
    """Follows one limit from response to response: a bridge with a sign of what it bears, that somebody may have moved.

    Args:
        quantity: what is limited.
        window: over how many seconds.
        is_shared: whether it is the tightest of several, of which it is not told which.
        detector: which limit is believed.
        others: who else uses it.
    """

    quantity: Quantity
    window: float
    is_shared: bool
    detector: LimitDetector
    others: OthersWatch = attrs.field(factory=OthersWatch)
    _told_at: float = attrs.field(default=-math.inf, init=False)
    _looked_at: float = attrs.field(default=-math.inf, init=False)
    _looks_with: int = attrs.field(default=0, init=False)

    @property
    def amount(self) -> int | None:
        """What is in force: what is believed, or as much as the call asks for that looks."""
        believed = self.detector.amount
        return believed if believed is None else max(believed, self._looks_with)

    def hear(self, limit: int, possible: int, now: float) -> bool:
        """Take in what one response says, and return whether what is in force has changed.

        Args:
            limit: at least 1.
            possible: what has been possible of late.
            now: when the response came.
        """
        if limit == self.detector.amount and not self._looks_with:
            self._told_at = now
            return self.detector.observe(limit, possible)
        before = self.amount
        self.detector.observe(limit, possible)
        believed = self.detector.amount
        if believed is not None and limit <= believed:
            self._told_at, self._looks_with = now, 0
        return self.amount != before

    def may_look(self, amount: int, now: float) -> bool:
        """Whether a call that takes a limit of this amount may find out if this one still holds."""
        is_unseen = now >= self._told_at + min(LOOKS_AFTER * self.window, LONGEST_UNSEEN)
        return is_unseen and amount <= min(self.detector.before, MOST)

    def look(self, amount: int, now: float) -> None:
        """Allow as much as one call asks for, until somebody says what holds."""
        self._looks_with, self._looked_at = amount, now

    def look_away(self) -> None:
        """Allow no more than what is believed."""
        self._looks_with = 0

    def answered(self, sent_at: float) -> bool:
        """Hear that a call was let through, after what its response told; return whether that shows the limit gone."""
        if not self._looks_with or sent_at < self._looked_at:
            return False
        self.detector.take_back()
        self._looks_with = 0
        return True

    def refused(self, now: float) -> None:
        """Hear that a call was refused: who looked for the limit has found it."""
        if self._looks_with:
            self._told_at, self._looks_with = now, 0
