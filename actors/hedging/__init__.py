"""A second copy of a slow call, and the clock that says what is slow."""

from __future__ import annotations

from actors.hedging.clock import HedgeClock, timed
from actors.hedging.hedging import Hedged, hedged, may_pass

__all__ = ["HedgeClock", "Hedged", "hedged", "may_pass", "timed"]
