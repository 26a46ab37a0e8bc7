"""Tests for refs that are routed: what goes to a member, and what stays with the group."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import pytest
import trio

from actors.errors import ActorStopped
from actors.kernel import Actor, Delivery, Fate, Ref, current_books, op, open_actor
from actors.kernel.ref import slot_of
from actors.testing.run import run
from supervisors.routed_ref import RoutedRef


class Group(Actor):
    """Stands for any group: it owns the table by which its ref is routed."""


class Member(Actor):
    def __init__(self) -> None:
        self.seen: list[int] = []

    @op
    def add(self, number: int) -> list[int]:
        self.seen.append(number)
        return list(self.seen)

    @op
    async def count(self) -> AsyncGenerator[int]:
        for number in self.seen:
            yield number


def routed(group: Ref[Group], route: Callable[[object], Ref[Member] | None]) -> RoutedRef[Member]:
    return RoutedRef(slot_of(group), route)


async def test_every_way_of_sending_goes_to_the_member_that_is_routed_to() -> None:
    async with open_actor(Group) as group, open_actor(Member) as member:
        ref: Ref[Member] = routed(group, lambda _message: member)
        assert await ref.ask(Member.add(1)) == [1]
        assert await ref.tell(Member.add(2)) is Delivery.QUEUED
        assert ref.tell_nowait(Member.add(3)) is Delivery.QUEUED
        assert await ref.ask(Member.add(4)) == [1, 2, 3, 4]
        async with ref.stream(Member.count()) as items:
            assert [item async for item in items] == [1, 2, 3, 4]
        assert member.statistics().messages.sent == 5
        assert group.statistics().messages.sent == 0


async def test_each_message_is_routed_by_itself() -> None:
    async with (
        open_actor(Group) as group,
        open_actor(Member, name="even") as even,
        open_actor(Member, name="odd") as odd,
    ):
        asked: list[object] = []
        odd_ones = (Member.add(1), Member.add(3))

        def route(message: object) -> Ref[Member]:
            asked.append(message)
            return odd if message in odd_ones else even

        ref = routed(group, route)
        for number in (1, 2, 3):
            await ref.ask(Member.add(number))
        assert await odd.ask(Member.add(5)) == [1, 3, 5]
        assert await even.ask(Member.add(6)) == [2, 6]
        assert asked == [Member.add(1), Member.add(2), Member.add(3)]


@pytest.mark.parametrize("seed", range(20))
def test_a_tell_never_lands_at_a_member_that_was_replaced_before_it_is_posted(seed: int) -> None:
    async def main() -> None:
        async with (
            open_actor(Group) as group,
            open_actor(Member, name="old") as old,
            open_actor(Member, name="new") as new,
        ):
            table = {"active": old}
            sent_to_old: list[int] = []
            ref = routed(group, lambda _message: table["active"])

            async def replace() -> None:
                await trio.lowlevel.checkpoint()
                table["active"] = new
                sent_to_old.append(old.statistics().messages.sent)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(replace)
                for number in range(4):
                    nursery.start_soon(ref.tell, Member.add(number))
            assert sent_to_old == [old.statistics().messages.sent]
            assert new.statistics().messages.sent == 4 - sent_to_old[0]

    run(main, seed=seed)


async def test_a_group_that_has_ended_turns_every_message_away() -> None:
    async with open_actor(Member) as member:
        async with open_actor(Group, name="readers") as group:
            ref = routed(group, lambda _message: member)
        with pytest.raises(
            ActorStopped, match=r"^Member\.add\(number=1\) was not delivered: actor 'readers'"
        ):
            await ref.ask(Member.add(1))
        assert await ref.tell(Member.add(2)) is Delivery.UNDELIVERED
        assert ref.tell_nowait(Member.add(3)) is Delivery.UNDELIVERED
        with pytest.raises(ActorStopped):
            async with ref.stream(Member.count()) as items:
                await anext(items)
        assert member.statistics().messages.sent == 0
    assert current_books().totals().fates == {Fate.BOUNCED: 2, Fate.UNDELIVERED: 2}


async def test_a_group_without_a_member_turns_messages_away_in_its_own_name() -> None:
    async with open_actor(Group, name="readers") as group:
        ref = routed(group, lambda _message: None)
        with pytest.raises(ActorStopped) as caught:
            await ref.ask(Member.add(1))
        assert (caught.value.recipient, caught.value.message) == ("readers", Member.add(1))
        assert await ref.tell(Member.add(2)) is Delivery.UNDELIVERED
        assert not ref.is_ended
    assert [(letter.recipient, letter.reason) for letter in current_books().dead_letters] == [
        ("readers", "actor has stopped")
    ]


async def test_what_is_no_message_is_refused_before_anyone_is_asked_where_it_goes() -> None:
    async with open_actor(Group) as group, open_actor(Member) as member:
        asked: list[object] = []

        def route(message: object) -> Ref[Member]:
            asked.append(message)
            return member

        ref = routed(group, route)
        with pytest.raises(TypeError, match=r"^ask takes a message, such as Counter\.add"):
            await ref.ask("add")  # type: ignore[arg-type]  # what this test is about
        with pytest.raises(TypeError, match=r"^tell takes a message, such as Counter\.add"):
            await ref.tell("add")  # type: ignore[arg-type]  # what this test is about
        with pytest.raises(TypeError, match=r"^tell takes a message, such as Counter\.add"):
            ref.tell_nowait("add")  # type: ignore[arg-type]  # what this test is about
        assert asked == []
        with pytest.raises(TypeError, match=r"^tell does not take Member\.count\(\); use stream$"):
            await ref.tell(Member.count())  # type: ignore[arg-type]  # what this test is about


async def test_everything_but_messages_is_the_groups() -> None:
    async with open_actor(Group, name="readers") as group, open_actor(Member) as member:
        ref = routed(group, lambda _message: member)
        ended: list[str] = []
        ref.on_down(lambda down: ended.append(down.actor))
        assert (ref.name, ref.statistics().name, repr(ref)) == (
            "readers",
            "readers",
            "<RoutedRef 'readers' running>",
        )
        await ref.stop()
        assert (await ref.watch()).actor == "readers"
        assert ended == ["readers"]
        assert (ref.is_ended, member.is_ended) == (True, False)


async def test_a_routed_ref_equals_another_one_of_its_group_but_not_the_ref_of_the_group() -> None:
    async with open_actor(Group) as group, open_actor(Member) as member:
        ref = routed(group, lambda _message: member)
        assert ref == routed(group, lambda _message: None)
        assert len({ref, routed(group, lambda _message: None), group}) == 2
        assert ref != group
        assert group != ref
