"""Tests of what goes back to the mailbox when an incarnation ends, and of what becomes of it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import attrs
import pytest
import trio
from envelopes import read, tell
from restarting import open_restarted

from actors.errors import ActorStopped, AskCycle, Interrupted
from actors.kernel import (
    Actor,
    Books,
    Deferred,
    Delivery,
    Exit,
    Fate,
    Message,
    Ref,
    current_books,
    op,
    open_actor,
)
from actors.kernel.incarnation import Incarnation
from actors.kernel.mailbox import Mailbox
from actors.kernel.slot import Slot

pytestmark = pytest.mark.usefixtures("autojump_clock")


@attrs.define
class Diary:
    """What outlives the incarnations of a `Worker`.

    Attributes:
        log: number and incarnation of everything that began, in order.
        crashes_left: how often each number still crashes.
        deferred: the answers that were deferred, oldest first.
        undone: what was handed to `undo`, and in which incarnation.
    """

    log: list[tuple[int, int]] = attrs.field(factory=list)
    crashes_left: dict[int, int] = attrs.field(factory=dict)
    deferred: list[Deferred[int]] = attrs.field(factory=list)
    undone: list[tuple[int, int]] = attrs.field(factory=list)


class Worker(Actor):
    """Has one idempotent op of each kind, and a few that are not."""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    def _begin(self, number: int) -> None:
        self.diary.log.append((number, self.incarnation))
        if self.diary.crashes_left.get(number, 0):
            self.diary.crashes_left[number] -= 1
            raise KeyError(number)

    def take_back(self, value: int) -> None:
        self.diary.undone.append((value, self.incarnation))

    @op(idempotent=True, undo=take_back)
    def plain(self, number: int) -> int:
        self._begin(number)
        return number

    @op(idempotent=True, undo=take_back)
    async def slow(self, number: int, seconds: float = 1.0) -> int:
        await trio.sleep(seconds)
        self._begin(number)
        return number

    @op(idempotent=True, concurrent=True)
    async def beside(self, number: int, seconds: float = 10.0) -> int:
        self._begin(number)
        await trio.sleep(seconds if self.incarnation == 1 else 0)
        return number

    @op(idempotent=True, undo=take_back)
    def later(self, number: int) -> Deferred[int]:
        self._begin(number)
        deferred = Deferred[int]()
        if self.incarnation == 1:
            self.diary.deferred.append(deferred)
        else:
            deferred.set(number)
        return deferred

    @op
    def once(self, number: int) -> int:
        self._begin(number)
        return number

    @op
    def once_later(self, number: int) -> Deferred[int]:
        self._begin(number)
        return Deferred()

    @op
    async def once_slow(self, number: int) -> int:
        self._begin(number)
        await trio.sleep(10)
        return number

    @op
    def finish_now(self) -> None:
        self.finish()


# what comes back


@pytest.mark.parametrize("message", [Worker.plain(1), Worker.slow(1), Worker.beside(1), Worker.later(1)])
async def test_a_message_that_crashed_its_actor_is_tried_again_by_the_next_incarnation(
    message: Message[Worker, int],
) -> None:
    diary = Diary(crashes_left={1: 1})
    async with open_restarted(lambda: Worker(diary)) as run:
        assert await run.ref.ask(message) == 1
        assert run.ref.statistics().messages.fates == {Fate.HANDLED: 1}
    assert diary.log == [(1, 1), (1, 2)]
    assert [exit_.reason for exit_ in run.exits] == ["crashed", "stopped"]
    assert not current_books().dead_letters


@pytest.mark.parametrize("message", [Worker.once(1), Worker.once_later(1), Worker.once_slow(1)])
async def test_one_of_an_op_that_is_not_idempotent_is_not(message: Message[Worker, int]) -> None:
    diary = Diary(crashes_left={1: 1})
    async with open_restarted(lambda: Worker(diary)) as run:
        with pytest.raises(Interrupted) as caught:
            await run.ref.ask(message)
        assert await run.ref.ask(Worker.once(2)) == 2
    assert isinstance(caught.value.__cause__, KeyError)
    assert diary.log == [(1, 1), (2, 2)]


@pytest.mark.parametrize("message", [Worker.once_later(1), Worker.once_slow(1)])
async def test_one_that_is_cut_short_by_the_crash_of_another_is_told_of_that_crash(
    message: Message[Worker, int],
) -> None:
    class Bursting(Worker):
        async def setup(self) -> None:
            if self.incarnation == 1:
                self.start_soon(self._burst)

        async def _burst(self) -> None:
            await trio.sleep(1)
            raise OSError

    async with open_restarted(lambda: Bursting(Diary())) as run:
        with pytest.raises(Interrupted) as caught:
            await run.ref.ask(message)
        await trio.sleep(1)
    assert caught.value.__cause__ is run.exits[0].error
    assert isinstance(run.exits[0].error, OSError)


async def test_what_had_begun_goes_back_in_order_of_arrival_ahead_of_what_is_queued() -> None:
    diary = Diary(crashes_left={6: 1})
    answers: list[int] = []

    async def ask(message: Message[Worker, int]) -> None:
        answers.append(await run.ref.ask(message))

    async with open_restarted(lambda: Worker(diary)) as run:
        async with trio.open_nursery() as nursery:
            for message in (
                Worker.beside(1),
                Worker.later(2),
                Worker.beside(3),
                Worker.later(4),
                Worker.slow(5),
                Worker.plain(6),
                Worker.plain(7),
            ):
                nursery.start_soon(ask, message)
                await trio.sleep(0.1)
        assert run.slot.incarnation == 2
        again = [number for number, incarnation in diary.log if incarnation == 2]
        assert again[:4] == [
            2,
            4,
            6,
            7,
        ]  # plain ops run where they are read, those beside them when their task does
        assert sorted(again[4:]) == [1, 3]
        assert sorted(answers) == [1, 2, 3, 4, 5, 6, 7]
        assert run.ref.statistics().messages.fates == {Fate.HANDLED: 7}


async def test_an_answer_that_was_given_before_the_end_does_not_come_back() -> None:
    diary = Diary(crashes_left={9: 1})
    async with open_restarted(lambda: Worker(diary)) as run:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.ref.ask, Worker.later(1))
            nursery.start_soon(run.ref.ask, Worker.beside(2, 0.0))
            await trio.sleep(0.5)
            diary.deferred[0].set(1)
        await run.ref.ask(Worker.plain(9))
        await trio.sleep(20)
    assert sorted(diary.log) == [(1, 1), (2, 1), (9, 1), (9, 2)]


async def test_in_the_mailbox_they_stand_in_order_of_arrival_whatever_their_kind() -> None:
    diary = Diary(crashes_left={4: 1})
    slot = Slot.open("a", current_books())
    ref: Ref[Worker] = Ref(slot)
    for message in (Worker.beside(1), Worker.later(2), Worker.beside(3), Worker.plain(4), Worker.once(5)):
        assert await ref.tell(message) is Delivery.QUEUED
    exit_ = await Incarnation(slot).run(lambda: Worker(diary), lambda: None)
    waiting: list[int] = []
    while (envelope := slot.mailbox.get_nowait()) is not None:
        waiting.append(envelope.message.number)
        assert envelope.has_started == (envelope.message.number < 5)
        envelope.settle(Fate.HANDLED)
    assert waiting == [1, 2, 3, 4, 5]
    slot.close(exit_)


@pytest.mark.parametrize("message", [Worker.slow(1, 10.0), Worker.beside(1), Worker.later(1)])
@pytest.mark.parametrize("grace", [0.0, 2.0])
async def test_a_message_cut_short_by_a_stop_is_handed_to_the_next_incarnation(
    message: Message[Worker, int], grace: float
) -> None:
    diary = Diary()
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await run.ref.ask(message))

    async with open_restarted(lambda: Worker(diary), pause=1.0) as run:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(1.0)
            await run.ref.stop(grace=grace)
            assert run.ref.statistics().depth == 1
        assert answers == [1]
        assert run.slot.incarnation == 2


async def test_a_message_whose_actor_finished_without_an_answer_is_handed_on_too() -> None:
    diary = Diary()
    async with open_restarted(lambda: Worker(diary)) as run, trio.open_nursery() as nursery:
        nursery.start_soon(run.ref.ask, Worker.later(1))
        await trio.sleep(1.0)
        await run.ref.tell(Worker.finish_now())
    assert diary.log == [(1, 1), (1, 2)]
    assert run.exits[0] == Exit("normal")


async def test_a_told_message_is_tried_again_as_well() -> None:
    diary = Diary(crashes_left={1: 2})
    async with open_restarted(lambda: Worker(diary)) as run:
        await run.ref.tell(Worker.plain(1))
        await trio.sleep(1)
    assert diary.log == [(1, 1), (1, 2), (1, 3)]
    assert not current_books().dead_letters


async def test_a_timers_message_that_crashed_is_tried_again_although_the_timer_has_ended() -> None:
    diary = Diary(crashes_left={1: 1})

    class Ticking(Worker):
        async def setup(self) -> None:
            if self.incarnation == 1:
                self.after(5, Worker.plain(1))

    async with open_restarted(lambda: Ticking(diary)):
        await trio.sleep(100)
    assert diary.log == [(1, 1), (1, 2)]


async def test_what_was_answered_is_not_kept() -> None:
    diary = Diary()
    async with open_actor(lambda: Worker(diary)) as worker, trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(worker.ask, Worker.beside(number, 0.5))
            nursery.start_soon(worker.ask, Worker.later(10 + number))
        await trio.sleep(1)
        for number, deferred in enumerate(diary.deferred):
            deferred.set(number)
        incarnation = worker._slot.performer
        assert isinstance(incarnation, Incarnation)
        assert incarnation._server is not None
        unfinished = incarnation._server.unfinished
        assert unfinished is not None
        assert (unfinished.activities, unfinished.parked, unfinished._begun) == ({}, {}, {})


# what does not come back


async def test_an_asker_that_left_while_its_message_waited_to_be_tried_again_costs_nothing() -> None:
    diary = Diary(crashes_left={1: 1})
    async with open_restarted(lambda: Worker(diary), pause=10.0) as run:
        with trio.move_on_after(5) as scope:
            await run.ref.ask(Worker.plain(1))
        assert scope.cancelled_caught
        assert run.ref.statistics().messages.fates == {Fate.EXPIRED: 1}
        await trio.sleep(10)
    assert diary.log == [(1, 1)]


async def test_an_asker_that_was_cancelled_between_the_crash_and_the_end_of_the_teardown_is_not_tried_again() -> (
    None
):
    diary = Diary(crashes_left={1: 1})

    class Lingering(Worker):
        async def teardown(self) -> None:
            await trio.sleep(0.5)

    async with open_restarted(lambda: Lingering(diary)) as run:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.ref.ask, Worker.slow(1, 1.0))
            await trio.sleep(1.25)
            nursery.cancel_scope.cancel()
        assert run.ref.statistics().messages.fates == {Fate.CANCELLED: 1}
        await trio.sleep(10)
    assert diary.log == [(1, 1)]


async def test_a_parked_message_whose_asker_left_in_the_instant_of_the_crash_is_interrupted() -> None:
    class Cutting(Actor):
        @op(idempotent=True)
        def park(self) -> Deferred[int]:
            calls.append(self.incarnation)
            return Deferred()

        @op(concurrent=True)
        async def cut_and_crash(self) -> None:
            await trio.sleep(1)
            scope.cancel()
            raise KeyError(1)

        @op
        async def hold(self) -> None:
            await trio.sleep_forever()

    calls: list[int] = []
    scope = trio.CancelScope()
    async with open_restarted(Cutting) as run, trio.open_nursery() as nursery:

        async def ask() -> None:
            with scope:
                await run.ref.ask(Cutting.park())

        nursery.start_soon(ask)
        await trio.sleep(1)
        await run.ref.tell(Cutting.cut_and_crash())
        await run.ref.tell(Cutting.hold())  # the news of who has left is not read any more
    assert calls == [1]
    assert run.ref.statistics().messages.fates == {Fate.INTERRUPTED: 3}


async def test_an_op_that_crashes_after_its_asker_has_gone_is_not_tried_again() -> None:
    class Stubborn(Actor):
        @op(idempotent=True, on_abandon="finish")
        async def crash(self) -> None:
            calls.append(self.incarnation)
            await trio.sleep(5)
            raise KeyError(1)

    calls: list[int] = []
    async with open_restarted(Stubborn) as run:
        with trio.move_on_after(1):
            await run.ref.ask(Stubborn.crash())
        await trio.sleep(10)
        assert run.ref.statistics().messages.fates == {Fate.INTERRUPTED: 1}
    assert calls == [1]


async def test_a_deadline_that_was_moved_after_it_passed_on_a_started_message_is_no_proof_that_nothing_was_done() -> (
    None
):
    diary = Diary(crashes_left={1: 1})
    async with open_restarted(lambda: Worker(diary), pause=10.0) as run, trio.open_nursery() as nursery:
        caught: list[Interrupted] = []
        scope = trio.CancelScope(deadline=trio.current_time() + 5)

        async def ask() -> None:
            with scope:
                try:
                    await run.ref.ask(Worker.slow(1, 1.0))
                except Interrupted as error:
                    caught.append(error)

        nursery.start_soon(ask)
        await trio.sleep(2)
        scope.deadline = math.inf
        await trio.sleep(20)
        assert [str(error) for error in caught] == [
            "Worker.slow(number=1, seconds=1.0) was interrupted: its deadline passed before actor 'a' tried it again"
        ]
        assert run.ref.statistics().messages.fates == {Fate.EXPIRED: 1}
    assert diary.log == [(1, 1)]


async def test_an_asker_that_left_while_the_incarnation_was_still_ending_leaves_nothing_in_the_mailbox() -> (
    None
):
    class Slow(Worker):
        @op(concurrent=True)
        async def dawdle(self) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)

    diary = Diary(crashes_left={9: 1})
    async with open_restarted(lambda: Slow(diary), pause=10.0) as run:
        await run.ref.tell(Slow.dawdle())
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run.ref.ask, Slow.beside(1))
                await trio.sleep(0.5)
                await run.ref.tell(Slow.once(9))
        await trio.sleep(2)
        assert run.exits
        assert run.ref.statistics().depth == 0
        assert run.ref.statistics().messages.fates[Fate.EXPIRED] == 1


async def test_a_message_that_was_parked_and_waits_again_waits_for_whoever_holds_the_mailbox() -> None:
    class Front(Actor):
        @op
        async def go(self) -> int:
            return await run.ref.ask(Back.later())

    class Back(Actor):
        async def setup(self) -> None:
            if self.incarnation == 2:
                try:
                    await front.ask(Front.go())
                except AskCycle as error:
                    paths.append(error.path)

        @op(idempotent=True)
        def later(self) -> Deferred[int]:
            deferred = Deferred[int]()
            if self.incarnation == 2:
                deferred.set(2)
            return deferred

    paths: list[tuple[str, ...]] = []
    async with (
        open_actor(Front) as front,
        open_restarted(Back, pause=1.0) as run,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(front.ask, Front.go())
        await trio.sleep(1)
        await run.ref.stop()
    assert paths == [("a.setup", "Front.go", "a.setup")]


# an actor that ends for good


async def test_what_had_started_is_told_interrupted_when_there_is_no_next_incarnation_and_the_queue_bounces() -> (
    None
):
    diary = Diary(crashes_left={3: 1})
    slot = Slot.open("a", current_books())
    ref: Ref[Worker] = Ref(slot)
    caught: dict[int, Exception] = {}

    async def ask(message: Message[Worker, int]) -> None:
        try:
            await ref.ask(message)
        except (Interrupted, ActorStopped) as error:
            caught[cast("Any", message).number] = error

    async with trio.open_nursery() as nursery:
        for message in (Worker.beside(1), Worker.later(2), Worker.plain(3), Worker.plain(4)):
            nursery.start_soon(ask, message)
            await trio.testing.wait_all_tasks_blocked()
        await ref.tell(Worker.plain(5))
        exit_ = await Incarnation(slot).run(lambda: Worker(diary), lambda: None)
        assert ref.statistics().depth == 5
        slot.close(exit_)
    assert {number: type(error) for number, error in caught.items()} == {
        1: Interrupted,
        2: Interrupted,
        3: Interrupted,
        4: ActorStopped,
    }
    crash = caught[3].__cause__
    assert isinstance(crash, KeyError)
    assert exit_.error is crash
    assert caught[1].__cause__ is caught[2].__cause__ is crash
    totals = current_books().totals()
    assert totals.fates == {Fate.INTERRUPTED: 3, Fate.BOUNCED: 1, Fate.UNDELIVERED: 1}


async def test_a_message_that_crashed_before_the_actor_was_stopped_is_told_of_its_own_crash() -> None:
    slot = Slot.open("a", current_books())
    ref: Ref[Worker] = Ref(slot)
    caught: list[BaseException | None] = []

    async def ask() -> None:
        with pytest.raises(Interrupted) as info:
            await ref.ask(Worker.plain(1))
        caught.append(info.value.__cause__)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(1)
        exit_ = await Incarnation(slot).run(lambda: Worker(Diary(crashes_left={1: 1})), lambda: None)
        slot.leave("restarting")
        await trio.sleep(1)
        slot.close(Exit("stopped"))
    assert caught == [exit_.error]
    assert isinstance(exit_.error, KeyError)


async def test_a_crash_in_open_actor_is_told_once_also_when_the_op_is_idempotent() -> None:
    with pytest.raises(KeyError, match=r"^1\nwhile handling Worker\.plain\(number=1\), attempt 1$"):
        async with open_actor(lambda: Worker(Diary(crashes_left={1: 1}))) as worker:
            await worker.ask(Worker.plain(1))


async def test_a_told_message_that_had_started_when_the_actor_ended_is_a_dead_letter_that_says_so() -> None:
    diary = Diary()
    async with open_actor(lambda: Worker(diary)) as worker:
        await worker.tell(Worker.later(1))
        await trio.sleep(1)
    (letter,) = current_books().dead_letters
    assert letter.fate is Fate.INTERRUPTED
    assert letter.reason == "actor ended while handling it"


async def test_a_cancelled_block_settles_what_had_started_and_tries_nothing_again() -> None:
    diary = Diary()
    with trio.move_on_after(1):
        async with open_actor(lambda: Worker(diary)) as worker:
            await worker.tell(Worker.beside(1))
            await worker.tell(Worker.later(2))
            await trio.sleep_forever()
    assert current_books().totals().fates == {Fate.INTERRUPTED: 2}
    assert sorted(diary.log) == [(1, 1), (2, 1)]


# answers that come too late


async def test_the_answer_of_an_ended_incarnation_reaches_nobody_and_undoes_nothing() -> None:
    diary = Diary(crashes_left={9: 1})
    async with open_restarted(lambda: Worker(diary), pause=10.0) as run, trio.open_nursery() as nursery:
        answers: list[int] = []

        async def ask() -> None:
            answers.append(await run.ref.ask(Worker.later(1)))

        nursery.start_soon(ask)
        await trio.sleep(1)
        await run.ref.tell(Worker.plain(9))
        await trio.sleep(1)
        assert diary.deferred[0].set(77) is False
        await trio.sleep(20)
        assert answers == [1]
    assert diary.undone == []


async def test_an_answer_for_an_asker_that_left_before_the_end_is_undone_after_it_all_the_same() -> None:
    diary = Diary(crashes_left={9: 1})
    async with open_restarted(lambda: Worker(diary), pause=10.0) as run:
        with trio.move_on_after(1):
            await run.ref.ask(Worker.later(1))
        await run.ref.tell(Worker.plain(9))
        await trio.sleep(1)
        assert diary.deferred[0].set(77) is False
        await trio.sleep(20)
    assert diary.undone == [(77, 1)]
    assert diary.log == [(1, 1), (9, 1), (9, 2)]


# a mailbox that holds more than its capacity


def test_many_that_are_put_back_stand_ahead_of_what_was_put_back_before_and_in_order() -> None:
    box = Mailbox("m", 8, "wait", Books())
    tell(box, 1, 2, 3, 4, 5)
    first, second, third = (box.get_nowait() for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    box.put_back(third)
    box.put_back(first, second)
    assert box.depth == 5
    assert read(box) == [1, 2, 3, 4, 5]
    assert box.depth == 0
    box.books.check_balanced()


def test_a_mailbox_that_was_given_back_more_than_it_holds_lets_the_new_wait_outside() -> None:
    box = Mailbox("m", 2, "wait", Books())
    taken = tell(box, 0, 1)
    assert [box.get_nowait(), box.get_nowait()] == taken
    tell(box, 2, 3)
    box.put_back(*taken)
    tell(box, 4)
    assert (box.depth, box.waiting) == (4, 1)
    assert read(box) == [0, 1, 2, 3, 4]
    box.books.check_balanced()


def test_the_oldest_is_dropped_for_the_newest_also_when_it_had_started_and_it_is_told_so() -> None:
    box = Mailbox("m", 1, "drop_oldest", Books())
    (started,) = tell(box, 1)
    assert box.get_nowait() is started
    tell(box, 2)
    started.go_back()
    box.put_back(started)
    tell(box, 3)
    assert started.fate is Fate.INTERRUPTED
    assert (box.depth, box.waiting) == (1, 1)
    tell(box, 4)
    assert read(box) == [3, 4]
    assert [(letter.message, letter.fate) for letter in box.books.dead_letters] == [
        (1, Fate.INTERRUPTED),
        (2, Fate.DROPPED),
    ]
    box.books.check_balanced()


async def test_one_that_was_put_back_and_is_pushed_out_before_it_is_read_is_no_message_any_more() -> None:
    box = Mailbox("m", 1, "drop_oldest", Books())
    (first,) = tell(box, 1)
    assert box.get_nowait() is first
    box.put_back(first)
    arrival = box.arrival()
    tell(box, 2)
    assert await arrival is None
    assert read(box) == [2]


# what is refused


def test_idempotent_is_a_bool() -> None:
    def ask(_self: Actor) -> None: ...

    with pytest.raises(TypeError, match=r"^op 'ask': idempotent must be a bool, got 1$"):
        op(idempotent=cast("Any", 1))(ask)


def test_a_stream_cannot_be_idempotent() -> None:
    async def items(_self: Actor) -> AsyncIterator[int]:
        yield 1

    with pytest.raises(
        TypeError,
        match=r"^op 'items': a stream cannot be tried again; its consumer has items already$",
    ):
        op(idempotent=True)(items)


# where a crash struck


class Notable(Actor):
    """Crashes wherever it is told to."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.due = math.inf

    def _strike(self, where: str) -> None:
        if self.where == where:
            raise KeyError(where)

    async def setup(self) -> None:
        self._strike("setup")
        if self.where == "task":
            self.start_soon(self._fail)
        self.due = 1.0

    async def _fail(self) -> None:
        raise KeyError("task")

    async def wind_down(self) -> None:
        self._strike("wind_down")

    async def teardown(self) -> None:
        self._strike("teardown")

    def next_deadline(self) -> float:
        self._strike("next_deadline")
        return self.due

    def on_deadline(self) -> None:
        self.due = math.inf
        self._strike("on_deadline")

    def _hand_back(self, _value: int) -> None:
        raise KeyError("undo")

    def _left(self) -> None:
        raise KeyError("left")

    @op(undo=_hand_back, on_abandon="finish")
    async def grant(self) -> int:
        await trio.sleep(1)
        return 1

    @op
    def park(self) -> Deferred[int]:
        return Deferred(self._left)


