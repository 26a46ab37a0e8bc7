"""What goes wrong at the provider in a run: faults by chance, storms of 529s at random instants, and a few hangs.

All of them are the provider's own, so it knows for each refusal whether it was its fault or the client's.
"""

from __future__ import annotations

import random

import attrs

from actors.testing.provider import Fault, hang, overload, refuse, reset, server_error

SHORTEST, LONGEST = 10.0, 45.0
"""Seconds that a storm lasts."""


@attrs.frozen
class Troubles:
    """What goes wrong, and how often.

    Args:
        server_errors: share of the requests that are counted and then fail with 500.
        refusals: share of the requests whose connection is refused; they are not counted.
        resets: share of the requests that are counted and then lose their connection.
        hangs: share of the requests that are counted and never answered.
        hung: numbers of the requests that are never answered, in the order in which they are counted.
        calm: seconds between two storms, on average; 0 for no storms.
        lasting: seconds from the start in which storms begin.
    """

    server_errors: float = 0.0
    refusals: float = 0.0
    resets: float = 0.0
    hangs: float = 0.0
    hung: tuple[int, ...] = ()
    calm: float = 0.0
    lasting: float = 0.0

    def storms(self, seed: int) -> tuple[Fault, ...]:
        """Return the storms of a seed, in order; none overlaps the one before."""
        if not self.calm:
            return ()
        rng = random.Random(f"{seed}/storms")
        storms: list[Fault] = []
        at = rng.expovariate(1 / self.calm)
        while at < self.lasting:
            length = rng.uniform(SHORTEST, LONGEST)
            storms.append(overload(at=at, lasting=length))
            at += length + rng.expovariate(1 / self.calm)
        return tuple(storms)

    def faults(self, seed: int) -> tuple[Fault, ...]:
        """Return the whole script of a seed."""
        by_chance = (
            refuse(chance=self.refusals, seed=seed),
            hang(chance=self.hangs, seed=seed),
            reset(chance=self.resets, seed=seed),
            server_error(chance=self.server_errors, seed=seed),
        )
        picked = tuple(hang(nth=number) for number in self.hung)
        return (*self.storms(seed), *picked, *(fault for fault in by_chance if fault.chance))


PEACE = Troubles()
