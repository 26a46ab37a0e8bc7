"""Breakers, the client's side of them, and the board on which services see each other's."""

from __future__ import annotations

from actors.breaker.board import BreakerBoard
from actors.breaker.breaker import Breaker
from actors.breaker.breaking import Passing, check_breaker, pass_breaker

__all__ = ["Breaker", "BreakerBoard", "Passing", "check_breaker", "pass_breaker"]
