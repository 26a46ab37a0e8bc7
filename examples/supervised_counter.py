"""A counter that trips over 13: it starts again, what is sent meanwhile waits, and one fault too many is told."""

from __future__ import annotations

import trio

from actors.errors import Interrupted, RestartsExhausted
from actors.kernel import Actor, Ref, op
from supervisors import Backoff, ChildSpec, Intensity, LifecycleEvent, open_supervisor

UNLUCKY = 13


class Counter(Actor):
    """Counts what it is given; its count lives as long as its incarnation."""

    def __init__(self) -> None:
        self.total = 0

    @op
    def add(self, n: int) -> str:
        """Add `n` and tell the total, and whose it is."""
        if n == UNLUCKY:
            raise RuntimeError("an unlucky number")
        self.total += n
        return f"{self.total} (incarnation {self.incarnation})"


def note(event: LifecycleEvent) -> None:
    """Print what happens to the children, without the times, which differ from run to run."""
    print(f"    {event.child}: {type(event).__name__}")


async def add(counter: Ref[Counter], n: int) -> None:
    """Ask, and say what came of it. Whoever asked for the message that crashed learns that much."""
    try:
        print(f"add {n}: {await counter.ask(Counter.add(n))}")
    except Interrupted:
        print(f"add {n}: interrupted, whether it counted is unknown")


async def main() -> None:
    """Let a counter crash twice, and once more than its budget allows."""
    spec = ChildSpec(
        "counter",
        Counter,
        intensity=Intensity(restarts=2, period=30.0),
        backoff=Backoff(initial=0.05),
    )
    try:
        async with open_supervisor(children=[ChildSpec("sibling", Counter)], on_event=note) as tree:
            counter = await tree.start_child(spec)
            await add(counter, 1)
            for n in (UNLUCKY, 2, UNLUCKY, 3, UNLUCKY, 4):
                await add(counter, n)  # the same ref all along; what is sent meanwhile waits
    except RestartsExhausted as error:
        print(error)
        for each in error.exceptions:
            print(f"    {each!r} {each.__notes__[0]}")


if __name__ == "__main__":
    trio.run(main)
