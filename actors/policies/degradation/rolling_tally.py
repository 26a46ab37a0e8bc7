"""How many outcomes of the last seconds were errors: a tally that forgets.

Outcomes that come close together share a cell, which leaves as a whole, one window after its first outcome. So an
outcome counts for a window, or a sixtieth of it less, and a busy service costs no more memory than a quiet one.
"""

from __future__ import annotations

import math
from collections import deque

import attrs

from actors.policies.instants import add_up

CELLS = 60
"""Cells of a window. An outcome that leaves a sixtieth early changes no decision that a window makes."""


@attrs.define(eq=False)
class _Cell:
    joins_until: float
    leaves_at: float
    events: int = 0
    errors: int = 0


@attrs.define(eq=False)
class RollingTally:
    """Outcomes of the last `window` seconds: beads on an abacus that slide off at the far end.

    Args:
        window: its length, seconds, > 0.
    """

    window: float
    events: int = attrs.field(default=0, init=False)
    errors: int = attrs.field(default=0, init=False)
    _cells: deque[_Cell] = attrs.field(factory=deque[_Cell], init=False)

    @property
    def error_ratio(self) -> float:
        """Share of errors among the events that count; 0 where there are none."""
        return self.errors / self.events if self.events else 0.0

    def add(self, *, ok: bool, now: float) -> None:
        """Count one outcome."""
        self.expire(now)
        if not self._cells or now >= self._cells[-1].joins_until:
            self._cells.append(_Cell(add_up(now, self.window / CELLS), add_up(now, self.window)))
        cell, error = self._cells[-1], 0 if ok else 1
        cell.events, cell.errors = cell.events + 1, cell.errors + error
        self.events, self.errors = self.events + 1, self.errors + error

    def expire(self, now: float) -> None:
        """Drop what has left: what leaves at t is gone at t."""
        while self._cells and self._cells[0].leaves_at <= now:
            cell = self._cells.popleft()
            self.events -= cell.events
            self.errors -= cell.errors

    def next_deadline(self) -> float:
        """Return when the next outcomes leave; infinity when there are none."""
        return self._cells[0].leaves_at if self._cells else math.inf
