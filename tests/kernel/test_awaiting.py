"""Tests that the wait for an actor's end closes no circle."""

from __future__ import annotations

import math

import pytest
import trio

from actors.errors import AskCycle
from actors.kernel import Actor, Message, Ref, op, open_actor

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Owner(Actor):
    """Stops another actor in an op of its own."""

    @op
    async def dispose(self, other: Ref[Asker]) -> str:
        await other.stop(grace=math.inf)
        return "disposed"

    @op
    async def nap(self, seconds: float) -> None:
        await trio.sleep(seconds)

    @op
    def hello(self) -> str:
        return "hello"


class Asker(Actor):
    """Asks its owner in the middle of an op."""

    def __init__(self, owner: Ref[Owner]) -> None:
        self.owner = owner

    @op
    async def ask_after(self, seconds: float) -> str:
        await trio.sleep(seconds)
        return await self.owner.ask(Owner.hello())

    @op(concurrent=True)
    async def ask_beside(self, seconds: float) -> str:
        await trio.sleep(seconds)
        return await self.owner.ask(Owner.hello())


async def dispose_after(owner: Ref[Owner], asker: Ref[Asker], seconds: float) -> None:
    await trio.sleep(seconds)
    assert await owner.ask(Owner.dispose(asker)) == "disposed"


@pytest.mark.parametrize("message", [Asker.ask_after(2.0), Asker.ask_beside(2.0)])
async def test_an_op_that_asks_the_actor_that_stops_it_is_refused_at_once(
    message: Message[Asker, str],
) -> None:
    async with open_actor(Owner) as owner, open_actor(lambda: Asker(owner)) as asker:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dispose_after, owner, asker, 1.0)
            with pytest.raises(AskCycle) as caught:
                await asker.ask(message)
        assert trio.current_time() == 2.0
    assert caught.value.path[0] == caught.value.path[-1]
    assert "Owner.dispose" in caught.value.path


async def test_an_ask_that_lay_in_the_mailbox_already_is_turned_away() -> None:
    async with open_actor(Owner) as owner, open_actor(lambda: Asker(owner)) as asker:
        async with trio.open_nursery() as nursery:
            # both stand in the mailbox of an owner that is busy: the stop first, then the ask
            await owner.tell(Owner.nap(1.0))
            nursery.start_soon(dispose_after, owner, asker, 0.25)
            with pytest.raises(AskCycle):
                await asker.ask(Asker.ask_after(0.5))
        assert trio.current_time() == 1.0


async def test_a_stop_from_outside_of_any_op_waits_for_an_op_that_asks_back() -> None:
    async with open_actor(Owner) as owner, open_actor(lambda: Asker(owner)) as asker:
        async with trio.open_nursery() as nursery:
            answers: list[str] = []

            async def ask() -> None:
                answers.append(await asker.ask(Asker.ask_after(2.0)))

            nursery.start_soon(ask)
            await trio.sleep(1.0)
            await asker.stop()
        assert answers == ["hello"]
