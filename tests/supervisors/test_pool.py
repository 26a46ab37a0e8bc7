"""Tests that a pool spreads its messages, keeps its workers alive, and loses nothing while they restart."""
# ruff: noqa: PT012  # a spent budget ends the block around a pool, not one statement in it

from __future__ import annotations

import math
import random
from collections import Counter as Tally
from functools import partial
from typing import Any, assert_type

import pytest
import trio
from clerks import Book, Clerk, Counter, Event, customer_of
from players import HalfDice

from actors.errors import ActorStopped, Interrupted, NotNow, RestartsExhausted, StartFailed
from actors.kernel import Actor, Ref, op, open_actor
from supervisors import (
    Backoff,
    ChildGivenUp,
    ChildRestarting,
    ChildSpec,
    ChildStarted,
    Escalated,
    Intensity,
    open_supervisor,
)
from supervisors.pool.handle import PoolHandle, open_pool
from supervisors.pool.pool import Pool
from supervisors.routed_ref import RoutedRef

pytestmark = pytest.mark.usefixtures("autojump_clock")

# the least loaded


async def test_idle_workers_take_turns() -> None:
    async with open_pool(Clerk, 3) as pool:
        answers = [await pool.ref.ask(Clerk.who()) for _ in range(7)]
    assert answers == [f"worker-{number}" for number in (1, 2, 3, 1, 2, 3, 1)]


async def test_messages_of_one_instant_are_spread_evenly() -> None:
    async with open_pool(Clerk, 4) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        for number in range(10):
            counter.ask(f"{number}", Clerk.work(1.0))
        await trio.sleep(0.5)
        assert [worker.load for worker in pool.statistics().workers] == [3, 3, 2, 2]
        await trio.sleep(3.0)
        assert Tally(when for _, when in counter.outcomes.values()) == {1.0: 4, 2.0: 4, 3.0: 2}


@pytest.mark.parametrize(
    "make", [Clerk.work, Clerk.call, Clerk.shield], ids=["in order", "beside", "shielded"]
)
async def test_a_worker_at_work_is_passed_over(make: Any) -> None:
    async with open_pool(Clerk, 2) as pool, trio.open_nursery() as nursery:
        Counter(pool, nursery).ask("long", make(10.0))
        await trio.sleep(1.0)
        assert [await pool.ref.ask(Clerk.who()) for _ in range(3)] == ["worker-2"] * 3


async def test_a_deferred_answer_counts_as_load() -> None:
    async with open_pool(Clerk, 2) as pool, trio.open_nursery() as nursery:
        Counter(pool, nursery).ask("parked", Clerk.wait())
        await trio.sleep(1.0)
        assert [worker.load for worker in pool.statistics().workers] == [1, 0]
        assert [await pool.ref.ask(Clerk.who()) for _ in range(3)] == ["worker-2"] * 3
        nursery.cancel_scope.cancel()


async def test_senders_that_wait_for_room_count_as_load() -> None:
    async with open_pool(Clerk, 2, capacity=1) as pool, trio.open_nursery() as nursery:
        counter = Counter(pool, nursery)
        for number in range(8):
            counter.ask(f"{number}", Clerk.work(1.0))
        await trio.sleep(0.5)
        assert [worker.load for worker in pool.statistics().workers] == [4, 4]


async def test_a_worker_that_restarts_gets_nothing_while_another_serves() -> None:
    async with open_pool(Clerk, 2, backoff=Backoff(initial=8.0), rng=HalfDice()) as pool:
        await pool.ref.tell(Clerk.crash())
        await trio.sleep(1.0)
        assert [worker.state for worker in pool.statistics().workers] == ["restarting", "running"]
        assert [await pool.ref.ask(Clerk.who()) for _ in range(3)] == ["worker-2"] * 3
        await trio.sleep(4.0)
        assert [await pool.ref.ask(Clerk.who()) for _ in range(2)] == ["worker-1", "worker-2"]


async def test_a_worker_that_calls_itself_unhealthy_gets_nothing_while_another_is_well() -> None:
    async with open_pool(Clerk, 2) as pool:
        await pool.ref.ask(Clerk.fall_ill())
        assert [await pool.ref.ask(Clerk.who()) for _ in range(3)] == ["worker-2"] * 3
        assert [worker.is_healthy for worker in pool.statistics().workers] == [False, True]


async def test_messages_wait_when_all_workers_restart() -> None:
    async with open_pool(Clerk, 2, backoff=Backoff(initial=8.0), rng=HalfDice()) as pool:
        for _ in range(2):
            await pool.ref.tell(Clerk.crash())
        await trio.sleep(1.0)
        assert await pool.ref.ask(Clerk.who()) == "worker-1"
        assert trio.current_time() == 4.0


# by key


