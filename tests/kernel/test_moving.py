"""Tests of messages that move from the mailbox of an actor that ends to that of its heir, the books in balance."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import pytest
import trio
from envelopes import read, tell
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ActorStopped, Interrupted
from actors.kernel import Actor, Books, Delivery, Exit, Fate, Overflow, Ref, current_books, op
from actors.kernel.activity import Activity, awaited_by
from actors.kernel.envelope import Envelope
from actors.kernel.incarnation import Incarnation
from actors.kernel.mailbox import Mailbox
from actors.kernel.reply import Reply
from actors.kernel.slot import Slot

pytestmark = pytest.mark.usefixtures("autojump_clock")


def mailbox(name: str, capacity: int, books: Books, overflow: Overflow = "wait") -> Mailbox:
    return Mailbox(name, capacity, overflow, books)


# from mailbox to mailbox


def test_all_that_was_put_back_lies_here_or_waits_outside_moves_in_order_behind_what_lies_there() -> None:
    books = Books()
    old, new = mailbox("old", 2, books), mailbox("new", 64, books)
    tell(old, 1, 2, 3, 4)
    first = old.get_nowait()
    assert first is not None
    old.put_back(first)
    tell(new, 10)
    old.move_to(new)
    assert (old.depth, old.waiting, old.tally.open) == (0, 0, 0)
    assert read(new) == [10, 1, 2, 3, 4]
    assert (old.tally.sent, new.tally.sent) == (0, 5)
    books.check_balanced()


@pytest.mark.parametrize("overflow", ["wait", "refuse", "drop_oldest", "drop_newest"])
def test_what_finds_no_room_waits_outside_in_order_behind_those_who_wait_there(overflow: Overflow) -> None:
    books = Books()
    old, new = mailbox("old", 8, books), mailbox("new", 2, books, overflow)
    tell(old, 1, 2, 3)
    tell(new, 10, 11, 12) if overflow == "wait" else tell(new, 10, 11)
    old.move_to(new)
    assert new.depth == 2
    assert read(new) == ([10, 11, 12, 1, 2, 3] if overflow == "wait" else [10, 11, 1, 2, 3])
    assert not books.dead_letters
    books.check_balanced()


def test_a_mailbox_that_drops_its_oldest_goes_on_doing_so_with_moved_ones_outside() -> None:
    books = Books()
    old, new = mailbox("old", 8, books), mailbox("new", 1, books, "drop_oldest")
    tell(old, 1, 2)
    tell(new, 10)
    old.move_to(new)
    tell(new, 11)
    assert (new.depth, new.waiting) == (1, 2)
    assert read(new) == [1, 2, 11]
    assert [letter.message for letter in books.dead_letters] == [10]
    books.check_balanced()


def test_what_has_its_fate_already_stays_and_is_not_counted_twice() -> None:
    books = Books()
    old, new = mailbox("old", 1, books), mailbox("new", 8, books)
    queued, outside, kept = tell(old, 1, 2, 3)
    old.withdraw(queued, Fate.CANCELLED)
    old.withdraw(outside, Fate.EXPIRED)
    old.move_to(new)
    assert read(new) == [kept.message]
    assert (old.tally.sent, old.tally.open) == (2, 0)
    books.check_balanced()


def test_the_crashes_of_a_started_message_move_along() -> None:
    books = Books()
    old, new = mailbox("old", 8, books), mailbox("new", 8, books)
    (started,) = tell(old, 1)
    assert old.get_nowait() is started
    crash = KeyError(1)
    started.crashes = (crash,)
    started.go_back()
    old.put_back(started)
    old.move_to(new)
    assert new.get_nowait() is started
    assert started.has_started
    assert started.crashes == (crash,)
    started.settle(Fate.HANDLED)


def test_nothing_moves_to_a_mailbox_that_is_closed_or_to_the_same_one() -> None:
    books = Books()
    old, new = mailbox("old", 1, books), mailbox("new", 8, books)
    tell(old, 1, 2)
    new.refuse_new()
    old.move_to(new)
    old.move_to(old)
    assert (old.depth, old.waiting) == (1, 1)
    assert read(old) == [1, 2]
    books.check_balanced()


def test_between_two_books_each_counts_what_it_has_in_the_end() -> None:
    ours, theirs = Books(), Books()
    old, new = mailbox("old", 8, ours), mailbox("new", 8, theirs)
    tell(old, 1, 2)
    old.move_to(new)
    assert (ours.totals().sent, theirs.totals().sent) == (0, 2)
    assert read(new) == [1, 2]
    ours.check_balanced()
    theirs.check_balanced()


async def test_a_teller_that_waits_for_room_waits_on_in_the_other_line_and_is_told_when_it_is_in() -> None:
    books = current_books()
    old, new = mailbox("old", 1, books), mailbox("new", 1, books)
    tell(old, 1)
    tell(new, 10)
    envelope, room = Envelope(2, old), Reply[None]()
    assert old.post(envelope) is None
    old.line_up(envelope, room)
    told: list[float] = []

    async def wait() -> None:
        await room.wait(lambda: envelope.mailbox.withdraw(envelope, Fate.CANCELLED))
        told.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(1)
        old.move_to(new)
        await trio.sleep(1)
        assert told == []
        for expected in (10, 1):
            taken = new.get_nowait()
            assert taken is not None
            assert taken.message == expected
            taken.settle(Fate.HANDLED)
            await trio.sleep(1)
        assert len(told) == 1
    assert read(new) == [2]


async def test_who_waits_outside_after_a_move_can_still_leave() -> None:
    books = current_books()
    old, new = mailbox("old", 8, books), mailbox("new", 1, books)
    tell(new, 10)
    envelope, reply = Envelope(1, old), Reply[int]()
    envelope.reply = reply
    old.post(envelope)
    old.move_to(new)
    with trio.move_on_after(1):
        await reply.wait(envelope.abandon)
    assert envelope.fate is Fate.EXPIRED
    assert (new.depth, new.waiting) == (1, 0)
    assert read(new) == [10]


Step = tuple[str, int]

STEPS = st.lists(
    st.tuples(st.sampled_from(["post", "read", "put_back", "withdraw", "move", "back"]), st.integers(0, 20)),
    max_size=40,
)


@attrs.define
class Model:
    """Two mailboxes, and what should lie in them."""

    overflow: Overflow
    capacities: tuple[int, int]
    books: Books = attrs.field(factory=Books)
    boxes: list[Mailbox] = attrs.field(factory=list)
    lie: list[list[int]] = attrs.field(factory=lambda: [[], []])
    envelopes: list[Envelope] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.boxes = [
            mailbox("left", self.capacities[0], self.books),
            mailbox("right", self.capacities[1], self.books, self.overflow),
        ]

    def step(self, name: str, number: int) -> None:
        """Do one thing to the mailboxes and to what is expected of them."""
        match name:
            case "post":
                self.envelopes += tell(self.boxes[0], len(self.envelopes))
                self.lie[0].append(self.envelopes[-1].message)
            case "read" | "put_back":
                box, expected = self.boxes[number % 2], self.lie[number % 2]
                taken = box.get_nowait()
                while taken is not None and taken.fate is not None:
                    taken = box.get_nowait()
                assert (None if taken is None else taken.message) == (expected[0] if expected else None)
                if taken is None:
                    return
                if name == "put_back":
                    box.put_back(taken)
                else:
                    taken.settle(Fate.HANDLED)
                    expected.pop(0)
            case "withdraw":
                for envelope in self.envelopes[number : number + 1]:
                    if envelope.fate is None:
                        envelope.mailbox.withdraw(envelope, Fate.CANCELLED)
                        for expected in self.lie:
                            if envelope.message in expected:
                                expected.remove(envelope.message)
            case "move":
                self.boxes[0].move_to(self.boxes[1])
                self.lie[1] += self.lie[0]
                self.lie[0] = []
            case _:
                self.boxes[1].move_to(self.boxes[0])
                self.lie[0] += self.lie[1]
                self.lie[1] = []

    def check(self) -> None:
        """Check that what lies in the mailboxes is what is open, and in the end nothing is."""
        assert [box.tally.open for box in self.boxes] == [len(expected) for expected in self.lie]
        assert [read(box) for box in self.boxes] == self.lie
        assert [(box.depth, box.waiting) for box in self.boxes] == [(0, 0), (0, 0)]
        self.books.check_balanced()


@given(
    steps=STEPS,
    capacities=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    overflow=st.sampled_from(["wait", "refuse", "drop_oldest", "drop_newest"]),
)
def test_whatever_moves_back_and_forth_nothing_is_lost_doubled_or_reordered(
    steps: list[Step], capacities: tuple[int, int], overflow: Overflow
) -> None:
    model = Model(overflow, capacities)
    for name, number in steps:
        model.step(name, number)
    model.check()


# the heir of a slot


class Clerk(Actor):
    """Says who it is, and can ask others."""

    @op
    def who(self, number: int) -> str:
        return f"{self.name} {number}"

    @op(idempotent=True)
    async def work(self, number: int) -> str:
        await trio.sleep(10 if self.name == "primary" else 1)
        return f"{self.name} {number}"

    @op(raises=(ActorStopped,))
    async def pass_to(self, other: Ref[Clerk], number: int) -> str:
        return await other.ask(Clerk.who(number))

    @op(raises=(ActorStopped,))
    async def pass_on_to(self, between: Ref[Clerk], other: Ref[Clerk]) -> str:
        return await between.ask(Clerk.pass_to(other, 1))

    @op
    async def tell_to(self, other: Ref[Clerk], number: int) -> Delivery:
        return await other.tell(Clerk.who(number))


@attrs.define(eq=False)
class Pair:
    """Two slots, the second the heir of the first; `open_pair` runs them."""

    primary: Slot
    standby: Slot

    @classmethod
    def make(cls, capacity: int = 64) -> Pair:
        """Make both."""
        books = current_books()
        primary = Slot.open("primary", books, capacity=capacity)
        pair = cls(primary, Slot.open("standby", books, capacity=capacity))
        primary.heir = lambda: pair.standby
        return pair

    async def play(self, slot: Slot) -> None:
        """Run one incarnation in `slot` and close that behind it."""
        slot.close(await Incarnation(slot).run(Clerk, lambda: None))


async def test_what_waits_for_an_actor_that_ended_is_answered_by_its_heir() -> None:
    pair = Pair.make()
    ref: Ref[Clerk] = Ref(pair.primary)
    answers: list[str] = []

    async def ask(number: int) -> None:
        answers.append(await ref.ask(Clerk.who(number)))

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(ask, number)
        await trio.sleep(1)
        pair.primary.close(Exit("crashed"))
        assert answers == []
        nursery.start_soon(pair.play, pair.standby)
        await trio.sleep(1)
        with pytest.raises(ActorStopped):
            await ref.ask(Clerk.who(9))  # the ref is that of the slot that ended
        pair.standby.request_stop(5.0)
    assert sorted(answers) == ["standby 0", "standby 1", "standby 2"]
    assert pair.primary.statistics().messages.fates == {Fate.BOUNCED: 1}
    assert pair.standby.statistics().messages.fates == {Fate.HANDLED: 3}


async def test_what_had_started_and_is_idempotent_is_tried_again_by_the_heir() -> None:
    pair = Pair.make()
    ref: Ref[Clerk] = Ref(pair.primary)
    answers: list[str] = []

    async def ask() -> None:
        answers.append(await ref.ask(Clerk.work(1)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair.play, pair.primary)
        nursery.start_soon(pair.play, pair.standby)
        nursery.start_soon(ask)
        await trio.sleep(5)
        pair.primary.request_stop(0.0)
        await trio.sleep(5)
        pair.standby.request_stop(5.0)
    assert answers == ["standby 1"]


async def test_without_an_heir_or_with_one_that_has_ended_the_queue_bounces_and_what_had_started_is_interrupted() -> (
    None
):
    pair = Pair.make()
    pair.standby.close(Exit("stopped"))
    ref: Ref[Clerk] = Ref(pair.primary)
    caught: list[type[Exception]] = []

    async def ask(number: int) -> None:
        try:
            await ref.ask(Clerk.work(number))
        except (ActorStopped, Interrupted) as error:
            caught.append(type(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair.play, pair.primary)
        for number in range(2):
            nursery.start_soon(ask, number)
        await trio.sleep(5)
        pair.primary.request_stop(0.0)
    assert sorted(caught, key=str) == [ActorStopped, Interrupted]
    lonely = Slot.open("lonely", current_books())
    lonely.heir = lambda: None
    lonely.close(Exit("stopped"))
    assert lonely.down is not None


@pytest.mark.parametrize(
    ("capacity", "message", "outcome"),
    [
        (64, Clerk.pass_to, ActorStopped),
        (1, Clerk.pass_to, ActorStopped),
        (1, Clerk.tell_to, Delivery.UNDELIVERED),
    ],
)
async def test_what_the_heir_itself_waits_for_is_turned_away_lest_it_waits_for_itself(
    capacity: int, message: Callable[[Ref[Clerk], int], object], outcome: object
) -> None:
    pair = Pair.make(capacity)
    primary: Ref[Clerk] = Ref(pair.primary)
    standby: Ref[Clerk] = Ref(pair.standby)
    outcomes: list[object] = []

    async def ask() -> None:
        try:
            outcomes.append(await standby.ask(message(primary, 1)))  # type: ignore[arg-type]  # either op of the two
        except ActorStopped as error:
            outcomes.append(type(error))

    async with trio.open_nursery() as nursery:
        await primary.tell(Clerk.who(5))  # so that with room for one message the second waits outside
        nursery.start_soon(pair.play, pair.standby)
        nursery.start_soon(ask)
        await trio.sleep(1)
        pair.primary.close(Exit("stopped"))
        await trio.sleep(1)
        pair.standby.request_stop(math.inf)
        await trio.sleep(1)
    assert outcomes == [outcome]
    assert current_books().totals().open == 0
    assert pair.standby.statistics().messages.fates.get(Fate.HANDLED, 0) >= 1


async def test_what_the_heir_waits_for_through_another_is_turned_away_as_well() -> None:
    pair = Pair.make()
    middle = Slot.open("middle", current_books())
    primary: Ref[Clerk] = Ref(pair.primary)
    standby: Ref[Clerk] = Ref(pair.standby)
    between: Ref[Clerk] = Ref(middle)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair.play, pair.standby)
        nursery.start_soon(pair.play, middle)

        async def ask() -> None:
            with pytest.raises(ActorStopped):
                await standby.ask(Clerk.pass_on_to(between, primary))

        nursery.start_soon(ask)
        await trio.sleep(1)
        pair.primary.close(Exit("stopped"))
        await trio.sleep(1)
        middle.request_stop(5.0)
        pair.standby.request_stop(5.0)
    assert current_books().totals().fates == {Fate.FAILED: 2, Fate.BOUNCED: 1}


@attrs.frozen(eq=False)
class Waits:
    """Something an activity waits for."""

    blocker: Activity
    label: str = ""


def test_ops_that_wait_for_each_other_are_followed_once() -> None:
    left, right = Activity("a", "left", 0.0), Activity("b", "right", 0.0)
    to_right, to_left = Waits(right), Waits(left)
    left.waits.add(to_right)
    right.waits.add(to_left)
    assert awaited_by(left) == {to_right, to_left}
    assert awaited_by(None) == set()


def blockers(slot: Slot) -> list[str | None]:
    """Return for what the actor in `slot` waits, as far as that is known."""
    assert slot.performer is not None
    waits = [awaited for activity in slot.performer.activities() for awaited in activity.waits]
    return [None if awaited.blocker is None else awaited.blocker.label for awaited in waits]


async def test_an_asker_whose_message_moved_waits_for_whoever_holds_the_new_mailbox() -> None:
    pair = Pair.make()
    front = Slot.open("front", current_books())
    primary: Ref[Clerk] = Ref(pair.primary)
    standby: Ref[Clerk] = Ref(pair.standby)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair.play, pair.standby)
        nursery.start_soon(pair.play, front)
        front_ref: Ref[Clerk] = Ref(front)
        nursery.start_soon(standby.ask, Clerk.work(1))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(front_ref.ask, Clerk.pass_to(primary, 2))
        await trio.sleep(0.5)
        assert blockers(front) == [None]
        pair.primary.close(Exit("stopped"))
        assert blockers(front) == ["standby.work"]
        await trio.sleep(5)
        front.request_stop(5.0)
        pair.standby.request_stop(5.0)
