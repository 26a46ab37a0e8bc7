"""The most that single calls have used of late, of those that were answered: so much a limit allows, or did.

Output is left out: it is counted after a call was let in, and may stand above any limit.
"""

from __future__ import annotations

import attrs

from actors.policies.ledger.limits import Quantity, amount_of
from actors.policies.usage import NOTHING, Usage

REMEMBERED = 64
"""Calls at least, and fewer than twice as many. It is for what callers ask for usually; a single one from long ago says
nothing of it."""


@attrs.define(eq=False)
class AnsweredUse:
    """Remembers the largest of the last answered calls: the high-water marks of two years on a wall."""

    _count: int = attrs.field(default=0, init=False)
    _marks: Usage = attrs.field(default=NOTHING, init=False)
    _earlier: Usage = attrs.field(default=NOTHING, init=False)

    def note(self, used: Usage) -> None:
        """Take in what the provider counted for one when it let it in."""
        if self._count == REMEMBERED:
            self._earlier, self._marks, self._count = self._marks, NOTHING, 0
        self._count += 1
        marks = self._marks
        if used.input_tokens > marks.input_tokens or used.requests > marks.requests:
            most = max(used.input_tokens, marks.input_tokens)
            self._marks = Usage(max(used.requests, marks.requests), most)

    def largest(self, quantity: Quantity) -> int:
        """The most that one of them used, its output left out; 0 if none was answered."""
        return max(amount_of(self._marks, quantity), amount_of(self._earlier, quantity))
