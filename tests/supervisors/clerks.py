"""The workers that tests of pools put behind the counters."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

import attrs
import trio

from actors.errors import DeliveryError
from actors.kernel import Actor, Deferred, Message, Ref, op
from supervisors import LifecycleEvent
from supervisors.pool.events import PoolEvent
from supervisors.pool.handle import PoolHandle

Event = PoolEvent | LifecycleEvent


@attrs.define(eq=False)
class Book:
    """What clerks write down where it survives them."""

    served: list[tuple[str, int]] = attrs.field(factory=list[tuple[str, int]])
    returned: list[str] = attrs.field(factory=list[str])


class Clerk(Actor):
    """Does what a message says, and says who did it."""

    def __init__(self, book: Book | None = None) -> None:
        self.book = Book() if book is None else book
        self.tickets: list[Deferred[str]] = []

    def hand_back(self, name: str) -> None:
        self.book.returned.append(name)

    @op
    def who(self) -> str:
        return self.name

    @op
    def serve(self, number: int) -> str:
        self.book.served.append((self.name, number))
        return self.name

    @op
    def serve_for(self, customer: str | bytes | int, number: int) -> str:
        self.book.served.append((f"{customer!r}", number))
        return self.name

    @op
    async def work(self, seconds: float) -> str:
        await trio.sleep(seconds)
        return self.name

    @op(concurrent=True)
    async def call(self, seconds: float) -> str:
        await trio.sleep(seconds)
        return self.name

    @op(undo=hand_back)
    async def shield(self, seconds: float) -> str:
        """Work without an ear for its own end."""
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)
        return self.name

    @op(idempotent=True)
    async def look_up(self, number: int) -> str:
        """Stand still the first time, whoever does it; afterwards answer at once."""
        self.book.served.append((self.name, number))
        if self.book.served.count((self.name, number)) == 1 and len(self.book.served) == 1:
            with trio.CancelScope(shield=True):
                await trio.sleep(100.0)
        return self.name

    @op
    def wait(self) -> Deferred[str]:
        """Answer when the next one asks."""
        for ticket in self.tickets:
            ticket.set(self.name)
        self.tickets = [Deferred()]
        return self.tickets[0]

    @op
    async def count_up(self, pause: float) -> AsyncGenerator[int]:
        for number in range(1000):
            yield number
            await trio.sleep(pause)

    @op
    def fall_ill(self) -> None:
        self.report_health(is_healthy=False)

    @op
    def crash(self) -> None:
        raise RuntimeError("crash")


@attrs.define(eq=False)
class Counter:
    """Askers of a pool and what became of them: the answer, or the name of the error, and when."""

    pool: PoolHandle[Clerk]
    nursery: trio.Nursery
    outcomes: dict[str, tuple[str, float]] = attrs.field(factory=dict[str, tuple[str, float]])

    def ask(self, label: str, message: Message[Clerk, str], ref: Ref[Clerk] | None = None) -> None:
        """Ask in a task of its own."""
        self.nursery.start_soon(partial(self._ask, label, message, self.pool.ref if ref is None else ref))

    async def _ask(self, label: str, message: Message[Clerk, str], ref: Ref[Clerk]) -> None:
        try:
            answer = await ref.ask(message)
        except DeliveryError as error:
            answer = type(error).__name__
        self.outcomes[label] = (answer, trio.current_time())


def customer_of(message: object) -> object:
    """Return whom a message is about; every other message is about nobody in particular."""
    return getattr(message, "customer", "nobody")
