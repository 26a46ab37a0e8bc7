"""The limiter, and the client's side of it: a reservation that is settled however its block ends."""

from __future__ import annotations

from actors.limiter.grant import Grant, LimiterStatistics, ScopeReport
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import Held, reserve

__all__ = ["Grant", "Held", "Limiter", "LimiterStatistics", "ScopeReport", "reserve"]
