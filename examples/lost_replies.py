"""How often an answer is lost when a deadline fires beside it: over a one-slot channel, and over an ask.

    python examples/lost_replies.py [TRIALS]

Each trial plays one asker, one giver and one deadline in an order that its seed decides. A grant is lost when its giver
believes it delivered and its asker never had it; for a limiter that is capacity which nobody gives back.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import trio
from trio.testing import MockClock

from actors import Actor, op, open_actor
from actors.testing.run import run

STEPS = 6  # giver and deadline each let the others go first fewer times than this
Way = Callable[[Counter[str], int], Awaitable[None]]


async def let_others_run(times: int) -> None:
    """Pass the turn on `times` times."""
    for _ in range(times):
        await trio.lowlevel.checkpoint()


class Giver(Actor):
    """Gives a grant after a few steps, and takes back one whose asker has gone."""

    def __init__(self, books: Counter[str], steps: int) -> None:
        self.books = books
        self.steps = steps

    def _take_back(self, _grant: object) -> None:
        self.books["handed back"] += 1

    @op(undo=_take_back, on_abandon="finish")
    async def give(self) -> str:
        """Give a grant."""
        await let_others_run(self.steps)
        self.books["given"] += 1
        return "a grant"


async def ask(books: Counter[str], steps: int) -> None:
    """Have a grant by an ask, until the deadline around it."""
    async with open_actor(partial(Giver, books, steps)) as giver:
        with trio.move_on_after(1.0):
            await giver.ask(Giver.give())
            books["received"] += 1


async def channel(books: Counter[str], steps: int) -> None:
    """Do the same with a reply channel of one slot, which its asker closes when it leaves."""
    inbox, requests = trio.open_memory_channel[trio.MemorySendChannel[str]](64)

    async def giver() -> None:
        async for reply in requests:
            await let_others_run(steps)
            books["given"] += 1
            try:
                reply.send_nowait("a grant")
            except trio.BrokenResourceError:
                books["handed back"] += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(giver)
        reply, answer = trio.open_memory_channel[str](1)
        with inbox, answer, trio.move_on_after(1.0):
            await inbox.send(reply)
            await answer.receive()
            books["received"] += 1


async def play(way: Way, books: Counter[str], clock: MockClock, seed: int) -> None:
    """Play one trial: the clock passes the deadline after a few steps."""
    rng = random.Random(seed)

    async def let_the_deadline_fire() -> None:
        await let_others_run(rng.randrange(STEPS))
        clock.jump(1.0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(way, books, rng.randrange(STEPS))
        nursery.start_soon(let_the_deadline_fire)


def main(trials: int) -> None:
    """Play all trials both ways and print what became of the grants."""
    for way in (channel, ask):
        books = Counter[str]()
        for seed in range(trials):
            clock = MockClock()
            run(play, way, books, clock, seed, seed=seed, clock=clock)
        lost = books["given"] - books["received"] - books["handed back"]
        fates = ", ".join(f"{books[fate]} {fate}" for fate in ("given", "received", "handed back"))
        print(f"{way.__name__:8} {fates}, {lost} lost")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1600)
