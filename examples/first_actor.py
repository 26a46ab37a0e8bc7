"""A box office sells three seats: however many ask at once, and even when a buyer leaves in the middle."""

from __future__ import annotations

import trio

from actors.kernel import Actor, Ref, op, open_actor


class BoxOffice(Actor):
    """Owns the free seats; nobody else touches them, so nobody needs a lock."""

    def __init__(self, seats: int) -> None:
        self.free = [f"seat {number}" for number in range(seats, 0, -1)]

    def _take_back(self, seat: str | None) -> None:
        if seat is not None:
            self.free.append(seat)

    @op(undo=_take_back, on_abandon="finish")
    async def sell(self) -> str | None:
        """Sell the first free seat, or say None. Printing the ticket takes a moment."""
        if not self.free:
            return None
        seat = self.free.pop()
        await trio.sleep(0.1)
        return seat

    @op
    def left(self) -> int:
        """Count the seats that are free."""
        return len(self.free)


async def buy(office: Ref[BoxOffice], name: str, patience: float) -> None:
    """Ask for a seat, but wait no longer than `patience` seconds: the deadline is Trio's, `ask` has none."""
    with trio.move_on_after(patience) as wait:
        print(f"{name:6} got {await office.ask(BoxOffice.sell()) or 'nothing'}")
    if wait.cancelled_caught:
        print(f"{name:6} left; the seat being printed goes back")


async def main() -> None:
    """Let one impatient and five patient buyers ask, then count."""
    async with open_actor(lambda: BoxOffice(3)) as office:
        await buy(office, "hasty", patience=0.05)
        async with trio.open_nursery() as queue:
            for name in ("ada", "ben", "cleo", "dan", "eve"):
                queue.start_soon(buy, office, name, 10)
        print(f"{await office.ask(BoxOffice.left())} seats left")


if __name__ == "__main__":
    trio.run(main)
