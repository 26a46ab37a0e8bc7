"""Tests that what waits for one actor can be passed on, message by message, to others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from actors.kernel import Actor, Delivery, Message, Ref, op, open_actor
from actors.kernel.mailbox import Mailbox

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Clerk(Actor):
    def __init__(self) -> None:
        self.seen: list[int] = []

    @op
    async def hold(self, seconds: float) -> None:
        await trio.sleep(seconds)

    @op
    def serve(self, number: int) -> str:
        self.seen.append(number)
        return self.name


def mailbox(ref: Ref[Any]) -> Mailbox:
    return ref._slot.mailbox


def seen(ref: Ref[Clerk]) -> list[int]:
    actor = ref._slot.actor
    assert isinstance(actor, Clerk)
    return actor.seen


def by_parity(even: Ref[Clerk], odd: Ref[Clerk]) -> Callable[[Any], Mailbox]:
    def choose(message: Any) -> Mailbox:
        return mailbox(odd if message.number % 2 else even)

    return choose


async def test_each_message_goes_where_it_is_to_go_in_order_and_is_counted_there() -> None:
    async with (
        open_actor(Clerk, name="from") as source,
        open_actor(Clerk, name="even") as even,
        open_actor(Clerk, name="odd") as odd,
    ):
        await source.tell(Clerk.hold(10.0))
        await trio.sleep(1.0)
        for number in range(6):
            await source.tell(Clerk.serve(number))
        mailbox(source).pass_on(by_parity(even, odd))
        await trio.sleep(1.0)
        assert (seen(even), seen(odd)) == ([0, 2, 4], [1, 3, 5])
        assert [mailbox(ref).tally.sent for ref in (source, even, odd)] == [1, 3, 3]
        assert source.statistics().depth == 0


async def test_what_is_given_back_to_its_own_mailbox_or_to_a_closed_one_stays_in_order() -> None:
    async with open_actor(Clerk, name="from") as source, open_actor(Clerk, name="to") as other:
        async with open_actor(Clerk, name="gone") as gone:
            pass
        await source.tell(Clerk.hold(10.0))
        await trio.sleep(1.0)
        for number in range(9):
            await source.tell(Clerk.serve(number))
        targets = [mailbox(source), mailbox(gone), mailbox(other)]

        def choose(message: Any) -> Mailbox:
            number: int = message.number
            return targets[number % 3]

        mailbox(source).pass_on(choose)
        await trio.sleep(10.0)
        assert (seen(source), seen(other)) == ([0, 1, 3, 4, 6, 7], [2, 5, 8])


async def test_a_teller_that_waited_outside_of_a_mailbox_which_keeps_its_message_waits_no_longer() -> None:
    async with open_actor(Clerk, name="from", capacity=1) as source, trio.open_nursery() as nursery:
        delivered: list[tuple[Delivery, float]] = []

        async def tell(message: Message[Clerk, object]) -> None:
            delivered.append((await source.tell(message), trio.current_time()))

        await tell(Clerk.hold(10.0))
        await trio.sleep(1.0)
        await tell(Clerk.serve(0))
        nursery.start_soon(tell, Clerk.serve(1))
        await trio.sleep(1.0)
        mailbox(source).pass_on(lambda _message: mailbox(source))
        await trio.sleep(9.0)
        assert delivered[-1] == (Delivery.QUEUED, 2.0)
        assert seen(source) == [0, 1]


async def test_the_next_mailbox_is_chosen_when_all_before_are_in_their_places() -> None:
    depths: list[int] = []
    async with open_actor(Clerk, name="from") as source, open_actor(Clerk, name="to") as other:
        for ref in (source, other):
            await ref.tell(Clerk.hold(10.0))
        await trio.sleep(1.0)
        for number in range(4):
            await source.tell(Clerk.serve(number))

        def choose(_message: Any) -> Mailbox:
            depths.append(mailbox(other).depth)
            return mailbox(other)

        mailbox(source).pass_on(choose)
        assert depths == [0, 1, 2, 3]
        await trio.sleep(10.0)
        assert seen(other) == [0, 1, 2, 3]


async def test_a_message_whose_asker_has_gone_is_passed_to_nobody() -> None:
    async with open_actor(Clerk, name="from") as source, open_actor(Clerk, name="to") as other:
        await source.tell(Clerk.hold(10.0))
        with trio.move_on_after(1.0):
            await source.ask(Clerk.serve(1))
        mailbox(source).pass_on(lambda _message: mailbox(other))
        await trio.sleep(10.0)
        assert seen(source) == seen(other) == []
