"""At every race of the kernel, in whatever order Trio wakes the tasks: nothing is lost and nothing happens twice.

Each race is a small world drawn from one seed, which also decides the order of the tasks. The second half plants
bugs in the kernel and shows that the races see them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import chain, pairwise

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from races import Race, play

from actors.errors import ActorStopped, Interrupted, NotDelivered
from actors.kernel import (
    Actor,
    Books,
    Deferred,
    Delivery,
    Down,
    Fate,
    Message,
    Overflow,
    Ref,
    op,
    open_actor,
    open_books,
)
from actors.kernel.envelope import Envelope
from actors.kernel.incarnation import Incarnation
from actors.kernel.mailbox import Mailbox
from actors.kernel.reply import Reply
from actors.kernel.serving import Server
from actors.kernel.slot import Exit, Slot

INSTANT = 10.0
"""Where everything that races happens."""


async def at_instant(rng: random.Random) -> None:
    """Sleep until the instant, or to either side of it, and a few steps more."""
    await trio.sleep_until(INSTANT + rng.choice((0.0, 0.0, 0.0, -1.0, 1.0)))
    for _ in range(rng.randrange(4)):
        await trio.lowlevel.checkpoint()


# an answer against the deadline of its asker, and the ends of a window that frees at that very instant


class Window(Actor):
    """Grants one unit to each waiter when its window frees, and takes back what nobody received."""

    def __init__(self, frees_at: float) -> None:
        self.frees_at = frees_at
        self.line: list[Deferred[int]] = []
        self.granted = 0
        self.undone: list[int] = []
        self.left = 0

    def take_back(self, unit: int) -> None:
        self.undone.append(unit)

    def next_deadline(self) -> float:
        return self.frees_at

    def on_deadline(self) -> None:
        self.frees_at = float("inf")
        line, self.line = self.line, []
        for deferred in line:
            self.granted += 1
            deferred.set(self.granted)

    @op(undo=take_back)
    def acquire(self) -> Deferred[int]:
        deferred = Deferred[int]()

        def leave() -> None:
            self.left += 1
            if deferred in self.line:
                self.line.remove(deferred)

        deferred.on_abandoned = leave
        self.line.append(deferred)
        return deferred

    @op(undo=take_back)
    async def acquire_in_order(self, until: float) -> int:
        await trio.sleep_until(until)
        self.granted += 1
        return self.granted

    @op(undo=take_back, concurrent=True)
    async def acquire_beside(self, until: float) -> int:
        await trio.sleep_until(until)
        self.granted += 1
        return self.granted

    @op(undo=take_back, concurrent=True, on_abandon="finish")
    async def acquire_to_the_end(self, until: float) -> int:
        await trio.sleep_until(until)
        self.granted += 1
        return self.granted


async def race_grant_against_deadline(rng: random.Random) -> None:
    window = Window(INSTANT)
    held: list[int] = []
    askers = rng.randrange(1, 6)

    async def take(ref: Ref[Window], deadline: float) -> None:
        with trio.move_on_at(deadline):
            held.append(await ref.ask(Window.acquire()))

    async with open_actor(lambda: window) as ref:
        async with trio.open_nursery() as nursery:
            for _ in range(askers):
                nursery.start_soon(take, ref, INSTANT + rng.choice((0.0, 0.0, 1.0, -1.0)))
        await trio.sleep(1)
        assert window.granted == len(held) + len(window.undone)
        assert sorted(held + window.undone) == list(range(1, window.granted + 1))
        assert len(held) + len(window.undone) + window.left == askers
        fates = ref.statistics().messages
        assert fates.open == 0
        assert fates.fates.get(Fate.HANDLED, 0) == len(held)


async def race_answer_against_deadline(rng: random.Random) -> None:
    window = Window(float("inf"))
    held: list[int] = []
    make: list[Callable[[float], Message[Window, int]]] = [
        Window.acquire_in_order,
        Window.acquire_beside,
        Window.acquire_to_the_end,
    ]

    async def take(ref: Ref[Window], scope: trio.CancelScope) -> None:
        with scope:
            held.append(await ref.ask(rng.choice(make)(INSTANT)))

    async def cancel(scope: trio.CancelScope) -> None:
        await at_instant(rng)
        scope.cancel()

    async with open_actor(lambda: window) as ref:
        async with trio.open_nursery() as nursery:
            for _ in range(rng.randrange(1, 5)):
                scope = trio.CancelScope(deadline=INSTANT + rng.choice((0.0, 0.0, 5.0)))
                nursery.start_soon(take, ref, scope)
                nursery.start_soon(cancel, scope)
        await trio.sleep_until(2 * INSTANT)
        assert window.granted == len(held) + len(window.undone)
        assert ref.statistics().messages.open == 0
        assert ref.statistics().messages.fates.get(Fate.HANDLED, 0) == len(held)
        assert ref.statistics().running == ()


# the end of an actor against what is sent to it


class Ledger(Actor):
    """Writes down what it handles in a book that survives it."""

    def __init__(self, book: list[int], *, crashes: bool = False) -> None:
        self.book = book
        self.crashes = crashes
        self.has_crashed = False

    @op
    def write(self, number: int) -> int:
        assert not self.has_crashed, "served by an actor that had crashed"
        self.book.append(number)
        return number

    @op
    async def write_slowly(self, number: int) -> int:
        assert not self.has_crashed, "served by an actor that had crashed"
        self.book.append(number)
        await trio.sleep(rng_pause(number))
        return number

    @op(concurrent=True)
    async def write_beside(self, number: int) -> int:
        self.book.append(number)
        await trio.lowlevel.checkpoint()
        return number

    @op
    def crash(self) -> None:
        self.has_crashed = True
        raise KeyError("crash")

    @op
    def crash_soon(self) -> None:
        async def crash() -> None:
            self.has_crashed = True
            raise KeyError("crash")

        self.start_soon(crash)


def rng_pause(number: int) -> float:
    """How long writing `number` takes: none, or half a second."""
    return 0.5 * (number % 2)


WRITE: list[Callable[[int], Message[Ledger, int]]] = [Ledger.write, Ledger.write_slowly, Ledger.write_beside]


@attrs.define
class Outcomes:
    """What the senders of numbered messages learned."""

    answered: list[int] = attrs.field(factory=list)
    not_delivered: list[int] = attrs.field(factory=list)
    interrupted: list[int] = attrs.field(factory=list)
    left: list[int] = attrs.field(factory=list)
    told: list[int] = attrs.field(factory=list)
    not_told: list[int] = attrs.field(factory=list)

    async def ask(
        self, ref: Ref[Ledger], number: int, message: Message[Ledger, int], deadline: float
    ) -> None:
        """Ask, and note what came of it; leave at `deadline`."""
        with trio.CancelScope(deadline=deadline) as scope:
            try:
                assert await ref.ask(message) == number
            except NotDelivered as error:
                assert error.message == message  # noqa: PT017  # one of several outcomes
                self.not_delivered.append(number)
            except Interrupted as error:
                assert error.message == message  # noqa: PT017  # one of several outcomes
                self.interrupted.append(number)
            else:
                self.answered.append(number)
        if scope.cancelled_caught:
            self.left.append(number)

    async def tell(
        self, ref: Ref[Ledger], number: int, message: Message[Ledger, int], deadline: float
    ) -> None:
        """Tell, and note what came of it; leave at `deadline`."""
        with trio.CancelScope(deadline=deadline) as scope:
            (self.told if await ref.tell(message) is Delivery.QUEUED else self.not_told).append(number)
        if scope.cancelled_caught:
            self.left.append(number)

    def check(self, book: list[int], sent: int, books: Books) -> None:
        """Check that each message has one outcome that agrees with the book, and that the books balance."""
        books.check_balanced()
        assert max(Counter(book).values(), default=1) == 1, "handled twice"
        parts = (self.answered, self.not_delivered, self.interrupted, self.left, self.told, self.not_told)
        assert Counter(chain.from_iterable(parts)) == Counter(range(sent)), "an outcome is missing or doubled"
        assert set(self.answered) <= set(book)
        assert not set(self.not_delivered) & set(book)
        assert not set(self.not_told) & set(book)
        lost = {letter.message for letter in books.dead_letters}
        for number in set(self.told) - set(book):
            assert {make(number) for make in WRITE} & lost, "a told message vanished"


async def send_all(
    rng: random.Random, ref: Ref[Ledger], outcomes: Outcomes, sent: int, *, until: float
) -> None:
    """Send `sent` numbered messages around the instant, each from a task of its own."""

    async def send(number: int) -> None:
        await at_instant(rng)
        verb = rng.choice((outcomes.ask, outcomes.ask, outcomes.tell))
        deadline = rng.choice((until, until, INSTANT, INSTANT + 0.5))
        await verb(ref, number, rng.choice(WRITE)(number), max(deadline, trio.current_time()))

    async with trio.open_nursery() as nursery:
        for number in range(sent):
            nursery.start_soon(send, number)


async def race_stop_against_ask(rng: random.Random) -> None:
    book: list[int] = []
    outcomes = Outcomes()
    sent = rng.randrange(1, 8)
    downs: list[Down] = []

    async def stop(ref: Ref[Ledger]) -> None:
        await at_instant(rng)
        start = trio.current_time()
        grace = rng.choice((0.0, 0.25, 20.0))
        await ref.stop(grace=grace, drain=rng.random() < 0.3)
        assert trio.current_time() - start <= min(grace, 4.0), "the stop was slower than what ran"

    with open_books() as books:
        capacity = rng.choice((1, 2, 64))
        async with open_actor(lambda: Ledger(book), capacity=capacity) as ref, trio.open_nursery() as nursery:
            ref.on_down(downs.append)
            nursery.start_soon(partial(send_all, rng, ref, outcomes, sent, until=1e4))
            for _ in range(rng.randrange(1, 3)):
                nursery.start_soon(stop, ref)
        assert len(downs) == 1
        outcomes.check(book, sent, books)


async def race_crash_against_queue(rng: random.Random) -> None:
    book: list[int] = []
    outcomes = Outcomes()
    sent = rng.randrange(1, 8)
    with open_books() as books:
        slot = Slot.open("ledger", books, capacity=rng.choice((1, 2, 64)))
        ref: Ref[Ledger] = Ref(slot)

        async def supervise() -> None:
            exit_ = Exit("normal")
            while exit_.reason != "stopped":
                exit_ = await Incarnation(slot).run(partial(Ledger, book), lambda: None)
                slot.leave("restarting")
            slot.close(exit_)

        async def crash() -> None:
            await at_instant(rng)
            await ref.tell(rng.choice((Ledger.crash, Ledger.crash_soon))())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervise)
            async with trio.open_nursery() as senders:
                senders.start_soon(partial(send_all, rng, ref, outcomes, sent, until=1e4))
                for _ in range(rng.randrange(1, 3)):
                    senders.start_soon(crash)
            await trio.sleep(100)
            assert slot.statistics().depth == 0
            await ref.stop()
        outcomes.check(book, sent, books)
        assert outcomes.not_delivered == []  # the queue survives every crash
        assert outcomes.not_told == []
        assert {letter.fate for letter in books.dead_letters} <= {Fate.INTERRUPTED}


async def race_room_against_cancel(rng: random.Random) -> None:
    book: list[int] = []
    outcomes = Outcomes()
    sent = rng.randrange(2, 10)
    overflow: Overflow = rng.choice(("wait", "wait", "refuse", "drop_oldest", "drop_newest"))
    with open_books() as books:
        capacity = rng.choice((1, 1, 2))
        async with open_actor(lambda: Ledger(book), capacity=capacity, overflow=overflow) as ref:
            await ref.tell(Ledger.write_slowly(1001))
            await send_all(rng, ref, outcomes, sent, until=INSTANT + rng.choice((0.5, 1.0, 100.0)))
            await trio.sleep(100)
            assert ref.statistics().depth == 0
        book.remove(1001)
        outcomes.check(book, sent, books)
        if overflow == "wait":
            assert outcomes.not_delivered == outcomes.not_told == []


async def race_order_of_senders(rng: random.Random) -> None:
    book: list[int] = []
    senders = rng.randrange(1, 4)

    async def send(ref: Ref[Ledger], sender: int) -> None:
        for number in range(5):
            if rng.random() < 0.5:
                await ref.tell(Ledger.write(10 * sender + number))
            else:
                await ref.ask(Ledger.write_slowly(10 * sender + number))

    async with open_actor(lambda: Ledger(book), capacity=rng.choice((1, 2, 64))) as ref:
        async with trio.open_nursery() as nursery:
            for sender in range(senders):
                nursery.start_soon(send, ref, sender)
        await trio.sleep(100)
    assert sorted(book) == [10 * sender + number for sender in range(senders) for number in range(5)]
    for sender in range(senders):
        assert all(a < b for a, b in pairwise(n for n in book if n // 10 == sender))


# streams against those who leave, and watchers against the end


class Source(Actor):
    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0

    @op
    async def items(self, count: int, every: float) -> AsyncIterator[int]:
        self.opened += 1
        try:
            for number in range(count):
                if every:
                    await trio.sleep(every)
                yield number
        finally:
            self.closed += 1


async def race_item_against_leave(rng: random.Random) -> None:
    source = Source()

    async def consume(ref: Ref[Source]) -> None:
        taken: list[int] = []
        ended = False
        count, enough = rng.randrange(1, 6), rng.randrange(7)
        deadline = rng.choice((2.0, 3.0, 100.0))
        with trio.CancelScope(deadline=deadline) as scope:
            for _ in range(rng.randrange(4)):
                await trio.lowlevel.checkpoint()
            try:
                async with ref.stream(Source.items(count, rng.choice((0.0, 1.0)))) as items:
                    for _ in range(rng.randrange(4)):
                        await trio.lowlevel.checkpoint()
                    while len(taken) < enough:
                        try:
                            taken.append(await anext(items))
                        except StopAsyncIteration:
                            ended = True
                            break
            except (Interrupted, ActorStopped):
                return
        assert taken == list(range(len(taken)))
        assert len(taken) == min(count, enough) or scope.cancelled_caught
        assert not ended or len(taken) == count

    async def stop(ref: Ref[Source]) -> None:
        await trio.sleep(rng.choice((2.0, 3.0, 50.0)))
        await ref.stop(grace=rng.choice((0.0, 1.0)))

    with open_books() as books:
        async with open_actor(lambda: source) as ref, trio.open_nursery() as nursery:
            for _ in range(rng.randrange(1, 4)):
                nursery.start_soon(consume, ref)
            nursery.start_soon(stop, ref)
        assert source.opened == source.closed
        assert ref.statistics().running == ()
        books.check_balanced()


async def race_watch_against_end(rng: random.Random) -> None:
    called: Counter[int] = Counter()
    expected = 0
    seen: list[Down] = []
    left = 0

    async def watch(ref: Ref[Ledger]) -> None:
        nonlocal left
        await at_instant(rng)
        with trio.move_on_at(rng.choice((INSTANT, INSTANT + 1, 1e4))) as scope:
            seen.append(await ref.watch())
        left += scope.cancelled_caught

    async with open_actor(lambda: Ledger([])) as ref, trio.open_nursery() as nursery:
        watchers = rng.randrange(1, 5)
        for number in range(watchers):
            nursery.start_soon(watch, ref)
            forget = ref.on_down(lambda _down, number=number: called.update([number]))  # type: ignore[misc]  # mypy cannot infer the default
            if rng.random() < 0.3:
                forget()
            else:
                expected += 1
        await at_instant(rng)
        await ref.stop(grace=0)
    assert len(seen) + left == watchers
    assert all(down == Down("Ledger", "stopped", None, 1) for down in seen)
    assert sorted(called.values()) == [1] * expected
    assert ref._slot._watchers == ()


RACES: tuple[Race, ...] = (
    race_grant_against_deadline,
    race_answer_against_deadline,
    race_stop_against_ask,
    race_crash_against_queue,
    race_room_against_cancel,
    race_order_of_senders,
    race_item_against_leave,
    race_watch_against_end,
)


@pytest.mark.parametrize("race", RACES)
@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_is_lost_and_nothing_happens_twice(race: Race, seed: int) -> None:
    play(race, seed)


# planted bugs, and the race that sees each


def drop_the_undo(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Server, "_undo", lambda _self, _spec, _value: None)


def undo_twice(patch: pytest.MonkeyPatch) -> None:
    undo = Server._undo
    patch.setattr(
        Server, "_undo", lambda self, spec, value: (undo(self, spec, value), undo(self, spec, value))
    )


def count_a_fate_twice(patch: pytest.MonkeyPatch) -> None:
    settle = Envelope.settle

    def twice(self: Envelope, fate: Fate, reason: str = "", error: BaseException | None = None) -> None:
        settle(self, fate, reason, error)
        self.mailbox.tally.counts[fate] += 1

    patch.setattr(Envelope, "settle", twice)


def leave_the_queue_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mailbox, "close", Mailbox.refuse_new)


def lose_the_nudge(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mailbox, "wake", lambda _self: None)


def buffer_the_reply(patch: pytest.MonkeyPatch) -> None:
    """Say that the answer was received when it only lies ready for an asker that may be about to leave."""
    answer = Reply.answer

    def later(self: Reply[object], value: object) -> bool:
        async def deliver() -> None:
            answer(self, value)

        if self.is_abandoned:
            return False
        trio.lowlevel.spawn_system_task(deliver)
        return True

    patch.setattr(Reply, "answer", later)


def forget_who_waits_outside(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mailbox, "_admit", lambda _self, _line: None)


def serve_after_a_crash(patch: pytest.MonkeyPatch) -> None:
    """Lose what the loop held in its hand when the actor crashed."""
    patch.setattr(Mailbox, "put_back", lambda _self, _envelope: None)


def forget_parked_askers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Server, "_departed", lambda _self, _envelope: None)


@pytest.mark.parametrize(
    ("plant", "race"),
    [
        (drop_the_undo, race_answer_against_deadline),
        (undo_twice, race_answer_against_deadline),
        (count_a_fate_twice, race_room_against_cancel),
        (leave_the_queue_behind, race_stop_against_ask),
        (lose_the_nudge, race_stop_against_ask),
        (lose_the_nudge, race_grant_against_deadline),
        (buffer_the_reply, race_answer_against_deadline),
        (forget_who_waits_outside, race_order_of_senders),
        (serve_after_a_crash, race_crash_against_queue),
        (forget_parked_askers, race_grant_against_deadline),
    ],
)
def test_a_planted_bug_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        for seed in range(400):
            try:
                play(race, seed)
            except BaseException:  # noqa: BLE001  # whatever it is, the bug was seen
                return
    pytest.fail(f"{plant.__name__} went unseen in 400 runs of {race.__name__}")
