"""Tests for the stream of events: every follower has its own pace, and nobody else notices."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from supervisors.event_feed import DEFAULT_BUFFER, EventFeed, EventsMissed, EventStream
from supervisors.events import Escalated, LifecycleEvent


def an_event(number: int) -> LifecycleEvent:
    return Escalated("shop", "store", float(number))


async def read(stream: EventStream) -> list[float | EventsMissed]:
    """Read all that is there; of an event take the instant, which tells them apart."""
    return [event if isinstance(event, EventsMissed) else event.at async for event in stream]


async def test_a_follower_gets_what_happens_while_it_follows_in_order() -> None:
    feed = EventFeed()
    feed.publish(an_event(0))
    with feed.follow() as events:
        for number in (1, 2, 3):
            feed.publish(an_event(number))
        feed.close()
        assert await read(events) == [1, 2, 3]


async def test_every_follower_gets_every_event() -> None:
    feed = EventFeed()
    with feed.follow() as first, feed.follow() as second:
        feed.publish(an_event(1))
        feed.close()
        assert (await read(first), await read(second)) == ([1], [1])


async def test_a_slow_follower_loses_the_oldest_and_is_told_how_many() -> None:
    feed = EventFeed()
    with feed.follow(3) as slow, feed.follow() as quick:
        for number in range(10):
            feed.publish(an_event(number))
        feed.close()
        assert await read(slow) == [EventsMissed(7), 7, 8, 9]
        assert await read(quick) == list(range(10))


async def test_each_gap_is_told_in_its_own_place() -> None:
    feed = EventFeed()
    with feed.follow(1) as events:
        for number in (1, 2):
            feed.publish(an_event(number))
        seen = [await anext(events), await anext(events)]
        for number in (3, 4, 5):
            feed.publish(an_event(number))
        seen += [await anext(events), await anext(events)]
    assert seen == [EventsMissed(1), an_event(2), EventsMissed(2), an_event(5)]


async def test_a_follower_waits_for_the_next_event(autojump_clock: trio.abc.Clock) -> None:
    feed, start = EventFeed(), autojump_clock.current_time()
    seen: list[float] = []

    async def follow() -> None:
        with feed.follow() as events:
            seen.extend([trio.current_time() - start async for _event in events])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        for _ in range(2):
            await trio.sleep(1.5)
            feed.publish(an_event(1))
        await trio.sleep(1)
        feed.close()
    assert seen == [1.5, 3.0]


async def test_a_wait_that_is_cancelled_loses_nothing(autojump_clock: trio.abc.Clock) -> None:
    feed = EventFeed()
    with feed.follow() as events:
        with trio.move_on_after(1):
            await anext(events)
        feed.publish(an_event(1))
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(events)
        assert await anext(events) == an_event(1)
    assert autojump_clock.current_time() > 0


async def test_each_step_is_a_checkpoint() -> None:
    feed = EventFeed()
    with feed.follow() as events:
        feed.publish(an_event(1))
        with trio.testing.assert_checkpoints():
            await anext(events)


async def test_two_readers_of_one_stream_share_it(autojump_clock: trio.abc.Clock) -> None:
    feed = EventFeed()
    seen: list[list[float | EventsMissed]] = []

    async def take(events: EventStream) -> None:
        seen.append(await read(events))

    async with trio.open_nursery() as nursery:
        with feed.follow() as events:
            nursery.start_soon(take, events)
            nursery.start_soon(take, events)
            await trio.sleep(1)
            feed.publish(an_event(1))
            await trio.sleep(1)
            feed.publish(an_event(2))
            await trio.sleep(1)
    assert sorted(each for some in seen for each in some) == [1, 2]
    assert autojump_clock.current_time() > 0


async def test_a_feed_that_has_ended_is_followed_in_vain() -> None:
    feed = EventFeed()
    feed.close()
    with feed.follow() as events:
        assert await read(events) == []


async def test_a_follower_that_has_left_gets_nothing_more() -> None:
    feed = EventFeed()
    with feed.follow() as left, feed.follow() as stays:
        pass
    with feed.follow() as stays:
        feed.publish(an_event(1))
        feed.close()
        assert (await read(left), await read(stays)) == ([], [1])


def test_a_feed_without_followers_keeps_nothing() -> None:
    feed = EventFeed()
    feed.publish(an_event(1))
    assert feed._streams == ()


@pytest.mark.parametrize(
    ("capacity", "error", "text"),
    [
        (0, ValueError, "buffer must be >= 1, got 0"),
        (2.5, TypeError, "buffer must be a whole number of events, got 2.5"),
        (True, TypeError, "buffer must be a whole number of events, got True"),
    ],
)
def test_a_buffer_of_no_size_is_refused(capacity: int, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"^{text}$"), EventFeed().follow(capacity):
        pass


def test_the_buffer_holds_a_thousand_by_default() -> None:
    with EventFeed().follow() as events:
        assert events.capacity == DEFAULT_BUFFER == 1000


@given(st.integers(1, 4), st.lists(st.sampled_from(("publish", "read"))))
def test_what_is_read_and_what_is_missed_are_all_that_was_published(capacity: int, steps: list[str]) -> None:
    """Whatever the pace, numbers come in order and every jump in them is as wide as the gap that is told."""

    async def main() -> None:
        feed, published, expected = EventFeed(), 0, 0
        with feed.follow(capacity) as events:
            for step in [*steps, *["read"] * (capacity + 1)]:
                if step == "publish":
                    feed.publish(an_event(published))
                    published += 1
                elif events._kept:
                    item = await anext(events)
                    if isinstance(item, EventsMissed):
                        expected += item.count
                    else:
                        assert item.at == expected
                        expected += 1
        assert expected == published

    trio.run(main)
