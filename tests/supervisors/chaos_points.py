"""The points at which a chaos run strikes, and what all its actors share."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs
from chaos_ledger import Ledger
from chaos_lives import Lives

from actors.kernel import Ref

CHANCES: Mapping[str, float] = MappingProxyType(
    {
        "factory": 0.04,
        "setup": 0.12,
        "setup again": 0.12,
        "slow setup": 0.3,
        "task in setup": 0.03,
        "not now": 0.04,
        "op": 0.002,
        "async op": 0.02,
        "concurrent op": 0.02,
        "stream": 0.08,
        "undo": 0.4,
        "timer": 0.02,
        "deadline": 0.05,
        "wind down": 0.1,
        "teardown": 0.15,
        "slow teardown": 0.2,
        "endless teardown": 0.01,
        "hand over": 0.1,
        "take over": 0.15,
    }
)
"""How likely a crash (or a delay) is each time an actor passes the point."""


class Crash(Exception):
    """A crash that was injected."""


@attrs.define(eq=False)
class Chaos:
    """What all actors of one run share.

    Args:
        rng: where the crashes come from.
        ledger: what is told of messages.
        lives: what is told of incarnations.
        is_on: whether there are any; a tree starts in peace and ends in peace.
        struck: how often each point was struck.
        known: a ref to every role that has one, as far as anybody has seen it.
    """

    rng: random.Random
    ledger: Ledger = attrs.field(factory=Ledger)
    lives: Lives = attrs.field(init=False)
    is_on: bool = False
    struck: Counter[str] = attrs.field(factory=Counter[str])
    known: dict[str, Ref[Any]] = attrs.field(factory=dict[str, Ref[Any]])

    def __attrs_post_init__(self) -> None:
        self.lives = Lives(self.ledger.problem)

    def strikes(self, point: str) -> bool:
        """Throw the dice for a point."""
        if not self.is_on or self.rng.random() >= CHANCES[point]:
            return False
        self.struck[point] += 1
        return True

    def strike(self, point: str) -> None:
        """Crash, if the dice say so."""
        if self.strikes(point):
            raise Crash(point)
