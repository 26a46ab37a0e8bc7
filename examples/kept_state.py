"""A till that keeps its books over a crash, as long as they are right, and counts each receipt once all the same."""

from __future__ import annotations

import attrs
import trio

from actors.kernel import Actor, op
from supervisors import Backoff, ChildSpec, ChildStarted, LifecycleEvent, open_supervisor


@attrs.define(eq=False)
class Books:
    """What was paid, by receipt: a plain object that decides, and knows whether it can be trusted."""

    paid: dict[str, int] = attrs.field(factory=dict[str, int])
    total: int = 0

    def enter(self, receipt: str, amount: int) -> int:
        """Count a receipt, once, and return the total."""
        if receipt not in self.paid:
            self.paid[receipt] = amount
            self.total += amount
        return self.total

    def verify(self) -> None:
        """Raise if the total is not that of the receipts: a crash came in the middle of a change."""
        if self.total != sum(self.paid.values()):
            raise ValueError(f"total must be {sum(self.paid.values())}, got {self.total}")


class Till(Actor):
    """Runs the books; where its spec says `keep_state=True`, the next incarnation goes on with them."""

    def __init__(self) -> None:
        self.books = Books()

    def hand_over(self) -> Books:
        """Leave the books to whoever comes next, right or wrong."""
        return self.books

    def take_over(self, state: object) -> None:
        """Go on with the books of the last incarnation, if they are right."""
        if type(state) is not Books:
            raise TypeError(f"state must be Books, got {type(state).__name__}")
        state.verify()
        self.books = state

    @op(idempotent=True)
    def pay(self, receipt: str, amount: int) -> str:
        """Enter a payment. It is tried again after a crash, and finds what it has done already."""
        total = self.books.enter(receipt, amount)
        if self.incarnation == 1 and receipt == "C":
            raise RuntimeError("crashed after the entry, before the answer")
        return f"{total} in {len(self.books.paid)} receipts"

    @op
    def miscount(self) -> None:
        """Crash in the middle of a change."""
        self.books.total += 1
        raise RuntimeError("crashed between two lines that belong together")


def note(event: LifecycleEvent) -> None:
    """Print what each incarnation begins with: "new", "kept" or "cold"."""
    if isinstance(event, ChildStarted):
        print(f"    {event.child} starts: {event.state}")


async def main() -> None:
    """Crash a till twice: once where its books are right, and once where they are not."""
    async with open_supervisor(backoff=Backoff(initial=0.0), on_event=note) as tree:
        till = await tree.start_child(ChildSpec("till", Till, keep_state=True))
        for receipt, amount in (("A", 5), ("B", 7), ("C", 11), ("C", 11)):
            print(f"receipt {receipt}: {await till.ask(Till.pay(receipt, amount))}")
        await till.tell(Till.miscount())
        print(f"receipt D: {await till.ask(Till.pay('D', 1))}")


if __name__ == "__main__":
    trio.run(main)
