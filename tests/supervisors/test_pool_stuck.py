"""Tests that a stuck worker is found in the very instant, that its place serves again, and that nobody else notices."""
# ruff: noqa: PT012  # a spent budget ends the block around a pool, not one statement in it

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import trio
from clerks import Book, Clerk, Counter, Event
from players import HalfDice

from actors.errors import Interrupted, RestartsExhausted
from actors.kernel import Message, Ref
from supervisors import (
    Backoff,
    ChildOverdue,
    ChildRestarting,
    ChildSpec,
    ChildStarted,
    Intensity,
    open_supervisor,
)
from supervisors.pool.events import WorkerReplaced, WorkerStuck
from supervisors.pool.handle import PoolHandle, open_pool
from supervisors.pool.pool import Pool

pytestmark = pytest.mark.usefixtures("autojump_clock")


def inside(pool: PoolHandle[Any]) -> Any:
    """Return the actor of a pool, to look at what it has under way."""
    return pool.pool._slot.actor


def worker(pool: PoolHandle[Clerk], worker_id: str) -> Ref[Clerk]:
    """Return a worker's own ref, which comes past the pool."""
    return Ref(inside(pool)._children.by_id[worker_id].slot)


def of_pool(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, WorkerStuck | WorkerReplaced | ChildOverdue)]


STUCK = [
    pytest.param(Clerk.work(60.0), id="in order"),
    pytest.param(Clerk.call(60.0), id="beside"),
]


@pytest.mark.parametrize("message", STUCK)
async def test_a_stuck_worker_is_killed_in_the_very_instant_and_serves_again(
    message: Message[Clerk, str],
) -> None:
    events: list[Event] = []
    async with open_pool(Clerk, 2, stuck_after=7.0, on_event=events.append) as pool:
        await trio.sleep(3.0)
        with pytest.raises(Interrupted):
            await pool.ref.ask(message)
        assert trio.current_time() == 10.0
        await trio.testing.wait_all_tasks_blocked()
        assert [await pool.ref.ask(Clerk.who()) for _ in range(2)] == ["worker-2", "worker-1"]
        assert trio.current_time() == 10.0
        statistics = pool.statistics()
        assert (statistics.stuck, statistics.left_behind) == (1, 0)
        assert [each.incarnation for each in statistics.workers] == [2, 1]
    op = message.__op__.name
    assert of_pool(events) == [
        WorkerStuck("pool", "worker-1", 1, op, 3.0, 10.0),
        WorkerReplaced("pool", "worker-1", 2, is_left_behind=False, took=0.0, at=10.0),
    ]


async def test_what_waits_for_a_stuck_worker_is_handled_in_order_by_its_next_incarnation() -> None:
    book = Book()
    async with open_pool(partial(Clerk, book), 1, stuck_after=7.0) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        counter.ask("stuck", Clerk.work(60.0))
        await trio.sleep(1.0)
        for number in range(5):
            await pool.ref.tell(Clerk.serve(number))
        counter.ask("last", Clerk.who())
    assert counter.outcomes == {"stuck": ("Interrupted", 7.0), "last": ("worker-1", 7.0)}
    assert [number for _, number in book.served] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("wait", [0.0, 2.0, 4.9])
async def test_an_op_that_waited_first_is_measured_from_its_own_beginning(wait: float) -> None:
    events: list[Event] = []
    async with (
        open_pool(Clerk, 1, stuck_after=5.0, on_event=events.append) as pool,
        trio.open_nursery() as nursery,
    ):
        counter = Counter(pool, nursery)
        counter.ask("first", Clerk.work(wait))
        await trio.sleep(0.0)
        counter.ask("second", Clerk.work(60.0))
    assert counter.outcomes == {"first": ("worker-1", wait), "second": ("Interrupted", wait + 5.0)}
    assert of_pool(events)[0] == WorkerStuck("pool", "worker-1", 1, "work", wait, wait + 5.0)


async def test_of_several_ops_beside_each_other_the_oldest_counts() -> None:
    async with open_pool(Clerk, 1, stuck_after=5.0) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        for number in range(4):
            counter.ask(f"{number}", Clerk.call(4.0 if number < 2 else 60.0))
            await trio.sleep(1.0)
    assert counter.outcomes == {
        "0": ("worker-1", 4.0),
        "1": ("worker-1", 5.0),
        "2": ("Interrupted", 7.0),
        "3": ("Interrupted", 7.0),
    }


