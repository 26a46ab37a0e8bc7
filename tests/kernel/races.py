"""Races: what happens at one instant, played in an order that a seed decides, with books that must balance."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from actors.kernel import open_books
from actors.testing.run import run

Race = Callable[[random.Random], Awaitable[None]]


def play(race: Race, seed: int) -> None:
    """Run one interleaving of `race`."""

    async def main() -> None:
        with open_books() as books:
            await race(random.Random(seed))
        books.check_balanced()

    run(main, seed=seed)
