"""Falling back: a chain of services of any kind, of which the first that can answer does."""

from __future__ import annotations

from actors.fallback.chain import FallbackChain
from actors.fallback.records import FallbackStatistics, PassedOver, Served, Step, constant

__all__ = ["FallbackChain", "FallbackStatistics", "PassedOver", "Served", "Step", "constant"]
