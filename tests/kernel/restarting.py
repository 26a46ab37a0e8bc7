"""What the tests of surviving stand on: an actor that is started again, however often it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import attrs
import trio

from actors.kernel import Actor, Exit, Overflow, Ref, current_books
from actors.kernel.incarnation import Incarnation
from actors.kernel.slot import Slot

ActorT = TypeVar("ActorT", bound=Actor)


@attrs.define(eq=False)
class Run(Generic[ActorT]):
    """An actor over all its incarnations.

    Attributes:
        slot: where they play.
        exits: how each of them ended.
        heritages: with what each of them began.
    """

    slot: Slot
    exits: list[Exit] = attrs.field(factory=list)
    heritages: list[str] = attrs.field(factory=list)
    is_over: bool = False

    @property
    def ref(self) -> Ref[ActorT]:
        """How it is reached."""
        return Ref(self.slot)

    @property
    def notes(self) -> list[list[str]]:
        """The notes on the error that ended each incarnation."""
        return [getattr(exit_.error, "__notes__", []) for exit_ in self.exits]


@asynccontextmanager
async def open_restarted(
    factory: Callable[[], ActorT],
    *,
    capacity: int = 64,
    overflow: Overflow = "wait",
    quarantine_after: int = 3,
    keeps_state: bool = False,
    pause: float = 0.0,
) -> AsyncGenerator[Run[ActorT]]:
    """Run an actor that is started again `pause` seconds after each of its ends, for the length of the block."""
    slot = Slot.open(
        "a",
        current_books(),
        capacity=capacity,
        overflow=overflow,
        quarantine_after=quarantine_after,
        keeps_state=keeps_state,
    )
    run: Run[ActorT] = Run(slot)

    async def supervise() -> None:
        while True:
            incarnation = Incarnation(slot)
            exit_ = await incarnation.run(factory, lambda: None)
            run.exits.append(exit_)
            run.heritages.append(incarnation.heritage)
            if run.is_over:
                slot.close(exit_)
                return
            slot.leave("restarting")
            await trio.sleep(pause)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervise)
        yield run
        run.is_over = True
        slot.request_stop(5.0)
