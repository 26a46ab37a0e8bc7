"""Which limit is in force, from what one response after the other says it is.

A limit that is too high costs refusals, one that is too low costs time, and one that is far too low fails calls that
would fit. So the kinds of news are not believed alike:

    contradicting itself                              never
    lower, but not below COLLAPSE of what is known    at once
    below COLLAPSE of what is known                   after COLLAPSE_NEEDS responses in a row
    below what was possible just now                  after WONDER_NEEDS responses in a row
    higher                                            after GROWTH_NEEDS responses in a row
    of something of which no limit is known           at once, if it is not below what was possible just now

A response that says what is known ends a row. Of the numbers in a row the one nearest to what is known is taken: where
they differ, all of them vouch for that one. So one strange response never lifts a limit and never stops all traffic.

What a limit has fallen from is remembered: that is believed again when the fallen one turns out to be gone.
"""

from __future__ import annotations

import math

import attrs

from actors.policies.learning.others import rounding_of
from actors.policies.learning.records import Seen
from actors.policies.ledger.limits import amount_of
from actors.policies.usage import Usage

GROWTH_NEEDS = 3
"""Responses. Where two pools hide behind one name and their answers alternate, three in a row seldom come from the
larger one, and the smaller limit stays in force."""

COLLAPSE_NEEDS = 2
"""Responses. Two do not make the same slip; meanwhile a real collapse is told by a 429, which the cooldown heeds."""

WONDER_NEEDS = 3
"""Responses. Two may still come from one and the same mistake on the way; the calls that are possible no more would
have been so a moment ago."""

COLLAPSE = 0.5
"""Share of what is known below which a limit is strange. A plan that is cut is most often halved at worst; a slip may
be anything, and calls that are larger than it would fail."""


def contradicts_itself(seen: Seen, limit: int, used: Usage | None) -> bool:
    """Whether a response speaks of a limit that cannot have let it through.

    Args:
        seen: what it told.
        limit: its limit, which is not None.
        used: what the provider counted for its call when it let it in; None when that is not known.
    """
    remaining = seen.remaining
    if remaining is not None and remaining > limit and remaining - rounding_of(seen) > limit:
        return True
    return used is not None and amount_of(used, seen.quantity) > limit


@attrs.define(eq=False)
class LimitDetector:
    """Believes one limit until enough responses say otherwise: a thermostat's dial that nobody turns by one touch.

    Args:
        amount: what is known from elsewhere; None when there is no such limit, as far as is known.

    Attributes:
        amount: what is believed.
        agreeing: responses in a row that said so.
        before: the most that was known before the amount fell to what it is, and infinity where that was no limit;
            minus infinity where it has not fallen.
    """

    amount: int | None
    agreeing: int = attrs.field(default=0, init=False)
    before: float = attrs.field(default=-math.inf, init=False)
    _candidate: int | None = attrs.field(default=None, init=False)
    _row: int = attrs.field(default=0, init=False)

    @property
    def has_fallen(self) -> bool:
        """Whether it is lower than what was known once, and all that says so is responses."""
        return self.before > -math.inf

    def observe(self, limit: int, possible: int = 0) -> bool:
        """Take in what one response says.

        Args:
            limit: at least 1.
            possible: what has been possible of late.

        Returns:
            Whether `amount` has changed.
        """
        known = self.amount
        if limit == known:
            self.agreeing += 1
            self._row = 0
            self._candidate = None
            return False
        self.agreeing = 0
        if self._needs(limit, possible) == 1:
            return self._adopt(limit, 1)
        candidate = self._join_row(limit, self._known)
        return self._row >= self._needs(candidate, possible) and self._adopt(candidate, self._row)

    def take_back(self) -> None:
        """Believe again what was known before it fell."""
        self.amount = None if self.before == math.inf else int(self.before)
        self.agreeing, self.before = 0, -math.inf
        self._candidate, self._row = None, 0

    @property
    def _known(self) -> float:
        return math.inf if self.amount is None else self.amount

    def _needs(self, limit: int, possible: int) -> int:
        """How many responses in a row it takes."""
        known = self._known
        if limit > known:
            return GROWTH_NEEDS
        if limit < possible:
            return WONDER_NEEDS
        return 1 if self.amount is None or limit >= known * COLLAPSE else COLLAPSE_NEEDS

    def _join_row(self, limit: int, known: float) -> int:
        """Count a response to those before it that say the same, and return the number that all of them vouch for."""
        candidate = self._candidate
        if candidate is None or (candidate > known) != (limit > known):
            self._candidate, self._row = limit, 1
            return limit
        self._row += 1
        self._candidate = min(candidate, limit) if limit > known else max(candidate, limit)
        return self._candidate

    def _adopt(self, limit: int, row: int) -> bool:
        known = self._known
        if limit < known:
            self.before = max(self.before, known)
        elif limit >= self.before:
            self.before = -math.inf
        self.amount, self.agreeing = limit, row
        self._candidate, self._row = None, 0
        return True
