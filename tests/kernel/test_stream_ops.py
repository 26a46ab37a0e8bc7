"""Tests for streams: items handed over one at a time."""
# ruff: noqa: PT012, PERF401  # a crash ends the block around an actor; items count also when the loop is cut

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from actors.errors import ActorStopped, Interrupted, MailboxFull
from actors.kernel import Actor, Fate, Stream, op, open_actor

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Source(Actor):
    def __init__(self) -> None:
        self.made: list[int] = []
        self.log: list[str] = []

    @op(raises=(ValueError,))
    async def items(
        self, n: int, *, every: float = 0, fail_at: int = -1, crash_at: int = -1
    ) -> AsyncIterator[int]:
        try:
            for i in range(n):
                if every:
                    await trio.sleep(every)
                if i == fail_at:
                    raise ValueError(i)
                if i == crash_at:
                    raise KeyError(i)
                self.made.append(i)
                yield i
        finally:
            self.log.append("finally")

    @op(raises=(ValueError,))
    async def stubborn(self) -> AsyncIterator[int]:
        """Answers its cancellation with a declared error."""
        try:
            yield 1
            await trio.sleep_forever()
        except trio.Cancelled:
            raise ValueError("no") from None

    @op
    async def slow(self, seconds: float) -> None:
        await trio.sleep(seconds)

    @op
    def count(self) -> int:
        return len(self.made)


async def soon() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def rest(stream: Stream[int]) -> list[int]:
    return [item async for item in stream]


async def test_items_come_in_order_and_the_stream_ends() -> None:
    async with open_actor(Source) as source:
        async with source.stream(Source.items(3)) as items:
            assert await rest(items) == [0, 1, 2]
            assert await rest(items) == []
        assert source.statistics().messages.fates == {Fate.HANDLED: 1}


async def test_an_empty_stream_ends_at_once() -> None:
    async with open_actor(Source) as source, source.stream(Source.items(0)) as items:
        assert await rest(items) == []


async def test_the_producer_is_never_more_than_one_item_ahead() -> None:
    actor = Source()
    async with open_actor(lambda: actor) as source, source.stream(Source.items(10)) as items:
        await soon()
        assert actor.made == [0]
        taken = 0
        async for _ in items:
            taken += 1
            await soon()
            assert len(actor.made) == min(10, taken + 1)


async def test_the_mailbox_goes_on_while_a_stream_runs() -> None:
    async with open_actor(Source) as source, source.stream(Source.items(3, every=10)) as items:
        await soon()
        assert await source.ask(Source.count()) == 0
        assert await rest(items) == [0, 1, 2]
        assert await source.ask(Source.count()) == 3


async def test_a_consumer_that_leaves_early_cancels_the_producer_whose_finally_runs() -> None:
    actor = Source()
    async with open_actor(lambda: actor) as source:
        async with source.stream(Source.items(1000)) as items:
            async for item in items:
                if item == 2:
                    break
        await soon()
        assert actor.log == ["finally"]
        assert source.statistics().messages.fates == {Fate.CANCELLED: 1}
        assert source.statistics().running == ()


async def test_a_consumer_may_leave_at_any_step_also_before_the_producer_started() -> None:
    async with open_actor(Source) as source:
        for checkpoints in range(12):
            async with source.stream(Source.items(3)):
                for _ in range(checkpoints):
                    await trio.lowlevel.checkpoint()
            await soon()
        fates = source.statistics().messages
        assert fates.sent == 12
        assert fates.fates == {Fate.CANCELLED: 12}
        assert source.statistics().running == ()


async def test_a_consumer_that_leaves_while_queued_costs_nothing() -> None:
    actor = Source()
    async with open_actor(lambda: actor) as source:
        await source.tell(Source.slow(10))
        async with source.stream(Source.items(3)):
            pass
        assert await source.ask(Source.count()) == 0
        assert actor.log == []
        assert source.statistics().messages.fates == {Fate.HANDLED: 2, Fate.CANCELLED: 1}