async def test_an_op_that_ends_in_time_disturbs_nobody() -> None:
    events: list[Event] = []
    async with open_pool(Clerk, 1, stuck_after=5.0, on_event=events.append) as pool:
        for _ in range(20):
            assert await pool.ref.ask(Clerk.work(4.999)) == "worker-1"
        assert pool.statistics().stuck == 0
    assert of_pool(events) == []


async def test_a_stream_that_nobody_takes_from_is_stuck_as_well() -> None:
    events: list[Event] = []
    async with open_pool(Clerk, 1, stuck_after=5.0, on_event=events.append) as pool:
        async with pool.ref.stream(Clerk.count_up(1.0)) as numbers:
            with pytest.raises(Interrupted):
                async for _ in numbers:
                    pass
        assert trio.current_time() == 5.0
    assert [event.op for event in events if isinstance(event, WorkerStuck)] == ["count_up"]


async def test_a_deferred_answer_is_no_op_at_work() -> None:
    async with open_pool(Clerk, 1, stuck_after=5.0) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        counter.ask("parked", Clerk.wait())
        await trio.sleep(100.0)
        assert inside(pool).next_deadline() == math.inf
        counter.ask("next", Clerk.wait())
        await trio.sleep(1.0)
        assert counter.outcomes == {"parked": ("worker-1", 100.0)}
        nursery.cancel_scope.cancel()


async def test_without_a_detection_time_an_op_may_take_as_long_as_it_likes() -> None:
    async with open_pool(Clerk, 1) as pool:
        assert inside(pool).next_deadline() == math.inf
        assert await pool.ref.ask(Clerk.work(1e5)) == "worker-1"


# nobody polls


async def test_an_idle_pool_has_no_timer_and_a_busy_one_looks_once_per_detection_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[float] = []
    on_deadline = Pool.on_deadline

    def counted(self: Pool[Any]) -> None:
        looks.append(trio.current_time())
        on_deadline(self)

    monkeypatch.setattr(Pool, "on_deadline", counted)
    async with open_pool(Clerk, 3, stuck_after=10.0) as pool:
        assert inside(pool).next_deadline() == math.inf
        await trio.sleep(1000.0)
        for _ in range(5):
            await pool.ref.ask(Clerk.work(3.0))  # one worker after the other: at 1000, 1003, 1006, 1009, 1012
        assert inside(pool).next_deadline() == 1016.0
        await trio.sleep(1000.0)
        assert inside(pool).next_deadline() == math.inf
    assert looks == [1010.0, 1013.0, 1016.0, 1019.0, 1022.0]


async def test_a_worker_that_is_watched_costs_its_senders_nothing() -> None:
    async with open_pool(Clerk, 1, stuck_after=10.0) as pool:
        posted: list[object] = []
        soon = inside(pool)._replacements.soon
        inside(pool)._replacements.soon = lambda call: (posted.append(call), soon(call))
        await pool.ref.tell(Clerk.work(1.0))
        await trio.sleep(0.0)
        assert len(posted) == 1
        for _ in range(30):
            await pool.ref.tell(Clerk.who())
        assert len(posted) == 1


async def test_an_op_that_came_past_the_pool_is_found_with_the_next_message() -> None:
    events: list[Event] = []
    async with (
        open_pool(Clerk, 1, stuck_after=5.0, on_event=events.append) as pool,
        trio.open_nursery() as nursery,
    ):
        counter = Counter(pool, nursery)
        counter.ask("past the pool", Clerk.work(60.0), worker(pool, "worker-1"))
        await trio.sleep(20.0)
        counter.ask("through it", Clerk.who())
    assert counter.outcomes == {"past the pool": ("Interrupted", 20.0), "through it": ("worker-1", 20.0)}


# one that shields itself