async def test_messages_of_a_key_go_to_one_worker_in_order() -> None:
    book = Book()
    customers: list[str | bytes | int] = [*(f"customer {n}" for n in range(20)), b"bytes", 7, -7]
    async with open_pool(partial(Clerk, book), 4, key=customer_of) as pool:
        answers = [
            (customer, await pool.ref.ask(Clerk.serve_for(customer, number)))
            for number in range(5)
            for customer in customers
        ]
    assert len(set(answers)) == len(customers)
    assert {worker for _, worker in answers} == {f"worker-{number}" for number in (1, 2, 3, 4)}
    for customer in customers:
        assert [n for who, n in book.served if who == f"{customer!r}"] == [0, 1, 2, 3, 4]


async def test_a_key_waits_for_its_worker_although_others_are_free() -> None:
    async with open_pool(Clerk, 4, key=lambda _message: "one") as pool, trio.open_nursery() as nursery:
        Counter(pool, nursery).ask("long", Clerk.work(10.0))
        await trio.sleep(1.0)
        assert await pool.ref.ask(Clerk.who()) == await pool.ref.ask(Clerk.who())
        assert trio.current_time() == 10.0


async def test_a_key_that_is_none_is_told_to_whoever_sends_and_crashes_nobody() -> None:
    events: list[Event] = []
    async with open_pool(Clerk, 2, key=lambda _message: None, on_event=events.append) as pool:
        with pytest.raises(TypeError, match=r"^a key must be a str, bytes or an int, got NoneType$"):
            await pool.ref.ask(Clerk.who())
        with pytest.raises(TypeError, match=r"^a key must be"):
            await pool.ref.tell(Clerk.who())
        with pytest.raises(TypeError, match=r"^a key must be"):
            pool.ref.tell_nowait(Clerk.who())
        with pytest.raises(TypeError, match=r"^a key must be"):
            async with pool.ref.stream(Clerk.count_up(1.0)):
                pass
        assert [worker.messages.sent for worker in pool.statistics().workers] == [0, 0]
    assert {type(event) for event in events if event.at and isinstance(event, ChildRestarting)} == set()


# tell and stream


async def test_tells_and_streams_are_routed_as_well() -> None:
    book = Book()
    async with open_pool(partial(Clerk, book), 2) as pool:
        await pool.ref.tell(Clerk.serve(1))
        pool.ref.tell_nowait(Clerk.serve(2))
        async with pool.ref.stream(Clerk.count_up(0.0)) as numbers:
            assert [number async for number, _ in _first(3, numbers)] == [0, 1, 2]
    assert sorted(book.served) == [("worker-1", 1), ("worker-2", 2)]


async def _first(count: int, items: Any) -> Any:
    index = 0
    async for item in items:
        yield item, index
        index += 1
        if index == count:
            return


# restarts, and when they are enough


async def test_a_crash_costs_one_message_and_what_waits_is_handled_in_order() -> None:
    book = Book()
    make = partial(Clerk, book)
    async with open_pool(make, 1, backoff=Backoff(initial=2.0), rng=HalfDice()) as pool:
        for number in range(3):
            await pool.ref.tell(Clerk.serve(number))
        with pytest.raises(Interrupted):
            await pool.ref.ask(Clerk.crash())
        for number in range(3, 6):
            await pool.ref.tell(Clerk.serve(number))
        assert await pool.ref.ask(Clerk.who()) == "worker-1"
        assert trio.current_time() == 1.0
        assert pool.statistics().workers[0].incarnation == 2
    assert [number for _, number in book.served] == [0, 1, 2, 3, 4, 5]


async def test_a_worker_that_spends_its_budget_ends_the_pool() -> None:
    events: list[Event] = []
    with pytest.raises(RestartsExhausted) as caught:
        async with open_pool(
            Clerk,
            2,
            worker_intensity=Intensity(1, 30.0),
            backoff=Backoff(initial=0.0),
            on_event=events.append,
        ) as pool:
            (ref,) = [Ref[Clerk](child.slot) for child in _children(pool) if child.id == "worker-2"]
            for _ in range(2):
                with pytest.raises(Interrupted):
                    await ref.ask(Clerk.crash())
            await trio.sleep_forever()
    assert (caught.value.child, caught.value.restarts, len(caught.value.exceptions)) == ("worker-2", 1, 2)
    assert [event.child for event in events if isinstance(event, ChildGivenUp | Escalated)] == [
        "worker-2"
    ] * 2


def _children(pool: PoolHandle[Any]) -> Any:
    actor: Any = pool.pool._slot.actor
    return actor._children.by_id.values()


async def test_the_workers_share_a_budget_too() -> None:
    with pytest.raises(RestartsExhausted, match=r"its supervisor's budget of 2 restarts"):
        async with open_pool(Clerk, 3, intensity=Intensity(2, 30.0), backoff=Backoff(initial=0.0)) as pool:
            for _ in range(3):
                with pytest.raises(Interrupted):
                    await pool.ref.ask(Clerk.crash())
            await trio.sleep_forever()


