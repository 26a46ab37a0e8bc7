"""Tests that a pool grows and shrinks under load without losing a message, and moves few keys."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import trio
from clerks import Book, Clerk, Counter, Event, customer_of
from players import HalfDice

from actors.errors import Interrupted, NotNow, StartFailed
from actors.kernel import Fate, Ref, open_books
from supervisors import Backoff, ChildOverdue, ChildStopped
from supervisors.pool.events import PoolResized, WorkerReplaced
from supervisors.pool.handle import PoolHandle, open_pool

pytestmark = pytest.mark.usefixtures("autojump_clock")


def names(pool: PoolHandle[Any]) -> list[str]:
    return [worker.worker for worker in pool.statistics().workers]


def workers(count: int) -> list[str]:
    return [f"worker-{number}" for number in range(1, count + 1)]


def children_of(pool: PoolHandle[Any]) -> list[str]:
    """Return all workers, those that are being seen off included."""
    actor: Any = pool.pool._slot.actor
    return sorted(actor._children.by_id)


# growing


class Slow(Clerk):
    async def setup(self) -> None:
        await trio.sleep(2.0)


async def test_new_workers_get_messages_when_all_of_them_serve() -> None:
    events: list[Event] = []
    async with open_pool(Slow, 2, on_event=events.append) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        for number in range(4):
            counter.ask(f"{number}", Clerk.work(5.0))
        await trio.sleep(1.0)
        nursery.start_soon(pool.resize, 4)
        await trio.sleep(1.0)
        assert names(pool) == workers(2)
        await trio.sleep(1.5)
        assert names(pool) == workers(4)
        counter.ask("new", Clerk.who())
        await trio.sleep(0.0)
    assert counter.outcomes["new"] == ("worker-3", 5.5)
    assert [event for event in events if isinstance(event, PoolResized)] == [PoolResized("pool", 2, 4, 5.0)]


async def test_growing_moves_only_keys_that_the_new_workers_get() -> None:
    customers = [f"customer {number}" for number in range(200)]
    async with open_pool(Clerk, 4, key=customer_of) as pool:
        before = [await pool.ref.ask(Clerk.serve_for(customer, 0)) for customer in customers]
        await pool.resize(5)
        after = [await pool.ref.ask(Clerk.serve_for(customer, 0)) for customer in customers]
        await pool.resize(4)
        again = [await pool.ref.ask(Clerk.serve_for(customer, 0)) for customer in customers]
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"worker-5"}
    assert len(moved) == 35
    assert again == before


@pytest.mark.parametrize("cue", [OSError("no room"), NotNow("closed")], ids=["fails", "declines"])
async def test_a_new_worker_that_does_not_start_leaves_the_pool_as_it_was(cue: Exception) -> None:
    cues: list[Exception | None] = [None, None, None, cue]

    class Picky(Clerk):
        async def setup(self) -> None:
            if cues and (error := cues.pop(0)) is not None:
                raise error

    async with open_pool(Picky, 2) as pool:
        with pytest.raises(StartFailed, match=r"^child 'worker-[34]' did not start") as caught:
            await pool.resize(4)
        assert caught.value.__cause__ is cue
        assert names(pool) == children_of(pool) == workers(2)
        await pool.resize(4)
        assert names(pool) == children_of(pool) == workers(4)


# shrinking


async def test_surplus_workers_handle_what_they_have_and_get_nothing_new() -> None:
    events: list[Event] = []
    async with open_pool(Clerk, 3, on_event=events.append) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        for number in range(9):
            counter.ask(f"{number}", Clerk.work(1.0))
        await trio.sleep(0.5)
        nursery.start_soon(pool.resize, 1)
        await trio.testing.wait_all_tasks_blocked()
        assert names(pool) == ["worker-1"]
        assert await pool.ref.ask(Clerk.who()) == "worker-1"
    assert sorted(counter.outcomes.values()) == [
        (f"worker-{worker}", when) for worker in (1, 2, 3) for when in (1.0, 2.0, 3.0)
    ]
    assert [event for event in events if isinstance(event, PoolResized)] == [PoolResized("pool", 3, 1, 3.0)]


async def test_what_a_surplus_worker_cannot_handle_within_its_grace_moves_in_order_to_those_that_stay() -> (
    None
):
    book = Book()
    async with open_pool(partial(Clerk, book), 2, grace=2.0) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        counter.ask("a", Clerk.work(10.0))
        counter.ask("b", Clerk.work(10.0))
        await trio.sleep(0.0)
        for number in range(10):
            await pool.ref.tell(Clerk.serve(number))
        await pool.resize(1)
        assert trio.current_time() == 2.0
        assert sorted(counter.outcomes.values()) == [("Interrupted", 2.0)]
        assert pool.statistics().workers[0].load == 11
    assert {who for who, _ in book.served} == {"worker-1"}
    mine, moved = [0, 2, 4, 6, 8], [1, 3, 5, 7, 9]
    assert [number for _, number in book.served] in (mine + moved, moved + mine)


async def test_a_worker_that_is_given_what_moves_is_watched_over_it() -> None:
    async with open_pool(Clerk, 2, grace=2.0, stuck_after=5.0) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        (_, last) = _refs(pool)
        counter.ask("cut", Clerk.work(10.0), last)
        await trio.sleep(0.0)
        counter.ask("moves", Clerk.work(60.0), last)
        await pool.resize(1)
    assert counter.outcomes == {"cut": ("Interrupted", 2.0), "moves": ("Interrupted", 7.0)}


async def test_by_key_each_message_that_moves_goes_to_the_owner_of_its_key() -> None:
    book = Book()
    customers = [f"customer {number}" for number in range(40)]
    async with (
        open_pool(partial(Clerk, book), 4, key=customer_of, grace=2.0, capacity=5) as pool,
        trio.open_nursery() as nursery,
    ):
        for ref in _refs(pool):
            Counter(pool, nursery).ask(ref.name, Clerk.work(3.0), ref)
        await trio.sleep(0.0)
        counter = Counter(pool, nursery)
        for number in range(3):
            for customer in customers:
                counter.ask(f"{customer}/{number}", Clerk.serve_for(customer, number))
                await trio.sleep(0.0)
        await pool.resize(2)
        await trio.sleep(2.0)
        owners = {customer: await pool.ref.ask(Clerk.serve_for(customer, 3)) for customer in customers}
    for customer in customers:
        assert [number for who, number in book.served if who == repr(customer)] == [0, 1, 2, 3]
        assert {counter.outcomes[f"{customer}/{number}"][0] for number in range(3)} == {owners[customer]}


def _refs(pool: PoolHandle[Clerk]) -> list[Ref[Clerk]]:
    actor: Any = pool.pool._slot.actor
    return [Ref(child.slot) for child in actor._children.by_id.values()]


async def test_a_message_without_a_key_stays_with_its_worker() -> None:
    async with (
        open_pool(Clerk, 2, key=lambda message: message.customer, grace=1.0) as pool,
        trio.open_nursery() as nursery,
    ):
        counter = Counter(pool, nursery)
        (_, last) = _refs(pool)
        counter.ask("stuck", Clerk.work(10.0), last)
        await trio.sleep(0.0)
        counter.ask("without", Clerk.who(), last)
        await pool.resize(1)
        await trio.sleep(1.0)
    assert counter.outcomes == {"stuck": ("Interrupted", 1.0), "without": ("ActorStopped", 1.0)}


async def test_a_surplus_worker_that_waits_for_its_restart_leaves_its_messages_at_once() -> None:
    async with (
        open_pool(Clerk, 2, backoff=Backoff(initial=60.0, cap=60.0), rng=HalfDice()) as pool,
        trio.open_nursery() as nursery,
    ):
        with pytest.raises(Interrupted):
            await pool.ref.ask(Clerk.crash())
        with pytest.raises(Interrupted):
            await pool.ref.ask(Clerk.crash())
        counter = Counter(pool, nursery)
        counter.ask("first", Clerk.who())
        counter.ask("second", Clerk.who())
        await trio.sleep(1.0)
        await pool.resize(1)
        assert trio.current_time() == 1.0
        assert pool.statistics().workers[0].load == 2
    assert counter.outcomes == {"first": ("worker-1", 30.0), "second": ("worker-1", 30.0)}


async def test_a_surplus_worker_that_shields_itself_is_left_behind_and_holds_up_nobody() -> None:
    events: list[Event] = []
    async with (
        open_pool(Clerk, 2, grace=2.0, on_event=events.append) as pool,
        trio.open_nursery() as nursery,
    ):
        counter = Counter(pool, nursery)
        counter.ask("short", Clerk.work(1.0))
        await trio.sleep(0.0)
        counter.ask("shielded", Clerk.shield(30.0))
        await trio.sleep(0.0)
        counter.ask("short too", Clerk.work(1.0))
        await trio.sleep(0.0)
        counter.ask("behind the shield", Clerk.who())
        await trio.sleep(1.5)
        await pool.resize(1)
        assert trio.current_time() == 4.5
        await trio.sleep(0.0)
        await trio.testing.wait_all_tasks_blocked()
        assert counter.outcomes == {
            "short": ("worker-1", 1.0),
            "short too": ("worker-1", 2.0),
            "shielded": ("Interrupted", 4.5),
            "behind the shield": ("worker-1", 4.5),
        }
        await pool.resize(2)
        assert [worker.incarnation for worker in pool.statistics().workers] == [1, 1]
        await trio.sleep(60.0)
        assert names(pool) == children_of(pool) == workers(2)
    assert [(event.child, event.at) for event in events if isinstance(event, ChildOverdue)] == [
        ("worker-2", 4.5)
    ]
    stops = [(event.child, event.at) for event in events if isinstance(event, ChildStopped)]
    assert stops[0] == ("worker-2", 30.0)


# several at once


async def test_resizes_are_done_one_after_the_other() -> None:
    sizes: list[tuple[int, float]] = []
    async with (
        open_pool(
            Slow,
            2,
            on_event=lambda event: (
                sizes.append((event.after, event.at)) if isinstance(event, PoolResized) else None
            ),
        ) as pool,
        trio.open_nursery() as nursery,
    ):
        for size in (4, 1, 3, 3):
            nursery.start_soon(pool.resize, size)
            await trio.sleep(0.1)
        await trio.sleep(10.0)
        assert names(pool) == children_of(pool) == workers(3)
    assert sizes == [(4, 4.0), (1, 4.0), (3, 6.0)]


async def test_a_resize_goes_on_when_nobody_waits_for_it() -> None:
    async with open_pool(Slow, 2) as pool:
        with trio.move_on_after(0.5):
            await pool.resize(4)
        assert names(pool) == workers(2)
        await trio.sleep(2.0)
        assert names(pool) == workers(4)


async def test_a_pool_that_ends_while_it_grows_leaves_nobody_and_begins_no_further_resize() -> None:
    answers: list[str] = []

    async def resize(pool: PoolHandle[Any], size: int) -> None:
        try:
            await pool.resize(size)
            answers.append(f"{size}")
        except Interrupted:
            answers.append(f"{size} interrupted")

    events: list[Event] = []
    async with trio.open_nursery() as nursery:
        async with open_pool(Slow, 2, on_event=events.append) as pool:
            nursery.start_soon(resize, pool, 4)
            await trio.sleep(0.5)
            nursery.start_soon(resize, pool, 6)
            await trio.sleep(0.5)
        assert trio.current_time() == 4.0  # within their grace the new ones end their `setup`
    assert sorted(answers) == ["4", "6 interrupted"]
    assert sorted(event.child for event in events if isinstance(event, ChildStopped)) == workers(4)


async def test_a_worker_that_is_stuck_while_its_pool_grows_keeps_its_place() -> None:
    async with open_pool(Slow, 1, stuck_after=5.0) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        counter.ask("shielded", Clerk.shield(60.0))
        await trio.sleep(5.5)
        nursery.start_soon(pool.resize, 3)  # done at 9.5; the place serves again at 10
        await trio.sleep(6.0)
        assert names(pool) == workers(3)
        assert sorted([await pool.ref.ask(Clerk.who()) for _ in range(3)]) == workers(3)
    assert counter.outcomes == {"shielded": ("Interrupted", 8.0)}


async def test_a_new_worker_that_is_replaced_before_the_others_serve_has_its_place_all_the_same() -> None:
    setups = [0.0, 0.0, 20.0]

    class Eager(Clerk):
        """Gives itself work before anybody else does."""

        async def setup(self) -> None:
            is_second = len(setups) == 2
            await trio.sleep(setups.pop(0) if setups else 0.0)
            if is_second:
                await self.ref.tell(Clerk.shield(60.0))

    async with open_pool(Eager, 1, stuck_after=5.0) as pool:
        await pool.resize(3)
        assert trio.current_time() == 20.0
        assert pool.statistics().left_behind == 1
        assert sorted([await pool.ref.ask(Clerk.who()) for _ in range(3)]) == workers(3)


async def test_what_the_workers_of_a_pool_that_does_not_start_gave_themselves_is_turned_away() -> None:
    setups: list[Exception | None] = [None, OSError("no room")]

    class Eager(Clerk):
        async def setup(self) -> None:
            if (error := setups.pop(0)) is not None:
                await trio.sleep(1.0)
                raise error
            await self.ref.tell(Clerk.work(100.0))
            await self.ref.tell(Clerk.who())

    with open_books() as books, pytest.raises(StartFailed):
        async with open_pool(Eager, 2, grace=3.0):
            pytest.fail("the block was entered")
    assert trio.current_time() == 4.0
    assert [letter.fate for letter in books.dead_letters] == [Fate.INTERRUPTED, Fate.UNDELIVERED]


async def test_a_stuck_worker_that_is_seen_off_before_it_is_replaced_is_not_replaced() -> None:
    events: list[Event] = []
    async with (
        open_pool(Clerk, 2, stuck_after=5.0, grace=math.inf, on_event=events.append) as pool,
        trio.open_nursery() as nursery,
    ):
        counter = Counter(pool, nursery)
        counter.ask("work", Clerk.work(4.0))
        await trio.sleep(0.0)
        counter.ask("shielded", Clerk.shield(20.0))
        await trio.sleep(0.0)
        counter.ask("short", Clerk.work(1.0))
        await trio.sleep(0.0)
        counter.ask("behind the shield", Clerk.who())
        await trio.sleep(5.5)
        nursery.start_soon(pool.resize, 1)
        await trio.sleep(30.0)
        assert names(pool) == children_of(pool) == workers(1)
        assert pool.statistics().left_behind == 1
    assert counter.outcomes == {
        "work": ("worker-1", 4.0),
        "short": ("worker-1", 5.0),
        "shielded": ("Interrupted", 6.0),
        "behind the shield": ("worker-1", 6.0),
    }
    assert not [event for event in events if isinstance(event, WorkerReplaced)]


async def test_a_worker_that_is_stuck_while_it_is_seen_off_is_killed_and_what_waits_moves() -> None:
    async with open_pool(Clerk, 2, stuck_after=5.0, grace=math.inf) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        counter.ask("short", Clerk.work(4.0))
        await trio.sleep(0.0)
        counter.ask("long", Clerk.work(100.0))
        await trio.sleep(0.0)
        for number in range(2):
            counter.ask(f"{number}", Clerk.who())
            await trio.sleep(0.0)
        await pool.resize(1)
        assert trio.current_time() == 5.0
        await trio.sleep(0.0)
    assert counter.outcomes == {
        "short": ("worker-1", 4.0),
        "long": ("Interrupted", 5.0),
        "0": ("worker-1", 4.0),
        "1": ("worker-1", 5.0),
    }


@pytest.mark.parametrize(
    ("size", "kind", "complaint"),
    [
        (0, ValueError, r"^size must be >= 1, got 0$"),
        (-3, ValueError, r"^size must be >= 1, got -3$"),
        (2.5, TypeError, r"^size must be a whole number, got 2\.5$"),
        (None, TypeError, r"^size must be a whole number, got None$"),
    ],
)
async def test_a_size_that_cannot_be_is_refused_and_changes_nothing(
    size: Any, kind: type[Exception], complaint: str
) -> None:
    async with open_pool(Clerk, 2) as pool:
        with pytest.raises(kind, match=complaint):
            await pool.resize(size)
        assert names(pool) == workers(2)
        await pool.resize(2)
        assert names(pool) == workers(2)