async def test_a_worker_that_shields_itself_is_left_behind_and_its_messages_move_to_a_new_one() -> None:
    events: list[Event] = []
    book = Book()
    async with (
        open_pool(partial(Clerk, book), 1, stuck_after=5.0, on_event=events.append) as pool,
        trio.open_nursery() as nursery,
    ):
        counter = Counter(pool, nursery)
        counter.ask("shielded", Clerk.shield(60.0))
        await trio.sleep(1.0)
        for number in range(5):
            await pool.ref.tell(Clerk.serve(number))
        counter.ask("last", Clerk.who())
        await trio.sleep(10.0)
        assert counter.outcomes == {"shielded": ("Interrupted", 6.0), "last": ("worker-1", 6.0)}
        assert [number for _, number in book.served] == [0, 1, 2, 3, 4]
        statistics = pool.statistics()
        assert (statistics.stuck, statistics.left_behind) == (1, 1)
        assert [(each.incarnation, each.load, each.handled) for each in statistics.workers] == [(1, 0, 6)]
        assert book.returned == []
        await trio.sleep(60.0)
        assert book.returned == ["worker-1"]  # what it did at last reached nobody, and was handed back
        assert await pool.ref.ask(Clerk.who()) == "worker-1"
    assert of_pool(events) == [
        WorkerStuck("pool", "worker-1", 1, "shield", 0.0, 5.0),
        ChildOverdue("pool", "worker-1", 1, 0.0, 6.0),
        WorkerReplaced("pool", "worker-1", 1, is_left_behind=True, took=1.0, at=6.0),
    ]


async def test_an_idempotent_message_of_a_worker_that_is_left_behind_is_tried_again_ahead_of_the_others() -> (
    None
):
    book = Book()
    async with (
        open_pool(partial(Clerk, book), 1, stuck_after=5.0) as pool,
        trio.open_nursery() as nursery,
    ):
        counter = Counter(pool, nursery)
        counter.ask("looked up", Clerk.look_up(0))
        await trio.sleep(1.0)
        for number in (1, 2):
            await pool.ref.tell(Clerk.serve(number))
        await trio.sleep(10.0)
        assert counter.outcomes == {"looked up": ("worker-1", 6.0)}
        assert [number for _, number in book.served] == [0, 0, 1, 2]
        await trio.sleep(100.0)
        assert counter.outcomes == {"looked up": ("worker-1", 6.0)}


async def test_a_worker_left_behind_can_be_stuck_again_in_its_place() -> None:
    async with open_pool(Clerk, 1, stuck_after=5.0) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        for number in range(3):
            counter.ask(f"{number}", Clerk.shield(100.0))
            await trio.sleep(0.0)
    assert {when for what, when in counter.outcomes.values() if what == "Interrupted"} == {6.0, 12.0, 18.0}


async def test_what_is_sent_past_the_pool_to_one_left_behind_goes_to_its_successor_when_it_ends() -> None:
    async with open_pool(Clerk, 1, stuck_after=5.0) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        past = worker(pool, "worker-1")
        counter.ask("shielded", Clerk.shield(60.0))
        await trio.sleep(10.0)
        counter.ask("past the pool", Clerk.who(), past)
        await trio.sleep(10.0)
        assert "past the pool" not in counter.outcomes
        await trio.sleep(50.0)
        assert counter.outcomes["past the pool"] == ("worker-1", 60.0)


async def test_a_place_whose_new_worker_does_not_start_is_tried_again_within_the_budget() -> None:
    events: list[Event] = []
    starts: list[float | Exception] = [0.0, OSError("no room"), 0.0]

    class Late(Clerk):
        async def setup(self) -> None:
            cue = starts.pop(0)
            if isinstance(cue, Exception):
                raise cue

    async with (
        open_pool(
            Late, 1, stuck_after=5.0, backoff=Backoff(initial=4.0), rng=HalfDice(), on_event=events.append
        ) as pool,
        trio.open_nursery() as nursery,
    ):
        counter = Counter(pool, nursery)
        counter.ask("shielded", Clerk.shield(60.0))
        await trio.sleep(1.0)
        counter.ask("waits", Clerk.who())
        await trio.sleep(10.0)
        assert counter.outcomes == {"shielded": ("Interrupted", 6.0), "waits": ("worker-1", 8.0)}
    assert [event.delay for event in events if isinstance(event, ChildRestarting)] == [0.0, 2.0]
    assert of_pool(events)[-1] == WorkerReplaced("pool", "worker-1", 2, is_left_behind=True, took=3.0, at=8.0)


# what it costs