async def test_a_declared_error_comes_after_the_items_before_it_and_only_once() -> None:
    async with open_actor(Source) as source:
        async with source.stream(Source.items(5, fail_at=2)) as items:
            assert [await anext(items), await anext(items)] == [0, 1]
            with pytest.raises(ValueError, match=r"^2$"):
                await anext(items)
            assert await rest(items) == []
        assert source.statistics().messages.fates == {Fate.FAILED: 1}


async def test_a_declared_error_after_the_consumer_left_counts_as_cancelled() -> None:
    async with open_actor(Source) as source:
        async with source.stream(Source.stubborn()) as items:
            assert await anext(items) == 1
            await soon()
        await soon()
        assert source.statistics().messages.fates == {Fate.CANCELLED: 1}


async def test_a_crash_ends_the_stream_with_interrupted() -> None:
    caught: list[Exception] = []
    taken: list[int] = []
    with pytest.raises(KeyError, match=r"^1\nwhile handling Source\.items\(.*\), attempt 1$"):
        async with open_actor(Source) as source:
            with trio.CancelScope(shield=True):
                async with source.stream(Source.items(5, crash_at=1)) as items:
                    try:
                        async for item in items:
                            taken.append(item)
                    except Interrupted as error:
                        caught.append(error)
            await trio.sleep_forever()
    assert taken == [0]
    assert isinstance(caught[0].__cause__, KeyError)
    assert source.statistics().messages.fates == {Fate.INTERRUPTED: 1}


async def test_a_deadline_ends_consumer_and_producer_at_the_same_instant() -> None:
    actor = Source()
    async with open_actor(lambda: actor) as source:
        start = trio.current_time()
        taken: list[int] = []
        with trio.move_on_after(25):
            async with source.stream(Source.items(5, every=10)) as items:
                async for item in items:
                    taken.append(item)
        await soon()
        assert (taken, actor.log) == ([0, 1], ["finally"])
        assert trio.current_time() - start == 25.0
        assert source.statistics().messages.fates == {Fate.EXPIRED: 1}


async def test_a_consumer_whose_deadline_moved_is_told_and_does_not_hang() -> None:
    async with open_actor(Source) as source:
        await source.tell(Source.slow(1))
        start = trio.current_time()
        with trio.CancelScope(deadline=start + 5) as scope:
            async with source.stream(Source.items(5, every=10)) as items:
                scope.deadline += 1000
                with pytest.raises(Interrupted, match="its deadline passed while it was being handled"):
                    await anext(items)
                assert trio.current_time() - start == 5.0
        await source.tell(Source.slow(10))
        with trio.CancelScope(deadline=trio.current_time() + 5) as scope:
            async with source.stream(Source.items(5)) as items:
                scope.deadline += 1000
                with pytest.raises(Exception, match="its deadline passed in the mailbox of 'Source'"):
                    await anext(items)


async def test_a_stream_of_an_ended_actor_says_so() -> None:
    async with open_actor(Source) as source:
        await source.stop()
        async with source.stream(Source.items(3)) as items:
            with pytest.raises(ActorStopped) as caught:
                await anext(items)
        assert caught.value.message == Source.items(3)


async def test_a_stream_that_finds_no_room_is_refused_or_waits() -> None:
    async with open_actor(Source, capacity=1, overflow="refuse") as source:
        await source.tell(Source.slow(10))
        await soon()
        await source.tell(Source.slow(1))
        async with source.stream(Source.items(3)) as items:
            with pytest.raises(MailboxFull):
                await anext(items)
    async with open_actor(Source, capacity=1) as source:
        start = trio.current_time()
        await source.tell(Source.slow(10))
        await soon()
        await source.tell(Source.slow(1))
        async with source.stream(Source.items(3)) as items:
            assert await rest(items) == [0, 1, 2]
        assert trio.current_time() - start == 11.0


async def test_a_stream_ends_within_the_grace_when_its_actor_stops() -> None:
    caught: list[BaseException] = []
    async with open_actor(Source) as source, trio.open_nursery() as nursery:

        async def consume() -> None:
            async with source.stream(Source.items(100, every=1)) as items:
                try:
                    await rest(items)
                except Interrupted as error:
                    caught.append(error)

        nursery.start_soon(consume)
        await soon()
        start = trio.current_time()
        await source.stop(grace=3.5)
        assert trio.current_time() - start == 3.5
    assert len(caught) == 1
