"""Tests for the one-shot reply cell and for deferred replies as plain objects."""

from __future__ import annotations

import gc
import weakref

import pytest
import trio
import trio.testing

from actors.kernel import Actor, Deferred, Ref, op, open_actor
from actors.kernel.reply import Reply

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Sink(Actor):
    def __init__(self) -> None:
        self.line: list[Deferred[int]] = []

    @op
    def take(self, text: str) -> int:
        return len(text)

    @op
    async def take_slowly(self, text: str) -> int:
        await trio.sleep(1)
        return len(text)

    @op
    def park(self, text: str) -> Deferred[int]:
        self.line.append(Deferred())
        return self.line[-1] if text else Deferred()

    @op
    def release(self) -> None:
        self.line.pop().set(0)


def nothing() -> None:
    """Leave without a word."""


async def test_an_answer_that_is_there_is_taken_at_once() -> None:
    reply = Reply[int]()
    assert reply.answer(3)
    assert await reply.wait(nothing) == 3


@pytest.mark.parametrize("second", ["answer", "fail"])
async def test_a_second_answer_is_refused_and_changes_nothing(second: str) -> None:
    reply = Reply[int]()
    reply.answer(3)
    with pytest.raises(RuntimeError, match="this reply has been answered already"):
        reply.answer(4) if second == "answer" else reply.fail(ValueError("late"))
    assert await reply.wait(nothing) == 3


async def test_an_answer_after_the_asker_left_stays_with_its_giver() -> None:
    reply = Reply[int]()
    left: list[float] = []
    with trio.move_on_after(2):
        await reply.wait(lambda: left.append(trio.current_time()))
    assert left == [2.0]
    assert reply.is_abandoned
    assert reply.is_past_deadline
    assert not reply.answer(3)
    assert not reply.fail(ValueError("late"))
    assert not reply.expire(ValueError("late"))


async def test_a_cell_that_is_abandoned_before_anybody_waited_takes_no_answer() -> None:
    reply = Reply[int]()
    reply.abandon()
    assert not reply.answer(3)
    assert not reply.is_past_deadline


async def test_an_error_is_raised_once_in_the_asker() -> None:
    reply = Reply[int]()
    async with trio.open_nursery() as nursery:

        async def fail() -> None:
            reply.fail(ValueError("no"))

        nursery.start_soon(fail)
        with pytest.raises(ValueError, match="no"):
            await reply.wait(nothing)


async def test_an_expiry_is_a_cancellation_for_an_asker_whose_deadline_stands_and_an_error_otherwise() -> (
    None
):
    reply = Reply[int]()
    reply.expire(ValueError("moved"))
    with trio.CancelScope() as scope:
        scope.cancel()
        await reply.wait(nothing)
    assert scope.cancelled_caught
    with pytest.raises(ValueError, match="moved"):
        await reply.wait(nothing)


def test_a_deferred_can_be_read_by_the_test_of_an_op_called_as_a_plain_method() -> None:
    sink = Sink()
    deferred = sink.park("x")
    assert (deferred.is_set, deferred.is_bound) == (False, False)
    with pytest.raises(RuntimeError, match="nothing was set yet"):
        _ = deferred.value
    sink.release()
    assert (deferred.is_set, deferred.value, deferred.error) == (True, 0, None)
    with pytest.raises(RuntimeError, match="this reply has been answered already"):
        deferred.fail(ValueError("late"))


def test_a_deferred_that_failed_raises_its_error_when_read() -> None:
    deferred = Deferred[int]()
    error = ValueError("no")
    assert deferred.fail(error)
    assert deferred.error is error
    with pytest.raises(ValueError, match="no"):
        _ = deferred.value


@pytest.mark.parametrize("way", ["take", "take_slowly", "park", "leave", "leave parked"])
async def test_a_message_is_let_go_when_it_was_answered_without_waiting_for_the_collector(way: str) -> None:
    async with open_actor(Sink) as sink:
        message = {
            "take": Sink.take,
            "take_slowly": Sink.take_slowly,
            "leave": Sink.take_slowly,
            "park": Sink.park,
            "leave parked": Sink.park,
        }[way]("a long prompt")
        kept = weakref.ref(message)
        gc.collect()
        gc.disable()
        try:
            async with trio.open_nursery() as nursery:
                if way == "park":
                    nursery.start_soon(release, sink)
                with trio.move_on_after(0.5 if way.startswith("leave") else 5):
                    await sink.ask(message)
            if way == "leave parked":
                await sink.ask(Sink.release())
            await trio.testing.wait_all_tasks_blocked()
            del message
            assert kept() is None
        finally:
            gc.enable()


async def release(sink: Ref[Sink]) -> None:
    """Set the parked answer in a second."""
    await trio.sleep(1)
    await sink.ask(Sink.release())
