"""Tests that an actor which shields itself from its end can be left behind, and that its late ends reach nobody."""
# ruff: noqa: PT012  # an actor's crash ends the block around it, not one statement

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import trio

from actors.errors import DeliveryError, Interrupted
from actors.kernel import Actor, Deferred, Fate, Message, Ref, op, open_actor
from actors.kernel.mailbox import Mailbox
from actors.kernel.slot import Slot

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Refused(Exception):
    """Declared by ops."""


class Deaf(Actor):
    """Does not hear that it is to end."""

    def __init__(self) -> None:
        self.undone: list[str] = []
        self.parked: Deferred[str] = Deferred()

    def take_back(self, value: str) -> None:
        self.undone.append(value)

    async def last(self) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(10.0)

    @op(undo=take_back)
    async def hold(self) -> str:
        await self.last()
        return "held"

    @op(undo=take_back, concurrent=True)
    async def beside(self) -> str:
        await self.last()
        return "beside"

    @op(idempotent=True)
    async def again(self) -> str:
        await self.last()
        return "again"

    @op(raises=(Refused,))
    async def refuse(self) -> str:
        await self.last()
        raise Refused

    @op
    async def crash(self) -> str:
        await self.last()
        raise RuntimeError("crash")

    @op
    async def listen(self) -> str:
        await self.last()
        await trio.sleep(1.0)
        return "cut"

    @op
    async def count_up(self) -> AsyncGenerator[int]:
        await self.last()
        yield 1

    @op(raises=(Refused,))
    async def count_down(self) -> AsyncGenerator[int]:
        await self.last()
        if not self.undone:
            raise Refused
        yield 1

    @op
    async def count_nothing(self) -> AsyncGenerator[int]:
        await self.last()
        for number in self.undone:
            yield len(number)

    @op
    def park(self) -> Deferred[str]:
        return self.parked


def slot_of(ref: Ref[Any]) -> Slot:
    return ref._slot


def leave_behind(ref: Ref[Any], cause: Exception | None = None) -> None:
    performer = slot_of(ref).performer
    assert performer is not None
    performer.request_stop(0.0, drain=False)
    performer.leave_behind(cause)


async def outcome(ref: Ref[Deaf], message: Message[Deaf, str], told: dict[str, object]) -> None:
    try:
        told["answer"] = await ref.ask(message)
    except DeliveryError as error:
        told["answer"] = error
    told["at"] = trio.current_time()


@pytest.mark.parametrize(
    ("message", "undone"),
    [
        (Deaf.hold(), ["held"]),
        (Deaf.beside(), ["beside"]),
        (Deaf.refuse(), []),
        (Deaf.listen(), []),
        (Deaf.park(), []),
    ],
    ids=lambda value: value.__op__.name if isinstance(value, Message) else "",
)
async def test_whoever_waits_for_what_it_does_is_told_at_once_and_its_late_end_reaches_nobody(
    message: Message[Deaf, str], undone: list[str]
) -> None:
    actor, told = Deaf(), dict[str, object]()
    cause = RuntimeError("stuck")
    async with trio.open_nursery() as nursery, open_actor(lambda: actor) as ref:
        nursery.start_soon(outcome, ref, message, told)
        await trio.sleep(2.0)
        leave_behind(ref, cause)
        statistics = ref.statistics()
        assert (statistics.running, statistics.parked) == ((), 0)
        await trio.sleep(20.0)
        assert isinstance(told["answer"], Interrupted)
        assert (told["answer"].__cause__, told["at"]) == (cause, 2.0)
        assert actor.undone == undone
        assert ref.statistics().messages.fates == {Fate.INTERRUPTED: 1}
        if message == Deaf.park():
            assert not actor.parked.set("late")


async def test_an_actor_that_is_left_behind_may_crash_and_says_so_at_its_end() -> None:
    told = dict[str, object]()
    with pytest.raises(RuntimeError, match="crash"):
        async with open_actor(Deaf) as ref, trio.open_nursery() as nursery:
            nursery.start_soon(outcome, ref, Deaf.crash(), told)
            await trio.sleep(2.0)
            leave_behind(ref)
            await trio.sleep(20.0)
    assert (type(told["answer"]), told["at"]) == (Interrupted, 2.0)


@pytest.mark.parametrize("message", [Deaf.count_up(), Deaf.count_down(), Deaf.count_nothing()], ids=repr)
async def test_whoever_takes_from_a_stream_of_it_is_told(message: Any) -> None:
    at = -1.0
    async with trio.open_nursery() as nursery, open_actor(Deaf) as ref:

        async def take() -> None:
            nonlocal at
            async with ref.stream(message) as items:
                with pytest.raises(Interrupted):
                    await anext(items)
            at = trio.current_time()

        nursery.start_soon(take)
        await trio.sleep(2.0)
        leave_behind(ref)
        await trio.sleep(1.0)
        assert at == 2.0
        await trio.sleep(20.0)
        assert ref.statistics().messages.fates == {Fate.INTERRUPTED: 1}


async def test_an_idempotent_message_goes_back_to_the_head_of_the_mailbox_and_can_be_moved() -> None:
    told = dict[str, object]()
    async with (
        trio.open_nursery() as nursery,
        open_actor(Deaf, name="old") as old,
        open_actor(Deaf, name="new") as new,
    ):
        nursery.start_soon(outcome, old, Deaf.again(), told)
        await trio.sleep(0.5)
        await old.tell(Deaf.park())
        leave_behind(old)
        box = slot_of(old).mailbox
        assert (box.depth, box.holder) == (2, None)
        box.move_to(slot_of(new).mailbox)
        assert (box.depth, box.tally.sent) == (0, 0)
        await trio.sleep(30.0)
        assert (told["answer"], told["at"]) == ("again", 10.5)
        assert new.statistics().messages.sent == 2
        assert new.statistics().messages.open == 1
        new_actor = slot_of(new).actor
        assert isinstance(new_actor, Deaf)
        new_actor.parked.set("for nobody")


async def test_an_actor_that_has_begun_nothing_can_be_left_behind_too() -> None:
    async with open_actor(Deaf) as ref:
        leave_behind(ref)
        assert isinstance(slot_of(ref).mailbox, Mailbox)
