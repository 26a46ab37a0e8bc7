"""Which limit is in force, from what one response after the other says it is.

A limit that is too high costs refusals, one that is too low costs time, and one that is far too low fails calls that
would fit. So the three kinds of news are not believed alike:

    lower, but not below COLLAPSE of what is known    at once
    below COLLAPSE of what is known                   after COLLAPSE_NEEDS responses in a row
    higher                                            after GROWTH_NEEDS responses in a row

A response that says what is known ends a row. Of the numbers in a row the one nearest to what is known is taken: where
they differ, all of them vouch for that one. So one strange response never lifts a limit and never stops all traffic.
"""

from __future__ import annotations

import attrs

GROWTH_NEEDS = 3
"""Responses. Where two pools hide behind one name and their answers alternate, three in a row seldom come from the
larger one, and the smaller limit stays in force."""

COLLAPSE_NEEDS = 2
"""Responses. Two do not make the same slip; meanwhile a real collapse is told by a 429, which the cooldown heeds."""

COLLAPSE = 0.5
"""Share of what is known below which a limit is strange. A plan that is cut is most often halved at worst; a slip may
be anything, and calls that are larger than it would fail."""


@attrs.define(eq=False)
class LimitDetector:
    """Believes one limit until enough responses say otherwise: a thermostat's dial that nobody turns by one touch.

    Args:
        amount: what is known from elsewhere; None when there is no such limit, as far as is known.

    Attributes:
        amount: what is believed.
        agreeing: responses in a row that said so.
    """

    amount: int | None
    agreeing: int = attrs.field(default=0, init=False)
    _candidate: int | None = attrs.field(default=None, init=False)
    _row: int = attrs.field(default=0, init=False)

    def observe(self, limit: int) -> bool:
        """Take in what one response says.

        Args:
            limit: at least 1.

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
        if known is None or known * COLLAPSE <= limit < known:
            return self._adopt(limit, 1)
        self._join_row(limit, known)
        if self._row < (GROWTH_NEEDS if limit > known else COLLAPSE_NEEDS):
            return False
        return self._adopt(self._candidate if self._candidate is not None else limit, self._row)

    def _join_row(self, limit: int, known: int) -> None:
        candidate = self._candidate
        if candidate is None or (candidate > known) != (limit > known):
            self._candidate, self._row = limit, 1
            return
        self._row += 1
        self._candidate = min(candidate, limit) if limit > known else max(candidate, limit)

    def _adopt(self, limit: int, row: int) -> bool:
        self.amount, self.agreeing = limit, row
        self._candidate, self._row = None, 0
        return True