# start and end


class Moody(Clerk):
    """Does not start when the cue of its turn says so."""

    cues: list[float | Exception]

    def __init__(self, cues: list[float | Exception]) -> None:
        super().__init__()
        self.cues = cues

    async def setup(self) -> None:
        cue = self.cues.pop(0) if self.cues else 0.0
        if isinstance(cue, Exception):
            raise cue
        await trio.sleep(cue)


async def test_all_workers_start_at_once() -> None:
    async with open_pool(partial(Moody, [3.0] * 100), 100):
        assert trio.current_time() == 3.0


async def test_all_workers_stop_at_once_each_within_its_grace() -> None:
    async with trio.open_nursery() as nursery:
        async with open_pool(Clerk, 50, grace=4.0) as pool:
            counter = Counter(pool, nursery)
            for number in range(50):
                counter.ask(f"{number}", Clerk.work(3.0 if number % 2 else 9.0))
            await trio.sleep(1.0)
        assert trio.current_time() == 5.0
        await trio.sleep(0.0)
    assert Tally(what.split("-")[0] for what, _ in counter.outcomes.values()) == {
        "worker": 25,
        "Interrupted": 25,
    }


@pytest.mark.parametrize(
    ("cue", "why"),
    [
        (OSError("no room"), r"^child 'worker-[123]' did not start: it failed with OSError"),
        (NotNow("closed"), r"^child 'worker-[123]' did not start: it declined to"),
    ],
    ids=["fails", "declines"],
)
async def test_a_worker_that_does_not_start_fails_the_pool_and_leaves_nothing(
    cue: Exception, why: str
) -> None:
    with pytest.raises(StartFailed, match=why) as caught:
        async with open_pool(partial(Moody, [1.0, 1.0, cue]), 3):
            pytest.fail("the block was entered")
    assert caught.value.__cause__ is cue


class Brittle(Clerk):
    """Crashes as soon as it serves, but for the one that starts last."""

    def __init__(self, starts: list[int]) -> None:
        super().__init__()
        starts.append(len(starts))
        self.number = starts[-1]

    async def setup(self) -> None:
        if self.number == 0:
            await trio.sleep(10.0)
        else:
            self.start_soon(self.fall)

    async def fall(self) -> None:
        await trio.sleep(1.0)
        raise RuntimeError("brittle")


async def test_a_pool_whose_workers_crash_too_often_while_others_start_does_not_start() -> None:
    with pytest.raises(StartFailed, match=r"crashed too often before all children had started") as caught:
        async with open_pool(partial(Brittle, []), 2, backoff=Backoff(initial=0.0)):
            pytest.fail("the block was entered")
    assert isinstance(caught.value.__cause__, RestartsExhausted)


async def test_a_pool_that_has_ended_turns_messages_away() -> None:
    async with open_pool(Clerk, 2) as pool:
        await pool.stop()
        with pytest.raises(ActorStopped):
            await pool.ref.ask(Clerk.who())
    assert pool.ref.is_ended
    assert (pool.statistics().pool, pool.statistics().size) == ("pool", 0)


# in a tree


async def test_a_pool_is_a_child_like_any_other() -> None:
    events: list[Event] = []
    async with open_supervisor(backoff=Backoff(initial=2.0), rng=HalfDice(), on_event=events.append) as tree:
        ref = await tree.start_child(
            ChildSpec("clerks", partial(Pool, Clerk, 2, intensity=Intensity(0, 30.0)))
        )
        pool = PoolHandle(ref)
        assert await pool.ref.ask(Clerk.who()) == "worker-1"
        with pytest.raises(Interrupted):
            await pool.ref.ask(Clerk.crash())
        await trio.sleep(0.5)
        with pytest.raises(ActorStopped):
            await pool.ref.ask(Clerk.who())  # nobody serves while the pool itself restarts
        await trio.sleep(1.0)
        assert await pool.ref.ask(Clerk.who()) == "worker-1"
        assert [worker.incarnation for worker in pool.statistics().workers] == [1, 1]
    starts = [(event.supervisor, event.child) for event in events if isinstance(event, ChildStarted)]
    assert starts.count(("supervisor", "clerks")) == 2
    assert starts.count(("supervisor/clerks", "worker-1")) == 2


async def test_a_pool_without_workers_yet_turns_messages_away() -> None:
    pools: list[PoolHandle[Clerk]] = []
    is_known = trio.Event()

    class Early(Clerk):
        """Asks its own pool for help before that serves."""

        async def setup(self) -> None:
            await is_known.wait()
            with pytest.raises(ActorStopped):
                await pools[0].ref.ask(Clerk.who())

    class Owner(Actor):
        async def setup(self) -> None:
            async with open_supervisor() as tree, trio.open_nursery() as nursery:
                nursery.start_soon(tree.start_child, ChildSpec("early", partial(Pool, Early, 2)))
                await trio.sleep(0.5)
                pools.append(PoolHandle(await tree.child("early")))
                is_known.set()

    async with open_actor(Owner):
        assert len(pools) == 1