async def _nothing(_ref: Ref[Notable]) -> None:
    await trio.sleep(2)


async def _stop(ref: Ref[Notable]) -> None:
    await ref.stop()


async def _leave(ref: Ref[Notable]) -> None:
    with trio.move_on_after(0.5):
        await ref.ask(Notable.grant())
    await trio.sleep(2)


async def _leave_parked(ref: Ref[Notable]) -> None:
    with trio.move_on_after(0.5):
        await ref.ask(Notable.park())
    await trio.sleep(2)


@pytest.mark.parametrize(
    ("where", "act", "note"),
    [
        ("setup", _nothing, "in setup"),
        ("wind_down", _stop, "in wind_down"),
        ("teardown", _stop, "in teardown"),
        ("task", _nothing, "in a child task"),
        ("next_deadline", _nothing, "in next_deadline"),
        ("on_deadline", _nothing, "in on_deadline"),
        ("undo", _leave, "in the undo of Notable.grant"),
        ("left", _leave_parked, "between two messages"),
    ],
)
async def test_the_error_that_ends_an_incarnation_says_where_it_struck(
    where: str, act: Callable[[Ref[Notable]], Awaitable[None]], note: str
) -> None:
    async with open_restarted(lambda: Notable(where), pause=100.0) as run:
        await act(run.ref)
    error = run.exits[0].error
    assert isinstance(error, KeyError)
    assert error.args == (where,)
    assert run.notes[0] == [note]


async def test_each_attempt_is_counted_on_its_error_and_attempts_that_others_cut_short_are_not() -> None:
    diary = Diary(crashes_left={1: 2, 2: 1})
    async with open_restarted(lambda: Worker(diary)) as run:
        await run.ref.tell(Worker.later(3))
        await run.ref.tell(Worker.plain(1))
        await run.ref.tell(Worker.plain(2))
        await trio.sleep(1)
    assert run.notes == [
        ["while handling Worker.plain(number=1), attempt 1"],
        ["while handling Worker.plain(number=1), attempt 2"],
        ["while handling Worker.plain(number=2), attempt 1"],
        [],
    ]


async def test_an_error_that_takes_no_notes_is_a_crash_like_any_other() -> None:
    class Sealed(Exception):
        def add_note(self, note: str, /) -> None:
            raise AttributeError(note)

    class Sealing(Actor):
        @op
        def crash(self) -> None:
            raise Sealed

    async with open_restarted(Sealing) as run:
        with pytest.raises(Interrupted):
            await run.ref.ask(Sealing.crash())
    assert run.notes[0] == []
