"""A print shop in trouble: who waits for whom, what is restarting, and what has happened, without asking anybody."""

from __future__ import annotations

import trio

from actors.errors import Interrupted
from actors.kernel import Actor, Ref, op
from actors.testing.run import run
from supervisors import (
    Backoff,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    Supervisor,
    Tree,
    current_registry,
    open_supervisor,
)


class Paper(Actor):
    """Brings paper, slowly."""

    @op
    async def fetch(self, sheets: int) -> int:
        """Return as many sheets as were asked for."""
        await trio.sleep(20)
        return sheets


class Press(Actor):
    """Prints on what it gets from whoever is called "paper"."""

    @op
    async def print_pages(self, text: str, pages: int) -> str:
        """Fetch the paper, then print."""
        sheets = await current_registry().find("paper", Paper).ask(Paper.fetch(pages))
        return f"{sheets} pages of {text}"


class Till(Actor):
    """Counts the money, until somebody pays with a button."""

    @op
    def pay(self, coin: str) -> None:
        """Take a coin."""
        if coin == "button":
            raise ValueError("this is no coin")


async def pay_badly(till: Ref[Till]) -> None:
    """Crash the till."""
    try:
        await till.ask(Till.pay("button"))
    except Interrupted as error:
        print(f"the till: {type(error.__cause__).__name__}")


async def follow(tree: Tree) -> None:
    """Print what happens in the whole tree from here on, until it ends."""
    async with tree.events() as events:
        async for event in events:
            if isinstance(event, ChildStarted | ChildStopped):
                print(f"{event.at:6.1f}  {type(event).__name__} {event.supervisor}/{event.child}")


async def main() -> None:
    """Get a shop into trouble, and look."""
    presses = [ChildSpec("left", Press), ChildSpec("right", Press, capacity=1)]
    shop = [
        ChildSpec("store", Paper, name="paper"),
        ChildSpec("till", Till, backoff=Backoff(initial=60.0, cap=60.0, factor=1.0)),
        ChildSpec("presses", lambda: Supervisor("rest_for_one", children=presses)),
    ]
    async with trio.open_nursery() as nursery, open_supervisor(name="shop", children=shop, seed=7) as tree:
        hall = Tree(await tree.child("presses"))
        for press, pages in (("left", 300), ("right", 20), ("right", 40), ("right", 60)):
            nursery.start_soon((await hall.child(press)).tell, Press.print_pages("a secret", pages))
            await trio.sleep(0.5)
        await pay_badly(await tree.child("till"))
        print(tree.snapshot())
        nursery.start_soon(follow, tree)
        await trio.sleep(90)


if __name__ == "__main__":
    run(main, seed=1)