async def test_the_workers_are_in_the_snapshot_of_the_tree() -> None:
    async with open_supervisor(children=[ChildSpec("clerks", partial(Pool, Clerk, 2))]) as tree:
        rows = tree.snapshot().actors
    assert [(row.supervisor, row.id, row.strategy) for row in rows if row.supervisor] == [
        ("supervisor", "clerks", "pool"),
        ("supervisor/clerks", "worker-1", ""),
        ("supervisor/clerks", "worker-2", ""),
    ]


# what it is made of


async def test_the_ref_of_a_pool_keeps_the_type_of_its_workers() -> None:
    async with open_pool(Clerk, 2) as pool:
        assert_type(pool, PoolHandle[Clerk])
        assert_type(pool.ref, RoutedRef[Clerk])
        assert_type(await pool.ref.ask(Clerk.who()), str)
    async with open_supervisor() as tree:
        ref = await tree.start_child(ChildSpec("clerks", partial(Pool, Clerk, 2)))
        assert_type(PoolHandle(ref).ref, RoutedRef[Clerk])


class Other(Actor):
    @op
    def ping(self) -> str:
        return "pong"


async def test_another_actors_message_is_refused() -> None:
    async with open_pool(Clerk, 2) as pool:
        with pytest.raises(TypeError):
            await pool.ref.ask(Other.ping())  # type: ignore[arg-type]  # what it refuses


async def test_statistics_say_what_each_worker_has_done() -> None:
    async with open_pool(Clerk, 2, name="clerks") as pool:
        for _ in range(3):
            await pool.ref.ask(Clerk.who())
        statistics = pool.statistics()
        assert (statistics.pool, statistics.size, statistics.stuck, statistics.left_behind) == (
            "clerks",
            2,
            0,
            0,
        )
        assert [
            (each.worker, each.state, each.incarnation, each.load, each.handled, each.messages.sent)
            for each in statistics.workers
        ] == [("worker-1", "running", 1, 0, 2, 2), ("worker-2", "running", 1, 0, 1, 1)]


@pytest.mark.parametrize(
    ("wrong", "kind", "complaint"),
    [
        ({"size": 0}, ValueError, r"^size must be >= 1, got 0$"),
        ({"size": 10_001}, ValueError, r"^size must be <= 10000, got 10001$"),
        ({"size": 2.0}, TypeError, r"^size must be a whole number, got 2\.0$"),
        ({"size": True}, TypeError, r"^size must be a whole number, got True$"),
        ({"key": "customer"}, TypeError, r"^key must be callable with a message, or None, got 'customer'$"),
        ({"stuck_after": 0}, ValueError, r"^stuck_after must be > 0 and finite, got 0$"),
        ({"stuck_after": math.inf}, ValueError, r"^stuck_after must be > 0 and finite, got inf$"),
        ({"stuck_after": "5"}, TypeError, r"^stuck_after must be a number of seconds, got '5'$"),
        ({"factory": Clerk()}, TypeError, r"^factory must make an actor, got a Clerk that is made already$"),
        ({"factory": None}, TypeError, r"^factory must be callable without arguments, got None$"),
        ({"grace": -1.0}, ValueError, r"^grace must be >= 0, got -1\.0$"),
        ({"capacity": 0}, ValueError, r"^capacity must be >= 1, got 0$"),
        ({"overflow": "burst"}, ValueError, r"^overflow must be wait, refuse, drop_oldest or drop_newest"),
        ({"keep_state": 1}, TypeError, r"^keep_state must be a bool, got 1$"),
        ({"quarantine_after": 0}, ValueError, r"^quarantine_after must be >= 1, got 0$"),
        ({"worker_intensity": 3}, TypeError, r"^intensity must be an Intensity or None, got 3$"),
        ({"intensity": 3}, TypeError, r"^intensity must be of type Intensity, got 3$"),
        ({"backoff": 3}, TypeError, r"^backoff must be of type Backoff, got 3$"),
        ({"seed": 1, "rng": random.Random(1)}, ValueError, r"^give a seed or an rng, not both$"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
async def test_each_bad_argument_is_refused_with_its_own_message(
    wrong: dict[str, Any], kind: type[Exception], complaint: str
) -> None:
    arguments: dict[str, Any] = {"factory": Clerk, "size": 2, **wrong}
    with pytest.raises(kind, match=complaint):
        Pool(**arguments)
    with pytest.raises(kind, match=complaint):
        async with open_pool(**arguments):
            pytest.fail("the block was entered")