@pytest.mark.parametrize("message", [Clerk.work(1e4), Clerk.shield(1e4)], ids=["obeys", "shields itself"])
async def test_each_replacement_costs_a_restart_until_the_budget_is_spent(
    message: Message[Clerk, str],
) -> None:
    stuck: list[float] = []
    with pytest.raises(RestartsExhausted, match="budget of 2 restarts in 100 s is spent"):
        async with open_pool(
            Clerk,
            1,
            stuck_after=5.0,
            worker_intensity=Intensity(2, 100.0),
            on_event=lambda event: stuck.append(event.at) if isinstance(event, WorkerStuck) else None,
        ) as pool:
            for _ in range(3):
                with pytest.raises(Interrupted):
                    await pool.ref.ask(message)
            await trio.sleep_forever()
    assert len(stuck) == 3


async def test_a_stuck_worker_that_crashes_on_its_way_out_is_restarted_once() -> None:
    events: list[Event] = []

    class Rude(Clerk):
        async def teardown(self) -> None:
            await trio.sleep(0.5)
            raise RuntimeError("teardown")

    async with open_pool(Rude, 1, stuck_after=5.0, on_event=events.append) as pool:
        with pytest.raises(Interrupted):
            await pool.ref.ask(Clerk.work(60.0))
        assert await pool.ref.ask(Clerk.who()) == "worker-1"
        assert trio.current_time() == 5.5
    assert [event.incarnation for event in events if isinstance(event, ChildStarted)] == [1, 2]


async def test_a_teardown_that_takes_all_its_time_is_no_reason_to_be_left_behind() -> None:
    class Slow(Clerk):
        async def teardown(self) -> None:
            await trio.sleep(math.inf)

    events: list[Event] = []
    async with open_pool(Slow, 1, stuck_after=5.0, on_event=events.append) as pool:
        with pytest.raises(Interrupted):
            await pool.ref.ask(Clerk.work(60.0))
        assert await pool.ref.ask(Clerk.who()) == "worker-1"
        assert trio.current_time() == 6.0
        assert pool.statistics().left_behind == 0


# beside other things that happen


async def test_a_pool_that_ends_while_a_worker_is_replaced_ends() -> None:
    async with trio.open_nursery() as nursery:
        async with open_pool(Clerk, 1, stuck_after=5.0) as pool:
            counter = Counter(pool, nursery)
            counter.ask("shielded", Clerk.shield(20.0))
            await trio.sleep(5.5)
        assert trio.current_time() == 20.0
        assert pool.statistics().size == 0
    assert counter.outcomes["shielded"][1] == 20.0


async def test_a_crash_disarms_nobody() -> None:
    async with open_pool(
        Clerk, 1, stuck_after=5.0, backoff=Backoff(initial=40.0, cap=40.0), rng=HalfDice()
    ) as pool:
        with pytest.raises(Interrupted):
            await pool.ref.ask(Clerk.crash())
        async with trio.open_nursery() as nursery:
            counter = Counter(pool, nursery)
            counter.ask("waits, then is stuck", Clerk.work(60.0))
            await trio.sleep(10.0)
            assert inside(pool).next_deadline() == math.inf  # nobody looks at one that is not there
    assert counter.outcomes == {"waits, then is stuck": ("Interrupted", 25.0)}


async def test_a_pool_in_a_tree_replaces_its_workers_as_well_and_hears_only_of_its_own() -> None:
    events: list[Event] = []
    make = partial(Pool, lambda: Pool(Clerk, 1, stuck_after=3.0), 1, stuck_after=5.0, on_event=events.append)
    async with open_supervisor(children=[ChildSpec("outer", make)]) as tree:
        outer = PoolHandle[Pool[Clerk]](await tree.child("outer"))
        inner = PoolHandle[Clerk](worker(outer, "worker-1"))  # type: ignore[arg-type]  # the workers are pools
        with pytest.raises(Interrupted):
            await inner.ref.ask(Clerk.work(60.0))
        assert trio.current_time() == 3.0
        assert await inner.ref.ask(Clerk.who()) == "worker-1"
    assert of_pool(events) == []


async def test_a_start_below_another_supervisor_is_none_of_the_pools_own() -> None:
    events: list[Event] = []
    async with (
        open_pool(Clerk, 1, stuck_after=5.0, on_event=events.append) as pool,
        trio.open_nursery() as nursery,
    ):
        Counter(pool, nursery).ask("shielded", Clerk.shield(20.0))
        await trio.sleep(5.5)
        inside(pool)._heard(ChildStarted("pool/worker-1", "worker-1", 1, "new", 5.5))
        await trio.sleep(2.0)
    assert [event.at for event in events if isinstance(event, WorkerReplaced)] == [6.0]
