"""Which of several equal workers takes the next message: the one with the least to do, ties taken in turn.

Pure: what a worker has to do comes in as a value that can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import attrs


@attrs.define(eq=False)
class LeastLoaded:
    """Chooses the place with the smallest load; among equal ones the next in the round after the last choice.

    It is the usher at a row of counters: the shortest line, and where they are equally short not always the first. It
    is not a round robin: a counter with more to do is passed over.
    """

    _next: int = 0

    def choose(self, loads: Sequence[Any]) -> int:
        """Return the index of the place that is to have the next message.

        Args:
            loads: what each place has to do, in an order that stays; any values that compare with each other.

        Raises:
            ValueError: there are no places.
        """
        if not loads:
            raise ValueError("loads must hold at least one place, got none")
        start = self._next if self._next < len(loads) else 0
        chosen = min(chain(range(start, len(loads)), range(start)), key=loads.__getitem__)
        self._next = chosen + 1
        return chosen
